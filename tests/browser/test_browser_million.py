"""A million nasty lines in a real browser: opened at the end, in the middle and at a link, exactly, in a small page."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import CDPSession, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.log.assembly import Place
from jobs.log.codec import BlockBuilder, Level, Stream
from jobs.log.rows import Batch, Chunk
from jobs.models import Job
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.million import A_CHUNK, LINES, LONG_EVERY, shown, written

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FIRST: Final = 10_001
"""Number of the line with which each chunk begins: a very long one is among those that follow."""

LINK: Final = (LINES // A_CHUNK // 3) * A_CHUNK + LONG_EVERY - FIRST + 1
"""One of the very long lines, somewhere."""

MOST_LINES: Final = 4_000
MOST_ELEMENTS: Final = 25_000
MOST_HEAP: Final = 48 << 20
"""Bytes of what the page's scripts hold; it holds 5 MiB."""

READ: Final = """() => Object.fromEntries([...document.querySelectorAll(".line")].map(line => {
    const text = line.querySelector(".text").cloneNode(true);
    for (const part of text.querySelectorAll(".cut")) part.remove();
    return [line.id.slice(1), text.textContent];
}))"""
AWAY: Final = """async (distance) => {
    const log = document.getElementById("log"), first = () => document.querySelector(".line").id;
    const before = first(), until = Date.now() + 20_000;
    while (first() === before && Date.now() < until) {
        log.scrollTop += distance;
        await new Promise(done => setTimeout(done, 50));
    }
    return first() !== before;
}"""
"""Scrolls until the page holds other lines than before: those far behind have left it."""


@pytest.fixture
def job(transactional_db: None) -> Job:
    """A job with the same chunk again and again: it is built once."""
    job = JobFactory.at("RUN", "running", environment=EnvironmentFactory.create(code="DEV"))
    block = BlockBuilder()
    text = b"\n".join(map(written, range(FIRST, FIRST + A_CHUNK)))
    block.add(text, job.created_at, Level.INFO, Stream.STDOUT)
    chunks = [Chunk(Place("RUN", "RUN/0", "build"), block.build())] * 100
    for _ in range(LINES // A_CHUNK // 100):
        Batch(job.pk, 1, chunks).write_unclaimed(connection)
    job.refresh_from_db()
    assert job.log_lines == LINES
    return job


@pytest.fixture
def log(page: Page, live_server: LiveServer, job: Job) -> str:
    """Sign in; return the address of the log."""
    client = Client()
    client.force_login(user_with("view_monitor", environments=[job.environment], username="ana"))
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    return f"{live_server.url}/jobs/{job.pk}/log/"


class Harm:
    """What a log must not do: say something, ask something, run something, ask another host for something."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", lambda said: self.found.append(said.text))
        page.on("pageerror", lambda error: self.found.append(str(error)))
        page.on("dialog", self._close)
        page.on("request", lambda asked: self._look(asked.url))
        self._page = page

    def _close(self, dialog: Any) -> None:
        self.found.append(dialog.message)
        dialog.dismiss()

    def _look(self, url: str) -> None:
        if "/x" in url.rpartition(":")[2]:
            self.found.append(url)

    def look(self) -> list[str]:
        """Return all that was done."""
        foreign = self._page.locator(".log img, .log script, .log [style], .log [onerror]").count()
        return [*self.found, *["markup"] * foreign, *["title"] * (self._page.title() == "executed")]


def read(page: Page) -> list[int]:
    """Return the numbers of the lines on the page, whose texts are what they should be."""
    lines = {int(number): text for number, text in page.evaluate(READ).items()}
    assert lines == {number: shown(FIRST + (number - 1) % A_CHUNK) for number in lines}
    numbers = sorted(lines)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) <= MOST_LINES
    assert page.evaluate("document.getElementsByTagName('*').length") <= MOST_ELEMENTS
    return numbers


def heap(session: CDPSession) -> int:
    """Return how many bytes the page's scripts hold, after what nobody holds was collected."""
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["usedSize"])


def test_a_million_lines_are_shown_exactly_in_a_small_page_wherever_they_are_opened(
    page: Page, log: str
) -> None:
    harm, session = Harm(page), page.context.new_cdp_session(page)
    page.goto(log)
    expect(page.locator(f"#L{LINES}")).to_be_in_viewport()
    assert read(page)[-1] == LINES
    page.get_by_placeholder("Line or %").or_(page.get_by_placeholder("Línea o %")).fill("50%")
    page.keyboard.press("Enter")
    expect(page.locator(f"#L{LINES // 2}")).to_be_in_viewport()
    before = read(page)
    for distance in (100_000, -100_000):
        assert page.evaluate(AWAY, distance)
        read(page)
    assert before[0] <= LINES // 2 <= before[-1]
    page.goto(f"{log}#L{LINK}")
    expect(page.locator(f"#L{LINK}")).to_be_in_viewport()
    assert LINK in read(page)
    assert heap(session) < MOST_HEAP
    assert harm.look() == []
