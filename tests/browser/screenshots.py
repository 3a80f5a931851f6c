"""Takes a picture of every page, to be looked at.

``python -m tests.browser.screenshots FOLDER`` signs in to a product that runs (``make run``), goes through the monitor, one job
of each status, and all lists and forms that the administrator sees, and leaves ``FOLDER/es-light-1280/NN-name.png``. It tells
which pages do not answer with 200, are wider than the window, or say something on the browser's console.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, sync_playwright

from tests.browser import provision, screenshots_pages
from tests.browser.album import Album

RULE = """name: shop
steps:
  PRE:
    - run: make build
      when: lenght(natures) > 1
    - log: "{{ job.nane }}"
  RUN:
    - aproval: {approvers: ["group:qa"]}
"""
OF_AN_OBJECT = ("change/", "history/", "delete/")


def lists_and_forms(album: Album) -> None:
    """Go through the lists of the administration: full, empty, adding, one object, its history and its deletion."""
    album.go("/admin/", "index")
    for path in [
        href for href in album.links("#content-main th a") if re.fullmatch(r"/admin/\w+/\w+/", href)
    ]:
        name = path.removeprefix("/admin/").strip("/").replace("/", "-")
        album.go(path, name)
        objects = [
            href for href in album.links("#result_list tr > :is(th, td) a") if href.endswith("/change/")
        ]
        may_add = bool(album.links(f'a.addlink[href^="{path}add/"]'))
        if album.page.locator("#searchbar").count():
            album.go(f"{path}?q=nothing-is-called-so", f"{name}-none")
        if may_add:
            album.go(f"{path}add/", f"{name}-add")
            refused(album, f"{name}-add-refused")
        if objects:
            whole_object(album, objects[0].removesuffix("change/"), name)


def refused(album: Album, name: str) -> None:
    """Send the form as it is, which most of them refuse; where one would be saved, it is left alone."""
    required = album.page.locator("#content-main form [required]")
    if required.count() and not required.first.input_value():
        album.page.eval_on_selector("#content-main form", "form => { form.noValidate = true }")
        album.page.locator("#content-main form [name=_save], #content-main form [type=submit]").first.click()
        album.take(name)


def whole_object(album: Album, path: str, name: str) -> None:
    """Go through the pages of one object."""
    album.go(f"{path}change/", f"{name}-change")
    others = [href for href in album.links("#content-main a, .object-tools a") if belongs(href, path)]
    may_delete = bool(album.links(f'a[href^="{path}delete/"]'))
    album.go(f"{path}history/", f"{name}-history")
    if may_delete:
        album.go(f"{path}delete/", f"{name}-delete")
    for href in others:
        album.go(href, f"{name}-{href.removeprefix(path).strip('/').replace('/', '-')}")


def belongs(href: str, path: str) -> bool:
    """Return whether an address is a page of the object at ``path`` that is not gone through anyway."""
    return href.startswith(path) and href.removeprefix(path) not in {"", *OF_AN_OBJECT}


def questions(album: Album) -> None:
    """Ask who can, and why not."""
    people = "/admin/permissions/user/"
    album.go(f"{people}who-can/", "who-can")
    album.go(f"{people}who-can/?right=restart&environment=PROD", "who-can-answer")
    album.go(f"{people}why-not/", "why-not")
    asked = "user=ana&right=restart&environment=PROD"
    album.go(f"{people}why-not/?{asked}", "why-not-answer")
    album.go("/admin/permissions/environment/rights/", "rights-everywhere")


def rules(album: Album) -> None:
    """Write a rule with mistakes, compare versions, and try one."""
    album.go("/admin/rules/rule/add/", "rule-editor")
    area = album.page.locator("textarea[name=source]").first
    if album.page.locator(".cm-content").count():
        album.page.locator(".cm-content").first.fill(RULE)
    else:
        area.fill(RULE)
    album.page.wait_for_timeout(1_500)
    album.take("rule-editor-mistakes")
    album.go("/admin/rules/rule/", "rules")
    for wanted in ("/change/", "/versions/", "/dry-run/"):
        there = [href for href in album.links("#content-main a, .object-tools a") if wanted in href]
        if not there:
            album.complaints.append(f"{album.page.url}: no way to {wanted}")
            return
        if wanted != "/dry-run/":
            album.go(there[0], f"rule-{wanted.strip('/')}")
    dry_run(album, there[0])


def dry_run(album: Album, path: str) -> None:
    """Try a version of a rule in PROD."""
    album.go(path, "dry-run")
    album.page.select_option("[name=environment]", "PROD")
    project = album.page.locator("[name=project] option")
    if project.count() > 1:
        album.page.select_option("[name=project]", index=1)
    album.page.locator("#content-main form [type=submit]").first.click()
    album.take("dry-run-answer")


def bulk(album: Album) -> None:
    """Choose jobs and ask for each action of the list."""
    path = "/admin/jobs/job/"
    album.go(path, "jobs")
    actions = [value for value in values(album, "select[name=action] option") if value]
    for action in actions:
        album.go(path, f"jobs-before-{action}")
        for box in album.page.locator("input.action-select").all()[:3]:
            box.check()
        album.page.select_option("select[name=action]", action)
        album.page.locator("button[name=index]").first.click()
        album.take(f"jobs-{action}")


def values(album: Album, selector: str) -> list[str]:
    """Return the values of options."""
    return list(album.page.eval_on_selector_all(selector, "all => all.map(one => one.value)"))


def workers(album: Album) -> None:
    """Ask whether a worker is to be drained."""
    album.go("/admin/jobs/workerseen/", "workers")
    album.page.wait_for_timeout(500)
    hrefs = album.page.eval_on_selector_all(
        "a[href*='drain/']", "all => all.map(one => one.getAttribute('href'))"
    )
    if hrefs:
        album.go(
            f"/admin/jobs/workerseen/drain/?worker={quote(str(hrefs[0]).partition('worker=')[2], safe='%')}",
            "drain",
        )


def natures(album: Album) -> None:
    """Try paths out."""
    album.go("/admin/jobs/nature/try/", "natures-try")
    album.page.fill("[name=paths]", "app/models.py\nREADME.md\ndb/migrations/0001.sql\n")
    album.page.locator("[name=_try]").click()
    album.take("natures-try-answer")


CHAPTERS: dict[str, tuple[Callable[[Album], None], ...]] = {
    "pages": (screenshots_pages.monitor, screenshots_pages.jobs, screenshots_pages.several),
    "admin": (lists_and_forms, questions, rules, bulk, workers, natures),
}


def albums(browser: Browser, given: argparse.Namespace) -> Iterator[Album]:
    """Yield an album, signed in, for each language, theme and width that is asked for."""
    for language, theme, width in product(given.languages, given.themes, given.widths):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, locale=language, color_scheme=theme
        )
        context.set_default_timeout(60_000)
        album = Album(
            context.new_page(), given.address.rstrip("/"), given.folder / f"{language}-{theme}-{width}"
        )
        album.sign_in(given.user, given.password)
        yield album
        context.close()


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="where the product answers")
    parser.add_argument("--user", default="admin")
    parser.add_argument(
        "--password", default=os.environ.get("CLARIVE_ADMIN_PASSWORD", ""), help="as it was printed"
    )
    parser.add_argument("--parts", nargs="+", choices=list(CHAPTERS), default=list(CHAPTERS))
    parser.add_argument("--languages", nargs="+", default=["es", "en"])
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    parser.add_argument("--widths", nargs="+", type=int, default=[1280, 390])
    return parser.parse_args()


def main() -> int:
    """Take the pictures; the exit code tells whether something is wrong with one of the pages."""
    given = arguments()
    browser = provision.find()
    is_well = True
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(browser.program), env={**os.environ, **browser.environment}
        )
        for album in albums(launched, given):
            for chapter in (each for part in given.parts for each in CHAPTERS[part]):
                chapter(album)
            sys.stdout.write("".join(f"{album.folder.name}: {text}\n" for text in album.complaints))
            is_well = is_well and not album.complaints
        launched.close()
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
