"""Section 9: WCAG 2.2 AA, as far as a program can tell, on every page in both themes and languages."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from jobs.log.writer import append_entries
from jobs.models import Job
from permissions.models import User
from tests.browser.audit import violations
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    UserFactory,
)
from tests.life import Cast, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STEPS: Final = """
PRE:
  - log: "\\x1b[1;31mfailed\\x1b[0m and \\x1b[42mgreen\\x1b[0m"
    name: Build it
RUN:
  - run: "exit 3"
    on_error: trap
"""
APPROVAL: Final = 'PRE:\n  - approval: {approvers: ["user:root"], min: 2}'


@pytest.fixture
def root(transactional_db: None) -> User:
    return UserFactory.create(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def jobs(root: User, broker: str) -> dict[str, Job]:
    """Jobs in the statuses that look different."""
    cast = Cast(environment=EnvironmentFactory.create(code="PROD", colour="#d9480f"))
    made = {"trapped": work(cast.job(STEPS)), "approval": work(cast.job(APPROVAL))}
    for status, step in (
        ("finished", "END"),
        ("error", "END"),
        ("abend", "RUN"),
        ("expired", "RUN"),
        ("running", "RUN"),
    ):
        made[status] = JobFactory.at(
            step, status, environment=cast.environment, project=ProjectFactory.create(), urgent=status == "running",
            natures=[NatureFactory.create()], comment="why", variables={"a": {"value": 1, "origin": "job"}},
        )  # fmt: skip
    levels = ("debug", "info", "warning", "error", "comment")
    append_entries(made["running"].pk, 1, "RUN", [(level, f"one of {level}") for level in levels])
    return made


class Look(NamedTuple):
    """How a page is looked at; language and theme are each looked at whole, not each with each."""

    language: str
    theme: Literal["light", "dark"]
    width: int


FIRST, SECOND, NARROW = Look("es", "light", 1280), Look("en", "dark", 1280), Look("es", "dark", 390)
EVERYWHERE: Final = (
    "/", "/?q=none", "/jobs/{trapped}/", "/jobs/{approval}/", "/jobs/{running}/", "/jobs/{running}/log/",
    "/jobs/{trapped}/retry/", "/jobs/new/", "/account/", "/jobs/0/", "/api/docs/",
    "/admin/", "/admin/jobs/job/", "/admin/jobs/schedule/add/",
)  # fmt: skip
ONCE: Final = (
    "/?status=running&environment=PROD", "/jobs/{finished}/", "/jobs/{error}/", "/jobs/{abend}/", "/jobs/{expired}/",
    "/jobs/{finished}/rerun/", "/admin/permissions/environment/", "/admin/permissions/user/add/", "/admin/rules/rule/add/",
)  # fmt: skip
ON_A_PHONE: Final = ("/", "/jobs/{trapped}/", "/jobs/{running}/log/", "/jobs/new/")

# Much of the page is the same again and again; of each kind some is left.
CUT: Final = """
for (const element of document.querySelectorAll(".api-nav li:nth-of-type(n+4), .api-group:nth-of-type(n+3)")) element.remove();
"""
# What is only there while something happens.
NEWS: Final = """
document.querySelector("[data-offline]").hidden = false;
const news = document.querySelector("[data-news]"), pill = news.querySelector("button"), row = document.querySelector("tr.job");
pill.textContent = news.dataset.newOne;
pill.hidden = false;
if (row) {
  row.title = news.dataset.gone;
  row.classList.add("is-gone");
}
for (const menu of document.querySelectorAll("details")) menu.open = true;
"""


def opened(browser: Browser, address: str, user: User, look: Look) -> BrowserContext:
    """Return the browser of somebody who has signed in."""
    context = browser.new_context(
        locale={"es": "es-ES", "en": "en-GB"}[look.language],
        color_scheme=look.theme,
        reduced_motion="reduce",
        viewport={"width": look.width, "height": 900},
        bypass_csp=True,
    )
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])
    return context


@pytest.mark.parametrize(
    ("look", "addresses"),
    [(FIRST, (*EVERYWHERE, *ONCE)), (SECOND, EVERYWHERE), (NARROW, ON_A_PHONE)],
    ids=["es-light", "en-dark", "es-dark-390"],
)
def test_no_page_has_a_violation(
    browser: Browser,
    live_server: LiveServer,
    root: User,
    jobs: dict[str, Job],
    look: Look,
    addresses: tuple[str, ...],
) -> None:
    numbers = {name: job.pk for name, job in jobs.items()}
    context = opened(browser, live_server.url, root, look)
    page = context.new_page()
    found = []
    for address in (*addresses, "/login/"):
        if address == "/login/":
            context.clear_cookies()
        answer = page.goto(live_server.url + address.format(**numbers), wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == (404 if address == "/jobs/0/" else 200), address
        assert page.locator("html").get_attribute("lang") == look.language
        if address == "/api/docs/":
            page.evaluate(CUT)
        if address == "/":
            page.evaluate(NEWS)
        found += [f"{address} {text}" for text in violations(page)]
    context.close()
    assert found == []


def test_the_audit_finds_what_is_wrong(page: Page) -> None:
    page.set_content(
        '<html lang="es"><title>t</title><img src="data:,"><p style="color: #aaa; background: #fff">pale</p>'
    )
    assert {text.partition(":")[0] for text in violations(page)} == {"image-alt", "color-contrast"}
