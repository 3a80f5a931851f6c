"""Where a reader is stays: in the log of a job that ran twice, and in a list that is left and come back to."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from permissions.models import User
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.life import Cast, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TWICE: Final = """
PRE:
  - log: "packed in attempt {{ attempt }}"
    id: pack
    name: Pack
RUN:
  - log: "copied in attempt {{ attempt }}"
    id: copy
    name: Copy
  - fail: "no route in attempt {{ attempt }}"
    id: restart
    name: Restart
    when: attempt == 1
"""


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "en-GB", "timezone_id": "Europe/Madrid"}


def enter(context: BrowserContext, live_server: LiveServer, user: User) -> None:
    """Sign somebody in."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])


def test_the_log_of_an_earlier_attempt_and_of_one_operation(
    page: Page, live_server: LiveServer, transactional_db: None, broker: str
) -> None:
    cast = Cast()
    job = work(cast.job(TWICE))
    cast.do(job, "boss", "rerun", step="RUN", run_now=True)
    assert work(job).status == "finished"
    enter(page.context, live_server, cast["boss"])
    page.goto(f"{live_server.url}/jobs/{job.pk}/log/")
    lines = page.get_by_role("log")
    expect(lines).to_contain_text("copied in attempt 2")
    expect(lines).not_to_contain_text("attempt 1")

    page.get_by_label("Attempt").select_option("1")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(lines).to_contain_text("copied in attempt 1")
    expect(lines).to_contain_text("no route in attempt 1")
    expect(lines).not_to_contain_text("attempt 2")
    page.get_by_label("Operation").select_option(label="RUN · Copy")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page).to_have_url(re.compile("attempt=1.*operation=copy"))
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator(".line")).to_contain_text("copied in attempt 1")
    page.reload()
    expect(page.get_by_label("Operation")).to_have_value("copy")
    expect(page.get_by_label("Attempt")).to_have_value("1")
    expect(page.locator(".line")).to_have_count(1)
    page.get_by_role("link", name="Clear all").click()
    expect(lines).to_contain_text("no route in attempt 1")
    expect(page.get_by_label("Attempt")).to_have_value("1")
    page.go_back()
    expect(page.locator(".line")).to_have_count(1)
    page.go_back()
    expect(lines).to_contain_text("no route in attempt 1")


def test_reload_and_back_keep_filters_columns_groups_and_place(
    page: Page, live_server: LiveServer, transactional_db: None, broker: str
) -> None:
    dev, qa = (EnvironmentFactory.create(code=code) for code in ("DEV", "QA"))
    jobs = [JobFactory.at("RUN", "abend", environment=qa if number % 9 == 0 else dev) for number in range(45)]
    enter(page.context, live_server, user_with("view_monitor", environments=[dev, qa], username="ana"))
    page.set_viewport_size({"width": 1280, "height": 400})
    page.goto(f"{live_server.url}/?status=abend&panel=columns")
    page.get_by_role("checkbox", name="Rule", exact=True).uncheck()
    page.get_by_role("checkbox", name="Reason", exact=True).check()
    page.locator("#columns .button-primary").click()
    page.locator("summary", has_text="Group by").click()
    page.get_by_role("link", name="By environment", exact=True).click()
    page.locator("#fold-environment-QA").click()
    expect(page.locator("[data-job]")).to_have_count(10)
    address, heads = page.url, page.get_by_role("columnheader").all_inner_texts()
    assert "Reason" in " ".join(heads)
    assert "Rule" not in heads

    wanted = page.get_by_role("link", name=jobs[34].name, exact=True)
    wanted.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 100
    for turn in ("back", "reload"):
        if turn == "back":
            wanted.click()
            expect(page.get_by_role("heading", level=1)).to_have_text(jobs[34].name)
            page.go_back()
        else:
            page.reload()
        expect(wanted).to_be_in_viewport()
        assert page.url == address, turn
        assert page.get_by_role("columnheader").all_inner_texts() == heads, turn
        expect(page.locator("[data-job]")).to_have_count(10)
        assert abs(page.evaluate("scrollY") - place) < 5, turn
