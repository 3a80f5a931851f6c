"""Section 9: WCAG 2.2 AA, as far as a program can tell, on every page in both themes and languages.

In the same visit: no page is wider than a phone, and none has anything to say on the console, where a browser tells what the
Content-Security-Policy forbids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from jobs.log.writer import append_entries
from jobs.models import Job, SavedView
from permissions import tokens
from permissions.models import ApiToken, User
from tests import turns
from tests.browser import audited
from tests.browser.audit import violations
from tests.browser.audited import Shown
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
)
from tests.life import Cast, work
from tests.matrix.access import ELSEWHERE, HERE
from tests.matrix.doors import doors
from tests.matrix.world import build

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
LANGUAGES: Final = ("es", "en")
WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
REFUSED: Final = "Failed to load resource: the server responded with a status of 4"
WHAT: Final = "say in NO_PAGES of tests/browser/audited.py what it is instead"
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
    rule = RuleFactory.create(slug="same")
    for status, step in (
        ("finished", "END"),
        ("error", "END"),
        ("abend", "RUN"),
        ("expired", "RUN"),
        ("running", "RUN"),
    ):
        made[status] = JobFactory.at(
            step, status, rule=rule, environment=cast.environment, project=ProjectFactory.create(), urgent=status == "running",
            natures=[NatureFactory.create()], comment="why", variables={"a": {"value": 1, "origin": "job"}},
        )  # fmt: skip
    levels = ("debug", "info", "warning", "error", "comment")
    append_entries(made["running"].pk, 1, "RUN", [(level, f"one of {level}") for level in levels])
    return made


@pytest.fixture
def shown(root: User, jobs: dict[str, Job]) -> list[Shown]:
    """All pages, with addresses of things that are there."""
    # After the jobs: it brings jobs of its own, which nobody works on.
    world = build()
    view = SavedView.objects.create(owner=root, name="mine", query="status=error", changed_at=timezone.now())
    tokens.issue(root, name="mine")
    instead = {
        "monitor:view": f"/views/{view.pk}/",
        "monitor:token-revoke": f"/account/tokens/{ApiToken.objects.get(user=root).pk}/revoke/",
        "monitor:bulk": f"/jobs/bulk/?job={jobs['finished'].pk}&job={jobs['trapped'].pk}",
        "monitor:drift": f"/deployments/drift/?project=shop-zzshared&from={HERE}&to={ELSEWHERE}",
    }
    numbers = {**world.jobs, **jobs}
    found = [*audited.pages(world, instead), *audited.STATES]
    return [
        replace(each, address=each.address.format(**{k: job.pk for k, job in numbers.items()}))
        for each in found
    ]


class Reading:
    """Somebody's browser in one language, and what is wrong with the pages it has shown."""

    def __init__(self, browser: Browser, address: str, language: str, user: User) -> None:
        """Open it; ``user`` has signed in."""
        self._address, self._language = address, language
        self._context = browser.new_context(
            locale={"es": "es-ES", "en": "en-GB"}[language],
            reduced_motion="reduce",
            viewport={"width": 1280, "height": 900},
        )
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        self._context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])
        self._page = self._context.new_page()
        self._said: list[str] = []
        self._context.on("console", lambda said: self._hear(said.type, said.text))
        self._context.on("weberror", lambda error: self._said.append(str(error.error)))
        self.found: list[str] = []

    def _hear(self, kind: str, text: str) -> None:
        # A page that refuses something has a status that the browser itself tells.
        if kind in {"error", "warning"} and not text.startswith(REFUSED):
            self._said.append(text)

    def look(self, shown: Shown, themes: Sequence[Theme]) -> None:
        """Load a page once, and look at it in these themes."""
        page = self._page
        page.emulate_media(color_scheme=themes[0])
        answer = page.goto(self._address + shown.address, wait_until="domcontentloaded")
        assert answer is not None
        assert answer.headers["content-type"].startswith("text/html"), f"{shown.address} is no page: {WHAT}"
        wrong = [f"status {answer.status}"] if answer.status != shown.status else []
        if shown.act:
            shown.act(page)
        if page.locator("html").get_attribute("lang") != self._language:
            wrong.append("another language")
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            wrong += [f"{theme}: {text}" for text in violations(page)]
        wrong += [f"wider than {width} px" for width in (390, 360) if self._is_wider(width)]
        if shown.narrow:
            wrong += [f"{themes[-1]}, 360 px: {text}" for text in violations(page)]
        page.set_viewport_size({"width": 1280, "height": 900})
        self.found += [f"{shown.address} {self._language} {text}" for text in (*wrong, *self._said)]
        self._said.clear()

    def _is_wider(self, width: int) -> bool:
        self._page.set_viewport_size({"width": width, "height": 900})
        return bool(self._page.evaluate(WIDE))

    def sign_out(self) -> None:
        """Look on as somebody who has not signed in."""
        self._context.clear_cookies()

    def close(self) -> None:
        """Close it."""
        self._context.close()


def looks_of(shown: Shown, number: int) -> list[tuple[str, tuple[Theme, ...]]]:
    """Return the languages in which a page is looked at, each with the themes.

    At night each with each. Otherwise one of each, another one the next time; see ``Shown.every``.
    """
    if turns.WHOLE:
        return [(language, THEMES) for language in LANGUAGES]
    turn, is_left_out = divmod(number + turns.TURN, shown.every)
    return [] if is_left_out else [(LANGUAGES[turn % 2], (THEMES[turn // 2 % 2],))]


def test_no_page_has_a_violation(
    browser: Browser, live_server: LiveServer, root: User, shown: list[Shown]
) -> None:
    readers = {language: Reading(browser, live_server.url, language, root) for language in LANGUAGES}
    for signed_in in (True, False):
        for number, each in enumerate(shown):
            for language, themes in looks_of(each, number) if each.signed_in is signed_in else ():
                readers[language].look(each, themes)
        for reading in readers.values():
            reading.sign_out()
    found = [text for reading in readers.values() for text in reading.found]
    for reading in readers.values():
        reading.close()
    assert found == [], f"TURN={turns.TURN} shows the same again"


@pytest.mark.parametrize("every", [1, 4, 8])
def test_every_page_is_seen_in_both_languages_and_both_themes(
    monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(turns, "WHOLE", False)
    for number in range(8):
        seen = set()
        for day in range(4 * every):
            monkeypatch.setattr(turns, "TURN", 738000 + day)
            looks = looks_of(Shown("/", every=every), number)
            seen |= {(language, theme) for language, themes in looks for theme in themes}
        assert seen == {(language, theme) for language in LANGUAGES for theme in THEMES}


def test_what_is_called_no_page_is_none(client: Client, root: User) -> None:
    there = {door.name: door for door in doors()}
    assert set(audited.NO_PAGES) <= set(there)
    client.force_login(root)
    for name in audited.NO_PAGES:
        answer = client.get("/" + re.sub("<.*?>", "1", there[name].route))
        assert answer.status_code != 200 or b"<html" not in answer.getvalue(), name


def test_the_audit_finds_what_is_wrong(page: Page) -> None:
    page.set_content(
        '<html lang="es"><title>t</title><img src="data:,"><p style="color: #aaa; background: #fff">pale</p>'
    )
    assert {text.partition(":")[0] for text in violations(page)} == {"image-alt", "color-contrast"}
