"""Section 6 in a real browser: a rule is written, mended and published with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from permissions.models import User
from rules.models import RuleVersion
from tests.factories import PASSWORD, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WRITTEN = """\
name: shop
steps:
  RUN:
    - run: make
      on_error: trap
"""


def sign_in(page: Page, live_server: LiveServer, user: User, address: str) -> None:
    page.goto(f"{live_server.url}/login/?next={address}")
    page.locator("[name=username]").focus()
    page.keyboard.type(user.username)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}{address}")


def reach_the_editor(page: Page) -> None:
    """Reach the text by Tab alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.matches('[data-editor]')"):
            return
    raise AssertionError("Tab does not lead to the editor.")


def arrow_down(page: Page, times: int) -> None:
    """Go down the list that is offered; for an instant after it opens it takes no keys, so that nobody accepts unseen."""
    page.wait_for_timeout(150)
    for _ in range(times):
        page.keyboard.press("ArrowDown")


def test_a_rule_is_written_with_the_keyboard_alone(page: Page, live_server: LiveServer) -> None:
    said: list[str] = []

    def keep(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            said.append(message.text)

    page.on("console", keep)
    page.on("pageerror", lambda error: said.append(str(error)))
    administrator = UserFactory.create(language="en", is_staff=True, is_superuser=True)
    sign_in(page, live_server, administrator, "/admin/rules/rule/add/")
    status = page.locator("[data-status]")
    expect(status).to_contain_text("No mistakes.")
    reach_the_editor(page)
    # Tab would indent; Esc, then Tab leaves, and Shift-Tab comes back.
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    page.keyboard.press("Shift+Tab")

    page.keyboard.press("Control+a")
    # Lines are indented by the editor.
    page.keyboard.type("name: shop\nsteps:\nRUN:\n- ru")
    help_text = page.locator(".cm-completionInfo")
    expect(help_text).to_contain_text("Runs the operations that another rule has")
    arrow_down(page, 1)
    expect(help_text).to_contain_text("Runs a command in the job's directory")
    page.keyboard.press("Enter")
    page.keyboard.type("make\n")
    page.keyboard.type("on_eror: trap\n")
    problems = page.locator("[data-live]")
    expect(problems).to_contain_text("Line 5, column 7")
    expect(problems).to_contain_text("Did you mean on_error?")
    expect(page.locator(".cm-lint-marker-error")).to_be_visible()
    page.keyboard.press("F8")
    # The mistake is what is selected now, so typing takes its place, and the options offer the right word.
    page.keyboard.press("Shift+End")
    page.keyboard.type("on_er")
    expect(help_text).to_contain_text("What its failure means")
    arrow_down(page, 0)
    page.keyboard.press("Enter")
    trap = page.get_by_role("option", name="trap")
    expect(trap).to_be_visible()
    arrow_down(page, 2)
    expect(trap).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("No mistakes. Operations: 1.")
    expect(problems).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("listitem").filter(has_text="Published version 1.")).to_be_visible()
    assert RuleVersion.objects.get().source.strip() == WRITTEN.strip()
    assert said == []
