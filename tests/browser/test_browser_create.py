"""The page of a new job in a real browser: a tag chosen by typing, typed variables, the preview, a refusal and a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import Job
from permissions.models import Environment, User
from tests.browser.test_browser_pages import Complaints, sign_in
from tests.conftest import Workers
from tests.factories import EnvironmentFactory, ProjectFactory, publish, user_with
from tests.repositories import make_repository

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULE: Final = """
name: web
variables: {port: 8080, debug: false}
steps:
  CHECK:
    - log: "looking at {{ revision.ref }}"
    - fail: "The port {{ variables.port }} is taken"
      when: variables.port == 8081
  RUN:
    - log: deploying {{ variables.port }}
"""
OTHER: Final = "name: db\nvariables: {size: 3}\nsteps:\n  RUN:\n    - log: x\n"


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "create", environments=[dev], username="ana")


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "es-ES", "timezone_id": "Europe/Madrid"}


def test_a_job_is_made_from_a_tag_chosen_by_typing(
    page: Page, live_server: LiveServer, ana: User, workers: Workers, tmp_path: Path
) -> None:
    workers.start_worker(("daemon", "create"), 1)
    make_repository(tmp_path / "shop", {"v1.0.0": "1", "v1.1.0": "2"})
    ProjectFactory.create(code="shop", repository=str(tmp_path / "shop"))
    publish(RULE)
    publish(OTHER)
    complaints = Complaints(page.context)
    sign_in(page, live_server, "/jobs/new/")
    preview = page.locator("#preview")
    page.locator("#id_project").select_option("shop")
    page.locator("#id_rule").select_option("db")
    expect(page.locator("#id_var_size")).to_be_visible()
    page.locator("#id_var_size").fill("7")
    page.locator("#id_rule").select_option("web")
    expect(page.locator("#id_var_port")).to_be_visible()
    expect(page.locator("[name=var_size]")).to_have_value("7")

    revision = _choose_by_typing(page)
    page.locator("#id_var_port").fill("8081")
    page.locator("#id_var_debug").select_option("true")
    expect(preview).to_contain_text("The port 8081 is taken")
    page.locator("#create-form .create-end .button-primary").click()
    refused = page.get_by_role("alert")
    expect(refused).to_contain_text("The port 8081 is taken")
    expect(refused).to_contain_text("looking at v1.1.0")
    expect(revision).to_have_value("v1.1.0")
    expect(page.locator("#id_var_debug")).to_have_value("true")
    assert not Job.objects.exists()

    page.locator("#id_var_port").fill("8082")
    page.locator("#id_comment").focus()
    expect(preview).to_contain_text("deploying 8082")
    page.locator("#create-form .create-end .button-primary").click()
    page.wait_for_url("**/jobs/*/")
    job = Job.objects.get()
    given = {name: each["value"] for name, each in job.variables.items() if each["origin"] == "job"}
    assert (given, job.revisions.get().ref) == ({"port": 8082, "debug": True}, "v1.1.0")
    # The browser itself says that an answer was a refusal.
    assert [text for text in complaints.found if "422" not in text] == []


def _choose_by_typing(page: Page) -> Locator:
    """Choose a tag by its middle, with the keyboard alone, and return the field."""
    revision = page.get_by_role("combobox", name="Revisi")
    revision.press_sequentially("1.1")
    option = page.get_by_role("listbox").get_by_role("option").first
    expect(option).to_contain_text("Version v1.1.0")
    revision.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(revision).to_have_attribute("aria-activedescendant", "revision-tag-1")
    revision.press("Enter")
    expect(revision).to_have_value("v1.1.0")
    expect(page.get_by_role("listbox")).to_be_hidden()
    return revision
