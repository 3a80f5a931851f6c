"""Audits a page for accessibility with axe-core, as far as a program can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
NUMBER_OF_A_LINE: Final = 'class="no"'
"""Of links as close to each other as lines of a log are: with 24 px a fifth fewer would be seen. Addresses lead to lines too."""
MENU: Final = 'class="menu-'
"""Of what is in a menu, which lies over the page while it is unfolded; the audit unfolds all of them."""

RUN: Final = """
rules => axe.run(document, {
  runOnly: {type: "tag", values: rules}, resultTypes: ["violations"], elementRef: false,
})"""


def violations(page: Page, rules: tuple[str, ...] = RULES) -> list[str]:
    """Return what is wrong with the page as it is shown: the rule, and where with what was found, a line each.

    Args:
        page: One whose context bypasses the Content-Security-Policy.
        rules: Tags of axe's rules.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(RUN, list(rules))
    return [
        f"{each['id']}: {' '.join(map(str, node['target']))}: "
        f"{' '.join(check['message'] for kind in ('any', 'all', 'none') for check in node[kind])[:200]}"
        for each in found["violations"]
        for node in each["nodes"]
        if not (each["id"] == "target-size" and _is_no_matter(node))
    ]


def _is_no_matter(node: dict[str, Any]) -> bool:
    """Return whether a target may be small: a line's number, or one that is only too near to an unfolded menu above it."""
    near = [other["html"] for check in node["any"] for other in check["relatedNodes"]]
    return NUMBER_OF_A_LINE in node["html"] or any(MENU in html for html in near)
