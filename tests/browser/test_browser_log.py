"""The story of a long log in a real browser: searching, folding, linking, copying, scrolling through all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.log.assembly import Place
from jobs.log.codec import BlockBuilder, Level, Stream
from jobs.log.rows import Batch, Chunk
from jobs.log.writer import append_entries
from jobs.models import Job, OperationRun
from permissions.models import Environment, User
from tests.factories import PASSWORD, EnvironmentFactory, JobFactory, user_with

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINES: Final = 20_000
MOST_ELEMENTS: Final = 25_000
FOREIGN: Final = (
    "<script>document.title = 'executed'</script><img src=x onerror=\"document.title = 'executed'\">"
)
THROUGH: Final = """async (last) => {
    const log = document.getElementById("log");
    const lines = log.getElementsByClassName("line");
    const until = Date.now() + 60000;
    let most = 0;
    for (let seen = ""; seen !== `L${last}` && Date.now() < until;) {
        if (seen !== lines[lines.length - 1].id) {
            seen = lines[lines.length - 1].id;
            most = Math.max(most, document.getElementsByTagName("*").length);
            log.scrollTop = log.scrollHeight;
        }
        await new Promise((done) => setTimeout(done, 20));
    }
    return {most, ids: [...lines].map((line) => Number(line.id.slice(1)))};
}"""


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def job(dev: Environment) -> Job:
    """A running job with two operations: a short one that failed, and one with twenty thousand lines."""
    job = JobFactory.at("RUN", "running", environment=dev, name="N.DEV-00000007")
    for number, (name, status) in enumerate((("build", "failed"), ("deploy", "running"))):
        OperationRun.objects.create(
            job=job, attempt=1, path=f"RUN/{number}", identifier=name, name=name.title(), key="run", step="RUN", status=status,
            started_at=job.created_at, finished_at=job.created_at + timedelta(seconds=75),
        )  # fmt: skip
    append_entries(
        job.pk,
        1,
        "RUN",
        [("info", f"building {n}") for n in range(5)],
        operation="RUN/0",
        operation_id="build",
    )
    chunks = []
    for first in range(0, LINES, 2000):
        block = BlockBuilder()
        lines = [
            f"\x1b[36mline\x1b[0m {n} {FOREIGN if n % 500 == 0 else ''}" for n in range(first, first + 2000)
        ]
        lines[700] += " the Needle"
        block.add("\n".join(lines).encode(), job.created_at, Level.INFO, Stream.STDOUT)
        chunks.append(Chunk(Place("RUN", "RUN/1", "deploy"), block.build()))
    Batch(job.pk, 1, chunks).write_unclaimed(connection)
    return job


@pytest.fixture
def said(context: BrowserContext) -> Iterator[list[str]]:
    """Fail the test when anything was said on the console."""
    found: list[str] = []
    context.on(
        "console",
        lambda message: found.append(message.text) if message.type in {"error", "warning"} else None,
    )
    context.on("weberror", lambda error: found.append(str(error.error)))
    yield found
    assert found == []


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "en-GB", "permissions": ["clipboard-read", "clipboard-write"]}


@pytest.fixture
def log(page: Page, live_server: LiveServer, ana: User, job: Job) -> str:
    """Sign in; return the address of the log."""
    address = f"{live_server.url}/jobs/{job.pk}/log/"
    page.goto(f"{live_server.url}/login/?next=/account/")
    page.fill("[name=username]", "ana")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/account/")
    return address


def test_a_long_log_is_searched_folded_linked_and_copied(page: Page, log: str, said: list[str]) -> None:
    page.goto(log)
    expect(page.locator(f"#L{LINES + 5}")).to_be_in_viewport()
    page.get_by_role("searchbox").fill("needle")
    page.keyboard.press("Enter")
    expect(page.locator(".is-hit mark")).to_have_text("Needle")
    expect(page.locator("#log-count")).to_have_text("1 of 10 matching lines")
    expect(page.locator("#L706")).to_be_in_viewport()
    page.get_by_role("link", name="Next match").click()
    expect(page.locator("#L2706")).to_be_in_viewport()
    expect(page.locator("#log-count")).to_have_text("2 of 10 matching lines")
    page.get_by_role("link", name="Previous match").click()
    expect(page).to_have_url(re.compile(r"q=needle&hit=706#L706$"))
    page.go_back()
    page.go_back()
    page.go_back()
    expect(page).to_have_url(log)
    expect(page.get_by_role("searchbox"), "what was sent is not taken for what is shown").to_have_value("")
    page.goto(f"{log}?q=needle")
    page.get_by_role("link", name="End the search").click()

    page.locator("#L710 .no").click()
    expect(page).to_have_url(re.compile(r"\?line=710#L710$"))
    page.locator("#L712 .no").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile(r"\?lines=710-712#L710-L712$"))
    page.reload()
    expect(page.locator(".is-marked")).to_have_count(3)
    expect(page.locator("#L710")).to_be_in_viewport()
    page.evaluate(
        """() => getSelection().setBaseAndExtent(
            document.querySelector("#L710"), 0, document.querySelector("#L712 .text"), 1)"""
    )
    page.keyboard.press("ControlOrMeta+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[:2] == ["line 704 ", "line 705 "]
    assert copied.splitlines()[2].startswith("line")

    page.goto(f"{log}?after=0")
    page.get_by_role("link", name="Fold Build").click()
    expect(page.locator(".op.is-folded")).to_contain_text("Failed 1 min 15 s 5 lines")
    expect(page.locator("#L1")).to_have_count(0)
    page.get_by_role("link", name="Unfold Build").click()
    expect(page.locator("#L1")).to_be_visible()
    page.goto(f"{log}?level=info&after=0")
    page.locator("#L3 .no").click()
    expect(page).to_have_url(re.compile(r"\?level=info&line=3#L3$"))
    page.get_by_role("link", name="Relative times").click()
    page.goto(f"{log}#L15000")
    expect(page.locator("#L15000")).to_be_in_viewport()
    expect(page.locator(".log-view")).to_have_class(re.compile("is-relative"))
    assert page.title() != "executed"
    assert page.locator(".log img, .log script").count() == 0


def test_all_of_a_long_log_is_scrolled_through_in_a_small_page(
    page: Page, log: str, job: Job, said: list[str]
) -> None:
    page.goto(f"{log}?after=0")
    down = page.evaluate(THROUGH, LINES + 5)
    assert down["ids"] == list(range(down["ids"][0], LINES + 6))
    assert down["most"] < MOST_ELEMENTS
    assert down["ids"][0] > LINES - 4000
    page.locator("#log").evaluate("log => { log.scrollTop = 0 }")
    expect(page.locator(f"#L{down['ids'][0] - 1}")).to_have_count(1)
    pill = page.get_by_role("link", name="Jump to the end")
    append_entries(
        job.pk,
        1,
        "RUN",
        [("info", f"newest {n}") for n in range(3)],
        operation="RUN/1",
        operation_id="deploy",
    )
    expect(pill).to_contain_text("3 new lines", timeout=10_000)
    pill.click()
    expect(page.locator(".line").last).to_contain_text("newest 2")
    expect(page.locator(".line").last).to_be_in_viewport()
    append_entries(job.pk, 1, "RUN", [("info", "followed")], operation="RUN/1", operation_id="deploy")
    expect(page.locator(".line").last).to_contain_text("followed", timeout=10_000)
    expect(page.locator(".line").last).to_be_in_viewport()
    ids = page.locator(".line").evaluate_all("lines => lines.map(line => Number(line.id.slice(1)))")
    assert ids == list(range(ids[0], LINES + 10))
