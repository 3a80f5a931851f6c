"""Section 9 in a real browser: the clock of a trap counts down on the page of its job."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.lifecycle import Event
from jobs.models import Trap
from tests.factories import PASSWORD, EnvironmentFactory, JobFactory, happen, user_with

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "en-GB"}


def test_the_clock_of_a_trap_counts_down(page: Page, live_server: LiveServer) -> None:
    environment = EnvironmentFactory.create()
    user_with("view_monitor", environments=[environment], username="eva")
    job = happen(JobFactory.at("RUN", "running", environment=environment), Event.TRAP)
    now = timezone.now()
    Trap.objects.create(
        job=job, attempt=1, step="RUN", path="RUN/0", operation="deploy", name="Deploy", error="x", on_timeout="abort",
        began_at=now, deadline=now + timedelta(minutes=14, seconds=59),
    )  # fmt: skip
    page.goto(f"{live_server.url}/login/?next=/jobs/{job.pk}/")
    page.get_by_label("Username").fill("eva")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    clock = page.locator(".stand-trap .clock")
    expect(clock).to_have_text(re.compile(r"14 min \d\d s"))
    first = clock.text_content() or ""
    expect(clock).not_to_have_text(first)
