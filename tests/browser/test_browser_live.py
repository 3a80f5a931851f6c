"""Section 9 in real browsers on a real web process: pages that are told, rows that stay, connections that come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from jobs.models import Job, Trap
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from tests.conftest import Workers
from tests.factories import PASSWORD, EnvironmentFactory, JobFactory, grant, publish, user_with
from tests.web import HOST, Web, web_process

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHIP: Final = """
name: ship
steps:
  PRE:
    - run: "echo compiling; while [ ! -e GATE ]; do sleep 0.1; done; echo compiled"
      name: Compile
    - approval: {approvers: ["user:leo"], min: 1}
      name: Go live
  RUN:
    - run: echo shipped
      name: Ship
"""
HIDE = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});"
SHOW = "delete document.hidden;"
TOLD = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture(scope="module")
def kept(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_process(tmp_path_factory.mktemp("web")) as process:
        yield process


@pytest.fixture
def web(kept: Web, transactional_db: None) -> Web:
    """One process for all tests here: it takes seconds to start."""
    return kept


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "en-GB", "timezone_id": "Europe/Madrid"}


@pytest.fixture
def second(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    """Somebody else's browser."""
    context = browser.new_context(**browser_context_args)
    yield context
    context.close()


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "cancel", environments=[dev], username="ana")


class Asked:
    """What a page asks for by itself."""

    def __init__(self, page: Page) -> None:
        self.fragments: list[str] = []
        self.streams: list[str] = []
        page.on("request", self._hear)

    def _hear(self, request: Request) -> None:
        if "/stream/" in request.url:
            self.streams.append(request.url)
        elif "x-clarive-poll" in request.headers:
            self.fragments.append(request.url)


