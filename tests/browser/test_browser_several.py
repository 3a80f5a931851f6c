"""Section 9 in a real browser: several jobs at once by mouse, and the whole of it by keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.lifecycle import Event
from jobs.models import Job
from permissions.models import Environment, User
from tests.browser import keyboard
from tests.factories import PASSWORD, EnvironmentFactory, JobFactory, happen, user_with

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dev(transactional_db: None, broker: str) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "restart", "cancel", environments=[dev], username="ana")


@pytest.fixture
def jobs(dev: Environment) -> list[Job]:
    """Four jobs, ``N-3`` on top."""
    return [JobFactory.at("RUN", "ready", environment=dev, name=f"N-{number}") for number in range(4)]


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "en-GB", "timezone_id": "Europe/Madrid"}


@pytest.fixture
def said(context: BrowserContext) -> list[str]:
    """What the console complained of."""
    found: list[str] = []
    context.on(
        "console",
        lambda message: found.append(message.text) if message.type in {"error", "warning"} else None,
    )
    context.on("weberror", lambda error: found.append(str(error.error)))
    return found


def sign_in(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/")
    page.get_by_label("Username").fill("ana")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/")


def status(job: Job) -> str:
    return Job.objects.get(pk=job.pk).status


def test_two_jobs_are_selected_and_cancelled_and_the_one_that_went_on_is_left(
    page: Page, live_server: LiveServer, ana: User, jobs: list[Job], said: list[str]
) -> None:
    sign_in(page, live_server)
    bar = page.get_by_role("form", name="Selected jobs")
    expect(bar).to_be_hidden()
    page.get_by_role("checkbox", name="Select N-3").check()
    page.get_by_role("checkbox", name="Select N-1").click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    page.get_by_role("checkbox", name="Select N-2").uncheck()
    Job.objects.filter(pk=jobs[0].pk).update(percent=42)
    expect(page.locator(f"#row-{jobs[0].pk}")).to_contain_text("42 %")
    expect(page.get_by_role("checkbox", name="Select N-3")).to_be_checked()
    expect(bar).to_contain_text("2 selected")
    row = page.locator(f"#row-{jobs[0].pk}")
    row.locator("summary", has_text="Actions of N-0").click()
    expect(row.get_by_role("link", name="Run now")).to_be_visible()
    Job.objects.filter(pk=jobs[1].pk).update(percent=43)
    expect(page.locator(f"#row-{jobs[1].pk}")).to_contain_text("43 %")
    expect(row.get_by_role("link", name="Run now")).to_be_visible()
    page.keyboard.press("Escape")
    expect(row.get_by_role("link", name="Run now")).to_be_hidden()
    bar.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("main")).to_contain_text("“Cancel” will be done to 2 jobs.")
    happen(jobs[3], Event.START)
    page.get_by_role("button", name="Cancel: 2 jobs").dblclick()
    expect(page.get_by_role("status").filter(has_text="Done")).to_have_text("Done: 1 job. Refused: 1 job.")
    expect(page.get_by_role("region", name="Refused, and why")).to_contain_text("The job N-3 has changed")
    assert [status(job) for job in jobs] == ["ready", "cancelled", "ready", "running"]
    assert said == []


def test_by_keyboard_alone(
    page: Page, live_server: LiveServer, ana: User, jobs: list[Job], said: list[str]
) -> None:
    keyboard.sign_in(page, f"{live_server.url}/", "ana")
    press = page.keyboard.press
    for key in ("j", "j", "ArrowDown", "k"):
        press(key)
    expect(page.get_by_role("link", name="N-2", exact=True)).to_be_focused()
    for key in ("x", "j", "x", "b"):
        press(key)
    expect(page.get_by_role("form", name="Selected jobs")).to_contain_text("2 selected")
    expect(page.get_by_role("button", name="Rerun…")).to_be_focused()
    for key in ("Tab", "Tab", "Enter"):
        press(key)
    page.wait_for_url("**/jobs/bulk/**")
    button = page.get_by_role("button", name="Cancel: 2 jobs")
    keyboard.write(page, page.get_by_label("Comment"), "just n, i and ?")
    expect(page.get_by_label("Comment")).to_have_value("just n, i and ?")
    press("Tab")
    expect(button).to_be_focused()
    press("Enter")
    expect(page.get_by_role("main")).to_contain_text("Done: 2 jobs.")
    assert [status(job) for job in jobs] == ["ready", "cancelled", "cancelled", "ready"]
    press("g")
    press("m")
    page.wait_for_url(f"{live_server.url}/")
    for key in ("j", "."):
        press(key)
    expect(page.locator(f"#row-{jobs[3].pk}").get_by_role("link", name="Run now")).to_be_focused()
    press("Escape")
    press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet).to_be_visible()
    press("n")
    keyboard.tick(page, sheet.get_by_role("checkbox"))
    expect(sheet.get_by_role("checkbox")).not_to_be_checked()
    press("Escape")
    expect(sheet).to_be_hidden()
    press("i")
    press("?")
    expect(sheet).to_be_hidden()
    keyboard.press(page, "Keyboard")
    keyboard.tick(page, sheet.get_by_role("checkbox"))
    expect(sheet.get_by_role("checkbox")).to_be_checked()
    press("Escape")
    assert page.url == f"{live_server.url}/"
    press("i")
    page.wait_for_url("**/inbox/")
    assert said == []
