"""Somebody who has a keyboard and nothing else."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Locator, Page, expect

from tests.factories import PASSWORD

FARTHEST: Final = 80
"""So many times Tab is pressed at most: what is farther away is not reached by anybody."""


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus, and see that it shows it."""
    expect(wanted).to_be_visible()
    for _ in range(FARTHEST):
        if wanted.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(wanted).to_be_focused()
    shows = "element => getComputedStyle(element).outlineStyle !== 'none' || getComputedStyle(element).boxShadow !== 'none'"
    assert wanted.evaluate(shows), "its focus is not seen"


def press(page: Page, name: str) -> None:
    """Reach a link or button by its name, and press Enter."""
    link = page.get_by_role("link", name=name, exact=True)
    reach(page, link.or_(page.get_by_role("button", name=name, exact=True)))
    page.keyboard.press("Enter")


def tick(page: Page, box: Locator) -> None:
    """Reach a box, and press Space."""
    reach(page, box)
    page.keyboard.press("Space")


def write(page: Page, field: Locator, text: str) -> None:
    """Reach a field, and type."""
    reach(page, field)
    page.keyboard.type(text)


def sign_in(page: Page, address: str, name: str) -> None:
    """Open a page as somebody who has to sign in first."""
    page.goto(address)
    write(page, page.locator("[name=username]"), name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(address)
