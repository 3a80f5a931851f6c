"""A morning with the monitor in a real browser, with scripts and without: a view is kept and exported, a failed job mended."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import Job
from tests.browser.test_browser_decisions import sign_in
from tests.life import Cast, state, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DEPLOY = """
RUN:
  - run: "echo one >> SEEN"
    id: stop
    name: Stop it
  - run: "echo two >> SEEN; test -e NODE"
    id: start
    name: Start it
  - log: done
    name: Tell
"""


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "es-ES", "timezone_id": "Europe/Madrid"}


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def morning(request: pytest.FixtureRequest, browser: Browser, browser_context_args: dict[str, Any]) -> Any:
    context = browser.new_context(**browser_context_args, java_script_enabled=request.param)
    yield context.new_page()
    context.close()


def test_a_view_is_kept_and_exported_and_a_failed_job_is_rerun_from_an_operation(
    morning: Page, live_server: LiveServer, cast: Cast, tmp_path: Path
) -> None:
    seen, node = tmp_path / "seen", tmp_path / "node"
    failed = work(cast.job(DEPLOY.replace("SEEN", str(seen)).replace("NODE", str(node))))
    cast.job("RUN:\n  - log: fine\n")
    assert state(failed) == ("END", "error")
    page = morning
    sign_in(page, live_server, cast["op"].username, "/")
    main = page.get_by_role("main")

    page.get_by_role("searchbox").or_(page.get_by_role("combobox")).first.fill("estado:error")
    page.get_by_role("search").get_by_role("button").first.click()
    page.wait_for_url(f"{live_server.url}/?status=error")
    page.get_by_role("link", name="Guardar como vista…").click()
    page.get_by_label("Nombre").fill("Rotos")
    page.get_by_label("Abrir el monitor con esta vista").check()
    main.get_by_role("button", name="Guardar").click()
    page.goto(f"{live_server.url}/")
    expect(main).to_contain_text("Rotos")
    expect(page.get_by_role("link", name=failed.name, exact=True)).to_be_visible()
    expect(page.locator("[data-job]")).to_have_count(1)

    page.locator("summary").filter(has_text="Exportar").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "rotos.csv")
    with (tmp_path / "rotos.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [line["name"] for line in csv.DictReader(file)] == [failed.name]

    page.get_by_role("link", name=failed.name, exact=True).click()
    node.touch()
    page.get_by_role("row").filter(has_text="Start it").locator("a[href*=from_operation]").click()
    expect(page.get_by_label("Desde la operación")).to_have_value("RUN/1")
    main.get_by_role("button", name="Reiniciar").click()
    expect(page.get_by_role("status").filter(has_text="El pase se reinicia")).to_be_visible()
    again = work(Job.objects.get(pk=failed.pk))
    assert (state(again), again.attempt) == (("END", "finished"), 2)
    assert seen.read_text().split() == ["one", "two", "two"], "what was done before is not done again"
