"""Sections 5 and 9 in a real browser: an operator answers a trap at night, an approver signs, both by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import AuditRecord
from tests.browser import keyboard
from tests.browser.fitting import too_wide
from tests.browser.keyboard import press
from tests.life import Cast, state, work

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NIGHT = """
PRE:
  - log: built
    name: Build it
RUN:
  - run: "test -e NODE || { echo ssh: no route to host; exit 255; }"
    id: deploy
    name: Deploy it
    on_error: trap
    trap: {timeout: 1h, max_retries: 3}
  - approval: {approvers: ["user:eva"], min: 1}
    name: Go live
POST:
  - log: told
"""


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "es-ES", "timezone_id": "Europe/Madrid"}


@pytest.fixture
def second(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    """Somebody else's browser."""
    context = browser.new_context(**browser_context_args)
    yield context
    context.close()


def sign_in(page: Page, live_server: LiveServer, name: str, address: str) -> None:
    """Sign in by keyboard."""
    keyboard.sign_in(page, f"{live_server.url}{address}", name)


def test_a_trapped_job_is_mended_at_night_and_signed_by_another(
    page: Page, second: BrowserContext, live_server: LiveServer, cast: Cast, tmp_path: Path
) -> None:
    node = tmp_path / "node"
    job = work(cast.job(NIGHT.replace("NODE", str(node))))
    assert state(job) == ("RUN", "trapped")
    sign_in(page, live_server, cast["op"].username, f"/jobs/{job.pk}/")
    panel = page.get_by_role("region", name=re.compile("Capturado en RUN"))
    expect(panel).to_contain_text("El comando terminó con el código de retorno 255.")
    expect(page.get_by_role("main")).to_contain_text("ssh: no route to host")
    expect(panel).to_contain_text(re.compile(r"59 min.*0 de 3", re.DOTALL))
    expect(panel.get_by_role("link", name="Deploy it")).to_have_attribute(
        "href", f"/jobs/{job.pk}/log/?attempt=1&operation=deploy"
    )
    press(page, "Reintentar")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Reintentar: {job.name}")
    expect(page.get_by_role("main")).to_contain_text("Es el reintento 1 de 3.")
    node.touch()
    press(page, "Reintentar")
    expect(page.get_by_role("status").filter(has_text="La operación se reintenta.")).to_be_visible()
    work(job)
    assert state(job) == ("RUN", "pending_approval")
    # The page follows by itself; the operator may not sign, and reads why.
    panel = page.get_by_role("region", name=re.compile("Espera en RUN la aprobación"))
    expect(panel).to_contain_text("No estás entre los aprobadores", timeout=10_000)
    expect(panel.get_by_role("link", name="Aprobar")).to_have_count(0)

    approver = second.new_page()
    sign_in(approver, live_server, cast["eva"].username, f"/jobs/{job.pk}/")
    press(approver, "Aprobar")
    keyboard.write(approver, approver.get_by_label("Comentario"), "visto")
    press(approver, "Aprobar")
    expect(approver.get_by_role("status").filter(has_text="Tu firma queda anotada.")).to_be_visible()
    assert state(work(job)) == ("END", "finished")
    expect(page.get_by_role("status").filter(has_text="Finalizado")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("main")).to_contain_text("visto")
    records = AuditRecord.objects.order_by("id").values_list("user", "action", "source")
    assert list(records) == [("op", "retry", "page"), ("eva", "approve", "page")]


def test_two_people_answer_the_same_trap_and_one_is_told(
    page: Page, second: BrowserContext, live_server: LiveServer, cast: Cast, tmp_path: Path
) -> None:
    node = tmp_path / "node"
    job = work(cast.job(NIGHT.replace("NODE", str(node))))
    sign_in(page, live_server, cast["op"].username, f"/jobs/{job.pk}/skip/")
    other = second.new_page()
    sign_in(other, live_server, cast["boss"].username, f"/jobs/{job.pk}/pause/")
    press(other, "Pausar")
    expect(other.get_by_role("main")).to_contain_text("reloj parado")
    keyboard.write(page, page.get_by_label("Comentario"), "nadie responde")
    press(page, "Saltar")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("No se ha hecho nada.")
    expect(alert).to_contain_text("boss · Pausar")
    expect(page.get_by_label("Comentario")).to_have_value("nadie responde")
    assert state(job) == ("RUN", "trap_paused")
    press(page, "Saltar")
    expect(page.get_by_role("status").filter(has_text="La operación se salta")).to_be_visible()
    assert state(job) == ("RUN", "ready")


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_of_an_action_fits_in_both_themes_and_its_console_is_silent(
    page: Page, live_server: LiveServer, cast: Cast, width: int, tmp_path: Path
) -> None:
    jobs = [
        work(cast.job(NIGHT.replace("NODE", str(tmp_path / "node")))),
        work(cast.job(NIGHT.replace("NODE", str(tmp_path)))),
        work(
            cast.job(
                "RUN:\n  - log: deployed\n    name: " + "Deploy_" * 20 + "\n    rollback: [{log: undone}]"
            )
        ),
    ]
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, live_server, cast["boss"].username, "/")
    for job in jobs:
        for key in ("", *(f"{key}/" for key in sorted(cast.may(job, "boss")))):
            page.goto(f"{live_server.url}/jobs/{job.pk}/{key}")
            assert too_wide(page) == [], (key, state(job))
            expect(page.locator("h1")).to_have_count(1)
            assert (
                page.locator("[id]").evaluate_all("es => es.length - new Set(es.map(e => e.id)).size") == 0
            ), key
    assert said == []