def sign_in(page: Page, web: Web, name: str, address: str = "/") -> Asked:
    """Sign in and wait until the page is told what happens."""
    asked = Asked(page)
    page.goto(f"http://{HOST}:{web.port}{address}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    # Its first question comes when the stream has begun.
    with page.expect_response(lambda answer: "x-clarive-poll" in answer.request.headers):
        page.get_by_role("button", name="Sign in").click()
    return asked


def row(page: Page, job: Job) -> Locator:
    return page.locator(f"#row-{job.pk}")


def trapped(environment: Environment) -> Job:
    """Return a job that waits for an answer."""
    job = JobFactory.at("RUN", "trapped", environment=environment)
    Trap.objects.create(
        job=job, attempt=1, step="RUN", path="RUN/0", operation="ship", name="Ship", began_at=timezone.now(),
        on_timeout="abort", deadline=timezone.now() + timedelta(hours=1), error="no route to host",
    )  # fmt: skip
    return job


def test_what_one_does_another_sees_and_no_row_moves_under_the_pointer(
    page: Page, second: BrowserContext, web: Web, dev: Environment, ana: User
) -> None:
    jobs = [JobFactory.at("RUN", "running", environment=dev) for _ in range(3)]
    user_with("view_monitor", "cancel", environments=[dev], username="leo")
    asked = sign_in(page, web, "ana", "/?status=running")
    other = second.new_page()
    sign_in(other, web, "leo", f"/jobs/{jobs[1].pk}/")
    page.evaluate("window.stillHere = true")
    row(page, jobs[0]).hover()
    place = row(page, jobs[0]).bounding_box()

    other.get_by_role("link", name="Cancel", exact=True).click()
    other.locator("main form button[type=submit]").click()
    expect(row(page, jobs[1])).to_have_class(re.compile("is-gone"))
    Job.objects.filter(pk=jobs[2].pk).update(percent=42)
    expect(row(page, jobs[2])).to_contain_text("42 %")
    newest = JobFactory.at("RUN", "running", environment=dev)
    pill = page.get_by_role("button", name="1 new job · show")
    expect(pill).to_be_visible()
    expect(row(page, newest)).to_have_count(0)
    assert row(page, jobs[0]).bounding_box() == place

    page.mouse.move(5, 5)
    expect(row(page, newest)).to_be_visible()
    expect(row(page, jobs[1])).to_have_count(0)
    expect(pill).to_be_hidden()
    assert page.evaluate("window.stillHere") is True
    assert len(asked.streams) == 1
    assert "environment" not in asked.streams[0]


def test_a_job_is_made_watched_signed_by_another_and_watched_to_its_end(
    page: Page, second: BrowserContext, web: Web, dev: Environment, workers: Workers, tmp_path: Path
) -> None:
    workers.start_together([(("jobs",), 1), (("daemon", "create"), 1)])
    publish(SHIP.replace("GATE", str(tmp_path / "gate")))
    user_with("view_monitor", "create", environments=[dev], username="ana")
    user_with("view_monitor", environments=[dev], username="leo")
    other = second.new_page()
    sign_in(other, web, "leo", "/inbox/")
    waits = other.locator("#inbox [data-job]")
    expect(waits).to_have_count(0)

    page.goto(f"http://{HOST}:{web.port}/jobs/new/")
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#id_environment").select_option("DEV")
    page.locator("#id_comment").fill("the release of the week")
    page.locator("#create-form .create-end .button-primary").click()
    page.wait_for_url("**/jobs/*/", timeout=30_000)
    page.evaluate("window.stillHere = true")
    main = page.get_by_role("main")
    expect(main).to_contain_text("the release of the week")
    expect(main).to_contain_text("compiling", timeout=20_000)
    expect(main).not_to_contain_text("compiled")
    (tmp_path / "gate").touch()
    panel = page.get_by_role("region", name=re.compile("approval"))
    expect(panel).to_contain_text("user:leo", timeout=20_000)
    expect(panel.get_by_role("link", name="Approve")).to_have_count(0)

    job = Job.objects.get()
    expect(waits).to_contain_text(job.name, timeout=20_000)
    elsewhere = second.new_page()
    elsewhere.goto(f"http://{HOST}:{web.port}/jobs/{job.pk}/approve/")
    elsewhere.locator("main form button[type=submit]").click()
    expect(waits).to_have_count(0, timeout=20_000)
    expect(page.get_by_role("list", name="Steps").locator("[aria-current=step]")).to_contain_text(
        "END", timeout=20_000
    )
    expect(page.get_by_role("status").filter(has_text="Finished")).to_be_visible()
    expect(main).to_contain_text("shipped")
    assert page.evaluate("window.stillHere") is True, "nothing was loaded again"


def test_a_hidden_page_is_silent_and_a_lost_connection_is_shown_and_mended(
    page: Page, web: Web, dev: Environment, ana: User
) -> None:
    job = JobFactory.at("RUN", "running", environment=dev)
    asked = sign_in(page, web, "ana", f"/?environment={dev.code}")
    assert asked.streams[0].endswith("&environment=DEV")
    page.evaluate(HIDE + TOLD)
    asked.fragments.clear()
    asked.streams.clear()
    Job.objects.filter(pk=job.pk).update(percent=42)
    page.wait_for_timeout(2000)
    assert asked.fragments == asked.streams == []
    page.evaluate(SHOW + TOLD)
    expect(row(page, job)).to_contain_text("42 %")

    notice = page.get_by_text("Connection lost")
    web.term()
    expect(notice).to_be_visible()
    Job.objects.filter(pk=job.pk).update(percent=43)
    web.start()
    expect(notice).to_be_hidden(timeout=15_000)
    expect(row(page, job)).to_contain_text("43 %")
    page.wait_for_function("() => document.querySelectorAll('.htmx-request').length === 0")


def test_a_right_that_is_withdrawn_and_a_session_that_ends_are_seen_at_once(
    page: Page, second: BrowserContext, web: Web, dev: Environment, ana: User
) -> None:
    kept = JobFactory.at("RUN", "running", environment=EnvironmentFactory.create(code="QA"))
    grant(ana, Right.VIEW_MONITOR, environments=[kept.environment])
    grant(ana, Right.RESTART, environments=[dev])
    job = JobFactory.at("RUN", "running", environment=dev)
    trapped(dev)
    sign_in(page, web, "ana")
    other = second.new_page()
    sign_in(other, web, "ana", f"/jobs/{job.pk}/log/")
    quiet = second.new_page()
    quiet.goto(f"http://{HOST}:{web.port}/deployments/")
    numbers = [each.get_by_role("navigation", name="Main").locator(".count") for each in (page, quiet)]
    for number in numbers:
        expect(number).to_have_text("1")
    trapped(dev)
    for number in numbers:
        expect(number).to_have_text("2")
    row(page, job).hover()

    policy.revoke(ana, Right.VIEW_MONITOR, dev)

    expect(row(page, job)).to_have_count(0, timeout=10_000)
    expect(row(page, kept)).to_be_visible()
    for number in numbers:
        expect(number).to_have_count(0)
    expect(other.get_by_role("heading", level=1)).not_to_contain_text(job.name, timeout=10_000)
    assert job.name not in other.content()
    ana.raise_session_generation()
    expect(page.get_by_label("Password")).to_be_visible(timeout=10_000)
