"""What a version of a rule demands before it lets a job go on: approvals, and what CHECK looks at. Pure.

It is compared as it is written. That says nothing about what else two versions do, nor about the order in which they do it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rules.tree import RuleNode, RuleTree

_CHECK: Final = "CHECK"
_APPROVAL: Final = "approval"
_REFUSES_NOTHING: Final = frozenset({"log", "sleep"})
_TRANSPARENT: Final = frozenset({"group", "parallel", "rule"})
"""What holds operations and runs them all, so that an approval in it is asked for all the same."""


def lacks(older: RuleTree, newer: RuleTree) -> bool:
    """Return whether ``older`` leaves out an approval or a check of ``newer``, or asks for it under other conditions."""
    return bool(_guards(newer) - _guards(older))


def _guards(tree: RuleTree) -> Counter[str]:
    found: Counter[str] = Counter()
    for step, nodes in tree.steps.items():
        for guard in _in(nodes, step, ()):
            text = json.dumps(guard, sort_keys=True, default=str)
            # A condition is another one when the rule's own value of a variable in it is.
            named = {name: value for name, value in tree.variables.items() if name in text}
            found[text + json.dumps(named, sort_keys=True, default=str)] += 1
    return found


def _in(nodes: tuple[RuleNode, ...], step: str, around: tuple[Any, ...]) -> Iterator[list[Any]]:
    for node in nodes:
        if node.key == _APPROVAL or (step == _CHECK and node.is_leaf and node.key not in _REFUSES_NOTHING):
            yield [step, *around, _said(node)]
        for block, children in node.blocks.items():
            holder = [] if _is_transparent(node) else [[block, _said(node)]]
            yield from _in(children, step, (*around, *holder))


def _is_transparent(node: RuleNode) -> bool:
    options = node.options
    return (
        node.key in _TRANSPARENT and options.when is None and options.enabled and options.on_error == "fail"
    )


def _said(node: RuleNode) -> Mapping[str, Any]:
    """Return what decides whether an operation is executed, what it asks for and what its failing means."""
    options = node.options
    return {
        "key": node.key,
        "arguments": node.arguments,
        "when": options.when,
        "enabled": options.enabled,
        "on_error": options.on_error,
    }
