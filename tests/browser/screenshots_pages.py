"""The pages that people live in, for ``screenshots``: monitor, job, log, new job, and what is around them."""

from __future__ import annotations

from typing import Final

from tests.browser.album import Album

MONITOR: Final = {
    "monitor": "/?view=none",
    "monitor-filtered": "/?view=none&status=error&exclude_environment=PROD&created_after=2026-01-01T00:00:00Z",
    "monitor-filters": "/?view=none&panel=filters",
    "monitor-columns": "/?view=none&panel=columns",
    "monitor-by-environment": "/?view=none&group=environment",
    "monitor-by-status": "/?view=none&group=status",
    "monitor-mistake": "/?search=statsu:error",
    "monitor-none": "/?view=none&q=nothing-is-called-so",
    "views": "/views/",
    "view-new": "/views/new/?status=error",
    "inbox": "/inbox/",
    "deployments": "/deployments/",
    "deployments-none": "/deployments/?q=nothing-is-called-so",
    "estimates": "/deployments/estimates/",
    "new-job": "/jobs/new/",
    "new-job-preview": "/jobs/new/?rule=shop-deploy&environment=PROD&project=shop&revision=v1.1.0&preview=1",
    "account": "/account/",
    "account-token": "/account/tokens/",
    "password": "/account/password/",
    "api": "/api/docs/",
}
"""Pages by name, with the demo's words."""


def monitor(album: Album) -> None:
    """Go through the list, its panels, and the pages beside it."""
    for name, path in MONITOR.items():
        if name == "monitor-mistake":
            album.page.goto(album.address + path)
            album.take(name)
        else:
            album.go(path, name)
    album.go("/deployments/", "deployments-again")
    for href in album.whole_links("a[href*='/drift/']")[:1]:
        album.go(href, "drift")
    album.page.goto(f"{album.address}/nothing-is-here/")
    album.take("not-found")


def jobs(album: Album) -> None:
    """Go through one job of each status: its page, log, comparison and audit, and what may be done with it."""
    album.go("/?view=none", "monitor-again")
    pages = album.page.eval_on_selector_all(
        "tr[data-job]",
        "rows => rows.map(row => [row.querySelector('[data-status]').dataset.status, row.dataset.job])",
    )
    for status, number in dict(reversed(pages)).items():
        one_job(album, f"/jobs/{number}/", status)


def one_job(album: Album, path: str, name: str) -> None:
    """Go through what there is of one job."""
    album.go(path, f"job-{name}")
    actions = album.links(f'a[id^="do-"][href^="{path}"]')
    for part in ("log/", "audit/", "compare/"):
        album.go(path + part, f"job-{name}-{part.strip('/')}")
    for href in actions:
        album.go(href, f"job-{name}-{href.removeprefix(path).strip('/')}")


def several(album: Album) -> None:
    """Choose jobs, and ask for something to be done to all of them."""
    album.go("/?view=none", "monitor-before")
    for box in album.page.locator("input[name=job]").all()[:3]:
        box.check()
    album.take("monitor-selected")
    numbers = album.page.eval_on_selector_all(
        "tr[data-job]", "rows => rows.slice(0, 5).map(row => row.dataset.job)"
    )
    chosen = "&".join(f"job={number}" for number in numbers)
    for action in ("rerun", "cancel", "comment", "delete"):
        album.go(f"/jobs/bulk/?action={action}&{chosen}", f"bulk-{action}")
    album.go("/jobs/bulk/", "bulk-none")
    album.go("/?view=none", "monitor-menu-before")
    menu = album.page.locator("[data-row-menu] summary").first
    if menu.count():
        menu.click()
        album.page.wait_for_timeout(700)
        album.take("monitor-menu")
        album.page.keyboard.press("Escape")
    album.page.keyboard.press("?")
    album.page.wait_for_timeout(300)
    album.take("keys")
