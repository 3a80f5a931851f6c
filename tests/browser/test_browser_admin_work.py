"""The admin's live pages in a real browser: natures are tried while one types, and the page of the workers follows."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import WorkerSeen
from tests.factories import PASSWORD, NatureFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def test_natures_are_tried_while_one_types_and_the_workers_page_follows(
    page: Page, live_server: LiveServer
) -> None:
    UserFactory.create(username="root", is_superuser=True, is_staff=True)
    NatureFactory.create(code="docs", include=["*.md"])
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{live_server.url}/login/?next=/admin/jobs/nature/add/")
    page.fill("[name=username]", "root")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.focus("#id_include")
    page.keyboard.type("*.py")
    page.focus("#id_paths")
    page.keyboard.type("a.py\nb.md")
    expect(page.locator(".trial-results tbody tr")).to_have_count(2)
    said = page.locator("[data-said]")
    expect(said).to_have_attribute("role", "status")
    expect(said).not_to_be_empty()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".trial-results")).to_contain_text("docs")
    page.goto(f"{live_server.url}/admin/jobs/workerseen/")
    expect(page.locator("#content-main")).not_to_contain_text("w@h")
    now = timezone.now()
    WorkerSeen.objects.create(name="w@h", host="h", pid=1, queues=["jobs"], started_at=now, seen_at=now)
    expect(page.locator("#content-main")).to_contain_text(re.compile("w@h"), timeout=10_000)
    assert complaints == []
