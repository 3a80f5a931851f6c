"""The search box and the groups of the monitor, by keyboard alone."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser import keyboard
from tests.factories import EnvironmentFactory, JobFactory, user_with

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "es-ES", "timezone_id": "Europe/Madrid"}


def test_a_search_is_completed_sent_folded_and_taken_back_by_keyboard(
    page: Page, context: BrowserContext, live_server: LiveServer
) -> None:
    dev = EnvironmentFactory.create(code="DEV")
    for called, status in (("GOES", "ready"), ("STOPS", "abend")):
        JobFactory.at("RUN", status, environment=dev, name=called)
    client = Client()
    client.force_login(user_with("view_monitor", environments=[dev], username="ana"))
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    page.goto(f"{live_server.url}/")
    box = page.locator("#search")
    keyboard.write(page, box, "est")
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "suggestion-0")
    page.keyboard.press("Enter")
    expect(box).to_have_value("estado:")
    page.keyboard.type("ab")
    expect(page.get_by_role("option", name=re.compile("abend"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("e")
    expect(page.get_by_role("option", name=re.compile("abend"))).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/?status=abend")
    expect(page.get_by_role("row").filter(has_text="STOPS")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="GOES")).to_have_count(0)
    page.evaluate("window.stillHere = true")
    keyboard.reach(page, page.locator("#fold-today"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/?status=abend&fold=today")
    expect(page.get_by_role("row").filter(has_text="STOPS")).to_have_count(0)
    expect(page.locator("#fold-today")).to_be_focused()
    assert page.evaluate("window.stillHere") is True, "nothing was loaded again"
    page.go_back()
    expect(page.get_by_role("row").filter(has_text="GOES")).to_be_visible()
