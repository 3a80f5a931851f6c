"""Section 9 in a real browser: reading, following, no script of anybody else's, both themes, with and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs import transitions
from jobs.lifecycle import Event, Step
from jobs.log.writer import append_entries
from jobs.models import Job, OperationRun
from jobs.transitions import Change
from permissions.models import Environment, User
from tests.browser.fitting import too_wide
from tests.factories import (
    PASSWORD,
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    happen,
    moment,
    user_with,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OUTPUT: Final = (
    "\x1b[1;31mfailed\x1b[0m after 3 s",
    "<script>document.title = 'executed'</script><img src=x onerror=\"document.title = 'executed'\">",
    "bell \x07 and \u202ereversed",
)


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV", colour="#2f9e44")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "create", environments=[dev], username="ana")


@pytest.fixture
def job(dev: Environment) -> Job:
    made = JobFactory.at(
        "RUN", "running", environment=dev, name="N.DEV-00000007", project=ProjectFactory.create(code="shop"),
        rule=RuleFactory.create(slug="web"), comment="<b>comment</b>",
        variables={"colour": {"value": "green", "origin": "job"}},
    )  # fmt: skip
    OperationRun.objects.create(
        job=made, attempt=1, path="RUN/0", identifier="deploy", name="Deploy it", key="log", step="RUN", status="running",
        started_at=made.created_at,
    )  # fmt: skip
    append_entries(made.pk, 1, "RUN", [("info", line) for line in OUTPUT])
    append_entries(made.pk, 1, "RUN", [("error", "no route to host"), ("warning", "\x1b[42mtwice\x1b[0m")])
    return made


class Complaints:
    """What the console of a page said."""

    def __init__(self, context: BrowserContext) -> None:
        self.found: list[str] = []
        context.on("console", lambda message: self._add(message.type, message.text))
        context.on("weberror", lambda error: self.found.append(str(error.error)))

    def _add(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.found.append(text)


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[Complaints]:
    """Fail the test when anything was said on the console."""
    kept = Complaints(context)
    yield kept
    assert kept.found == []


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "es-ES", "timezone_id": "Europe/Madrid"}


def sign_in(page: Page, live_server: LiveServer, address: str = "/") -> None:
    page.goto(f"{live_server.url}{address}")
    page.get_by_label("Nombre de usuario").fill("ana")
    page.get_by_label("Contraseña").fill(PASSWORD)
    page.get_by_role("button", name="Iniciar sesión").click()
    page.wait_for_url(f"{live_server.url}{address}")


def test_from_signing_in_to_the_log(
    page: Page, live_server: LiveServer, ana: User, job: Job, complaints: Complaints
) -> None:
    sign_in(page, live_server)
    row = page.get_by_role("row").filter(has_text="N.DEV-00000007")
    expect(row).to_contain_text("Ejecutando")
    row.get_by_role("link", name="N.DEV-00000007", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("N.DEV-00000007")
    expect(page.get_by_role("list", name="Pasos").locator("[aria-current=step]")).to_contain_text("RUN")
    expect(page.get_by_role("row").filter(has_text="Deploy it")).to_contain_text("Ejecutando")
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("failed after 3 s")
    assert page.locator(".ansi-fg-red").evaluate("e => getComputedStyle(e).color") != page.locator(
        ".line .text"
    ).first.evaluate("e => getComputedStyle(e).color")
    expect(page.get_by_role("log")).to_contain_text(OUTPUT[1])
    expect(page.get_by_role("log")).to_contain_text("bell ^G and U+202Ereversed")
    assert page.title() != "executed"
    assert page.locator(".log img, .log script").count() == 0


def test_the_monitor_follows_without_loading_again_and_keeps_the_focus(
    page: Page, live_server: LiveServer, ana: User, job: Job, complaints: Complaints
) -> None:
    sign_in(page, live_server)
    page.evaluate("window.stillHere = true")
    link = page.locator(f"#job-{job.pk}")
    link.focus()
    Job.objects.filter(pk=job.pk).update(percent=42)
    expect(page.get_by_role("row").filter(has_text="N.DEV-00000007")).to_contain_text("42 %", timeout=10_000)
    expect(link).to_be_focused()
    assert page.evaluate("window.stillHere") is True


def test_a_hidden_page_asks_nothing_and_catches_up_when_shown(
    page: Page, live_server: LiveServer, ana: User, job: Job
) -> None:
    sign_in(page, live_server)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("hx-request", "")))
    page.clock.install()
    page.reload()
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    asked.clear()
    page.clock.run_for(60_000)
    assert "true" not in asked
    Job.objects.filter(pk=job.pk).update(percent=42)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("row").filter(has_text="N.DEV-00000007")).to_contain_text("42 %")


def test_a_log_grows_while_one_looks_and_says_when_it_ends(
    page: Page, live_server: LiveServer, ana: User, job: Job, complaints: Complaints
) -> None:
    sign_in(page, live_server, f"/jobs/{job.pk}/log/")
    append_entries(job.pk, 1, "RUN", [("info", f"more {number}") for number in range(200)])
    expect(page.get_by_role("log")).to_contain_text("more 199", timeout=10_000)
    expect(page.locator(".line").last).to_be_in_viewport()
    assert page.locator(".line").count() == 205
    for event in (Event.STEP_OK, Event.START, Event.STEP_OK):
        happen(job, event)
    expect(page.locator("#log-status")).to_contain_text("Finalizado", timeout=10_000)


def test_following_stops_when_the_reader_scrolls_away(
    page: Page, live_server: LiveServer, ana: User, job: Job
) -> None:
    append_entries(job.pk, 1, "RUN", [("info", f"line {number}") for number in range(300)])
    sign_in(page, live_server, f"/jobs/{job.pk}/log/")
    follow = page.get_by_label("Seguir")
    expect(follow).to_be_checked()
    page.locator("#log").hover()
    page.mouse.wheel(0, -2000)
    expect(follow).not_to_be_checked()
    append_entries(job.pk, 1, "RUN", [("info", "the newest")])
    expect(page.get_by_role("log")).to_contain_text("the newest", timeout=10_000)
    expect(page.locator(".line").last).not_to_be_in_viewport()


def test_a_line_can_be_linked(page: Page, live_server: LiveServer, ana: User, job: Job) -> None:
    append_entries(job.pk, 1, "RUN", [("info", f"line {number}") for number in range(3000)])
    sign_in(page, live_server, f"/jobs/{job.pk}/log/")
    page.goto(f"{live_server.url}/jobs/{job.pk}/log/?line=1500#L1500")
    expect(page.locator("#L1500")).to_be_in_viewport()
    page.locator("#L1502 .no").click()
    expect(page).to_have_url(re.compile(r"\?line=1502#L1502$"))
    expect(page.locator("#L1502")).to_have_class(re.compile("is-marked"))


def test_a_dashboard_follows_the_job_to_its_end_and_into_a_rerun(
    page: Page, live_server: LiveServer, ana: User, job: Job, complaints: Complaints
) -> None:
    sign_in(page, live_server, f"/jobs/{job.pk}/")
    for event in (Event.STEP_OK, Event.START, Event.STEP_OK):
        happen(job, event)
    current = page.get_by_role("list", name="Pasos").locator("[aria-current=step]")
    expect(current).to_contain_text("END hecho", timeout=10_000)
    with transaction.atomic():
        change = Change(Event.RERUN, timezone.now(), asked_step=Step.RUN)
        transitions.apply(transitions.lock(job.pk), change)
    # An ended job is asked for every fifteen seconds.
    expect(current).to_contain_text("RUN", timeout=25_000)


PART: Final = """<div id="part"><p>{}</p><details><summary>more</summary><p>{}</p></details>
<input type="checkbox" id="tick"><input id="typed"><input type="hidden" id="version" value="{}"></div>"""


def test_what_the_reader_did_in_a_part_stays_when_it_is_taken_in_again(
    page: Page, live_server: LiveServer, complaints: Complaints
) -> None:
    page.goto(f"{live_server.url}/login/")
    page.wait_for_function("() => window.Idiomorph && window.htmx")
    page.evaluate(
        "html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", PART.format(1, 1, 1)
    )
    page.locator("#part summary").click()
    page.check("#tick")
    page.fill("#typed", "half a wo")
    page.evaluate(
        """html => {
            const target = document.getElementById("part"), detail = {target, serverResponse: html, shouldSwap: true};
            window.details = target.querySelector("details");
            document.dispatchEvent(new CustomEvent("htmx:beforeSwap", {detail}));
            if (detail.shouldSwap) throw new Error("left to be replaced");
        }""",
        PART.format(2, 3, 4),
    )
    expect(page.locator("#part > p")).to_have_text("2")
    expect(page.locator("#part details p")).to_be_visible()
    expect(page.locator("#part details p")).to_have_text("3")
    expect(page.locator("#tick")).to_be_checked()
    expect(page.locator("#typed")).to_have_value("half a wo")
    expect(page.locator("#typed")).to_be_focused()
    expect(page.locator("#version")).to_have_value("4")
    assert page.evaluate("window.details === document.querySelector('#part details')")


def test_everything_is_read_without_scripts(
    browser: Browser, browser_context_args: dict[str, Any], live_server: LiveServer, ana: User, job: Job
) -> None:
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    page = context.new_page()
    sign_in(page, live_server)
    page.get_by_role("searchbox").fill("entorno:dev 00000007")
    page.get_by_role("search").get_by_role("button").click()
    page.wait_for_url(f"{live_server.url}/?environment=DEV&q=00000007")
    page.get_by_role("link", name="N.DEV-00000007", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("comment</b>")
    page.get_by_role("link", name="Log completo").click()
    page.get_by_role("checkbox", name="Error").check()
    page.get_by_role("button", name="Filtrar").click()
    expect(page.locator(".line")).to_have_count(1)
    expect(page.get_by_role("log")).to_contain_text("no route to host")
    expect(page.get_by_label("Seguir")).to_be_hidden()
    page.get_by_role("link", name="Nuevo pase").click()
    page.get_by_label("Variables").fill("nonsense")
    page.get_by_role("button", name="Crear pase").click()
    expect(page.get_by_role("alert")).to_contain_text("El pase no se ha creado")
    expect(page.get_by_label("Variables")).to_have_value("nonsense")
    context.close()


PAGES: Final = (
    "/", "/?q=none", "/?panel=filters", "/?panel=columns&group=status", "/views/new/?status=error", "/jobs/{}/", "/jobs/{}/log/",
    "/jobs/new/", "/account/", "/deployments/", "/jobs/0/",
)  # fmt: skip


def test_no_menu_of_the_list_reaches_beyond_a_phone(
    page: Page, live_server: LiveServer, ana: User, job: Job
) -> None:
    page.set_viewport_size({"width": 360, "height": 900})
    sign_in(page, live_server)
    menus = page.locator(".tools details")
    assert menus.count() >= 3
    for number in range(menus.count()):
        menus.nth(number).locator("summary").click()
        expect(menus.nth(number).locator(".menu-list")).to_be_visible()
        assert too_wide(page) == [], menus.nth(number).inner_text()
        page.keyboard.press("Escape")


BEHIND: Final = """() => [...document.querySelectorAll("tr.job")].flatMap(row => {
    const edge = row.querySelector(".cell-menu").getBoundingClientRect().left;
    const isBehind = time => time.getBoundingClientRect().right > edge;
    return [...row.querySelectorAll("time")].filter(isBehind).map(time => time.textContent);
})"""


def test_all_of_the_users_columns_are_seen_at_once(
    page: Page, live_server: LiveServer, ana: User, dev: Environment
) -> None:
    rule, shop = RuleFactory.create(slug="deploy-shop-eu"), ProjectFactory.create(code="payments-gateway")
    natures = [NatureFactory.create(code=code) for code in ("deployment", "python", "web")]
    for step, status in (("RUN", "pending_approval"), ("RUN", "trapped"), ("END", "finished")):
        JobFactory.at(
            step, status, environment=dev, name=f"N.DEV-0000{status[:4]}", rule=rule, project=shop, natures=natures, urgent=True,
            scheduled_at=moment("2026-09-28T22:30"), max_start_at=moment("2026-09-29T22:30"),
        )  # fmt: skip
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, live_server)
    frame = page.locator(".table-frame")
    for language in ("es", "en"):
        User.objects.filter(pk=ana.pk).update(language=language)
        page.reload()
        assert page.locator("html").get_attribute("lang") == language
        assert frame.evaluate("frame => frame.scrollWidth - frame.clientWidth") == 0
        assert page.evaluate(BEHIND) == []


@pytest.mark.parametrize("width", [360, 1024])
def test_every_page_fits_in_both_themes_and_its_console_is_silent(
    page: Page, live_server: LiveServer, ana: User, job: Job, width: int
) -> None:
    happen(JobFactory.at("RUN", "trapped", environment=job.environment), Event.PAUSE)
    for step, status in (
        ("RUN", "pending_approval"),
        ("RUN", "abend"),
        ("RUN", "expired"),
        ("END", "finished"),
    ):
        JobFactory.at(step, status, environment=job.environment)
    kept = Complaints(page.context)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{live_server.url}/login/")
    wide = []
    sign_in(page, live_server)
    for address in PAGES:
        page.goto(live_server.url + address.format(job.pk))
        wide += [f"{address} {theme}" for theme in too_wide(page)]
        expect(page.locator("h1")).to_have_count(1)
        assert page.locator("[id]").evaluate_all("es => es.length - new Set(es.map(e => e.id)).size") == 0
    assert wide == []
    assert [text for text in kept.found if "404" not in text] == []
