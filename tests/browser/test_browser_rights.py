"""An administrator gives a group rights and takes them away, with the page of one of its members open all the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import AuditRecord, Job
from tests.factories import PASSWORD, EnvironmentFactory, JobFactory, UserFactory
from tests.life import Cast, state, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

APPROVAL = 'PRE:\n  - approval: {approvers: ["user:somebody-else"]}'


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
def cast(transactional_db: None, broker: str) -> Cast:
    """QA with its group ``qa``, whose member ``mia`` holds nothing yet."""
    made = Cast(environment=EnvironmentFactory.create(code="QA"))
    mia = UserFactory.create(username="mia")
    mia.groups.add(made.qa)
    UserFactory.create(username="root", is_staff=True, is_superuser=True)
    return made


def sign_in(page: Page, live_server: LiveServer, name: str, address: str) -> None:
    page.goto(f"{live_server.url}{address}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live_server.url}{address}")


def test_a_group_gets_rights_in_qa_and_loses_them_while_a_member_looks_on(
    page: Page, second: BrowserContext, live_server: LiveServer, cast: Cast
) -> None:
    job = work(cast.job(APPROVAL))
    hidden: Job = JobFactory.create(environment=EnvironmentFactory.create(code="PROD"))
    sign_in(page, live_server, "root", reverse("admin:auth_group_change", args=[cast.qa.pk]))
    member = second.new_page()
    sign_in(member, live_server, "mia", "/")
    expect(member.get_by_role("row").filter(has_text=job.name)).to_have_count(0)

    for right in ("view_monitor", "approve_all"):
        page.get_by_label(f"QA: {right}").check()
    page.get_by_role("button", name="Save the rights").click()
    # The page that is open shows the job at its next update, and no other environment's.
    expect(member.get_by_role("row").filter(has_text=job.name)).to_be_visible(timeout=15_000)
    assert hidden.name not in member.content()
    member.get_by_role("link", name=job.name, exact=True).click()
    member.get_by_role("link", name="Approve", exact=True).click()
    member.get_by_role("button", name="Approve").click()
    expect(member.get_by_role("heading", level=1)).to_have_text(job.name)
    assert state(job) == ("PRE", "ready")
    kept = member.url
    member.goto(live_server.url)
    expect(member.get_by_role("row").filter(has_text=job.name)).to_be_visible()

    for right in ("view_monitor", "approve_all"):
        page.get_by_label(f"QA: {right}").uncheck()
    page.get_by_role("button", name="Save the rights").click()
    expect(member.get_by_role("row").filter(has_text=job.name)).to_have_count(0, timeout=15_000)
    answer = member.goto(kept)
    assert answer is not None
    assert answer.status == 404
    assert job.name not in member.content()
    given = AuditRecord.objects.filter(action="grant", user="root", environment="QA")
    assert given.count() == 2
