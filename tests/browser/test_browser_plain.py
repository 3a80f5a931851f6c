"""Every decision without scripts: a job is made, signed, mended, held back and cancelled, alone and with others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import AuditRecord, Job
from tests.browser import keyboard
from tests.conftest import Workers
from tests.factories import EnvironmentFactory, JobFactory, publish, user_with
from tests.life import state, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULE: Final = """
name: web
variables: {port: 8080}
steps:
  CHECK:
    - fail: "The port {{ variables.port }} is taken"
      when: variables.port == 8081
  PRE:
    - approval: {approvers: ["user:ana"]}
      name: Go live
  RUN:
    - run: "test -e NODE"
      name: Deploy
      on_error: trap
"""


@pytest.fixture
def page(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[Page]:
    """A browser that runs no scripts."""
    context = browser.new_context(**browser_context_args, locale="en-GB", java_script_enabled=False)
    yield context.new_page()
    context.close()


def submit(page: Page) -> Locator:
    """Press the button of the form that the page is about."""
    page.locator("main form[method=post] button[type=submit]:visible").last.click()
    return page.get_by_role("main")


def test_whatever_is_decided_is_decided_without_scripts(
    page: Page, live_server: LiveServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start_worker(("daemon", "create"), 1)
    dev, node = EnvironmentFactory.create(code="DEV"), tmp_path / "node"
    user_with("view_monitor", "create", "restart", "cancel", environments=[dev], username="ana")
    publish(RULE.replace("NODE", str(node)))
    later = timezone.now() + timedelta(hours=9)
    ready = [
        JobFactory.at("RUN", "ready", environment=dev, name=f"N-{number}", scheduled_at=later)
        for number in range(4)
    ]
    keyboard.sign_in(page, f"{live_server.url}/jobs/new/", "ana")

    page.get_by_label("Environment").select_option("DEV")
    page.get_by_label("Rule", exact=True).select_option("web")
    page.get_by_role("button", name="Update form").click()
    page.locator("[name=var_port]").fill("8081")
    page.get_by_role("button", name="Create job").last.click()
    expect(page.get_by_role("alert")).to_contain_text("The port 8081 is taken", timeout=15_000)
    page.locator("[name=var_port]").fill("8082")
    page.get_by_role("button", name="Create job").last.click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"), timeout=30_000)
    job = Job.objects.latest("pk")

    assert state(work(job)) == ("PRE", "pending_approval")
    page.reload()
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_label("Comment").fill("seen")
    expect(submit(page)).to_contain_text("Your signature is noted.")
    assert state(work(job)) == ("RUN", "trapped")
    page.reload()
    page.get_by_role("link", name="Retry", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("retry 1")
    node.touch()
    expect(submit(page)).to_contain_text("The operation is tried again.")
    assert state(work(job)) == ("END", "finished")

    page.goto(f"{live_server.url}/?status=ready")
    page.get_by_role("link", name="N-3", exact=True).click()
    page.get_by_role("link", name="Cancel", exact=True).click()
    expect(submit(page)).to_contain_text("The job is cancelled.")
    page.goto(f"{live_server.url}/?status=ready")
    for name in ("N-2", "N-1"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    page.get_by_role("form", name="Selected jobs").get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("main")).to_contain_text("will be done to 2 jobs")
    page.get_by_role("button", name="Cancel: 2 jobs").click()
    expect(page.get_by_role("main")).to_contain_text("Done: 2 jobs.")
    page.get_by_role("link", name=re.compile("monitor", re.IGNORECASE)).first.click()
    assert [state(each)[1] for each in ready] == ["ready", "cancelled", "cancelled", "cancelled"]
    done = AuditRecord.objects.filter(source="page").order_by("id").values_list("action", flat=True)
    assert list(done) == ["create", "approve", "retry", "cancel", "cancel", "cancel"]
