"""Audits a page for accessibility with axe-core, as far as a program can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
NUMBER_OF_A_LINE: Final = 'class="no"'
"""Of links as close to each other as lines of a log are: with 24 px a fifth fewer would be seen. Addresses lead to lines too."""
IN_MENU: Final = "element => !!document.querySelector(element)?.closest('.menu-list')"
"""Whether something is in a menu, which lies over the page while it is unfolded; the audit unfolds all of them."""

RUN: Final = """
async rules => {
  await Promise.allSettled(document.getAnimations().filter(one => one instanceof CSSTransition).map(one => one.finished));
  return axe.run(document, {
    runOnly: {type: "tag", values: rules}, resultTypes: ["violations"], elementRef: false, preload: false,
  });
}"""
"""When no colour is on its way to another one. Nothing is asked for by axe itself: what it would put into the page is what the
Content-Security-Policy forbids."""

TURNED: Final = """() => [...document.styleSheets].flatMap(sheet => [...sheet.cssRules])
    .filter(rule => rule.media?.mediaText.includes("orientation")).map(rule => rule.media.mediaText)"""
"""Rules that depend on how a screen is held, which axe could then not judge; there are none."""


def violations(page: Page, rules: tuple[str, ...] = RULES) -> list[str]:
    """Return what is wrong with the page as it is shown: the rule, and where with what was found, a line each.

    Args:
        page: One that has been loaded.
        rules: Tags of axe's rules.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(RUN, list(rules))
    return [f"css-orientation-lock: {text}" for text in page.evaluate(TURNED)] + [
        f"{each['id']}: {' '.join(map(str, node['target']))}: "
        f"{' '.join(check['message'] for kind in ('any', 'all', 'none') for check in node[kind])[:200]}"
        for each in found["violations"]
        for node in each["nodes"]
        if not (each["id"] == "target-size" and _is_no_matter(page, node))
    ]


def _is_no_matter(page: Page, node: dict[str, Any]) -> bool:
    """Return whether a target may be small: a line's number, or one that is only too near to an unfolded menu above it."""
    near = [other["target"][0] for check in node["any"] for other in check["relatedNodes"]]
    return NUMBER_OF_A_LINE in node["html"] or any(page.evaluate(IN_MENU, element) for element in near)
