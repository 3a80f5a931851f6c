"""Whether a page fits its window."""

from __future__ import annotations

from typing import Final, Literal

from playwright.sync_api import Page

THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def too_wide(page: Page) -> list[str]:
    """Return the themes in which a page is wider than its window; it was loaded once, and is shown in each."""
    found: list[str] = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert page.evaluate("theme => matchMedia(`(prefers-color-scheme: ${theme})`).matches", theme)
        if page.evaluate(_WIDE):
            found.append(theme)
    return found
