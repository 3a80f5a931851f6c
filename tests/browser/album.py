"""Pictures of pages, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from playwright.sync_api import ConsoleMessage, Page

WIDE: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Album:
    """The pictures of one language, theme and width."""

    def __init__(self, page: Page, address: str, folder: Path) -> None:
        """Begin an empty one in ``folder``."""
        self.page = page
        self.address = address
        self.folder = folder
        self.complaints: list[str] = []
        self._said: list[str] = []
        page.on("console", self._hear)
        folder.mkdir(parents=True, exist_ok=True)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._said.append(message.text)

    def sign_in(self, user: str, password: str) -> None:
        """Sign in, on the pages' own form."""
        self.page.goto(f"{self.address}/login/?next=/admin/")
        self.page.fill("[name=username]", user)
        self.page.fill("[name=password]", password)
        self.page.press("[name=password]", "Enter")
        self.page.wait_for_url("**/admin/")

    def go(self, path: str, name: str) -> bool:
        """Take a page; return whether it answered."""
        answer = self.page.goto(self.address + path)
        self.take(name)
        if answer is None or answer.status != 200:
            self.complaints.append(f"{path}: {answer and answer.status}")
            return False
        return True

    def take(self, name: str) -> None:
        """Take the page as it is."""
        self.page.wait_for_load_state()
        number = len(list(self.folder.glob("*.png")))
        self.page.screenshot(path=self.folder / f"{number:03d}-{name}.png", full_page=True)
        if (more := self.page.evaluate(WIDE)) > 0:
            self.complaints.append(f"{name}: {more} px too wide")
        self.complaints += [f"{name}: {text}" for text in self._said]
        self._said.clear()

    def whole_links(self, selector: str) -> list[str]:
        """Return the addresses that the page links to there, as they are."""
        found = self.page.eval_on_selector_all(selector, "all => all.map(one => one.getAttribute('href'))")
        return [str(href) for href in found if href]

    def links(self, selector: str) -> list[str]:
        """Return the addresses that the page links to there, without their questions."""
        return list(dict.fromkeys(href.partition("?")[0] for href in self.whole_links(selector)))
