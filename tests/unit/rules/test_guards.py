"""Whether an older version of a rule demands what the newest one does."""

from __future__ import annotations

import pytest

from rules import guards
from rules.parser import parse
from rules.tree import RuleTree

GATE = "approval: {approvers: ['user:ana'], min: 1}"

OTHERWISE = f"[{{if: attempt > 1, then: [{{log: a}}], else: [{{{GATE}}}]}}]"


def rule(check: str = "[]", pre: str = "[]", variables: str = "{}") -> RuleTree:
    return parse(
        f"name: web\nvariables: {variables}\nsteps:\n  CHECK: {check}\n  PRE: {pre}\n  RUN: [{{log: x}}]"
    )


@pytest.mark.parametrize(
    ("older", "newer", "lacks"),
    [
        ({}, {}, False),
        ({}, {"pre": f"[{{{GATE}}}]"}, True),
        ({"pre": f"[{{{GATE}}}]"}, {}, False),
        ({"pre": f"[{{{GATE}}}]"}, {"pre": f"[{{{GATE}}}, {{{GATE}}}]"}, True),
        ({"pre": f"[{{{GATE}}}]"}, {"pre": f"[{{group: [{{{GATE}}}]}}]"}, False),
        ({"pre": f"[{{if: attempt > 1, then: [{{{GATE}}}]}}]"}, {"pre": f"[{{{GATE}}}]"}, True),
        ({"pre": OTHERWISE}, {"pre": f"[{{if: attempt > 1, then: [{{{GATE}}}]}}]"}, True),
        ({"pre": f"[{{{GATE}, enabled: false}}]"}, {"pre": f"[{{{GATE}}}]"}, True),
        ({"pre": f"[{{group: [{{{GATE}}}], on_error: ignore}}]"}, {"pre": f"[{{{GATE}}}]"}, True),
        ({"pre": f"[{{{GATE}, name: a}}]"}, {"pre": f"[{{{GATE}, name: b}}]"}, False),
        ({"check": "[{log: a}]"}, {"check": "[{log: b}]"}, False),
        ({}, {"check": "[{fail: Only tags}]"}, True),
        ({"check": "[{fail: Only tags, when: attempt > 1}]"}, {"check": "[{fail: Only tags}]"}, True),
        ({"pre": "[{run: a}]"}, {"pre": "[{run: b}]"}, False),
        (
            {"pre": f"[{{{GATE}, when: variables.gate}}]", "variables": "{gate: false}"},
            {"pre": f"[{{{GATE}, when: variables.gate}}]", "variables": "{gate: true}"},
            True,
        ),
    ],
)  # fmt: skip
def test_what_the_older_one_lacks(older: dict[str, str], newer: dict[str, str], lacks: bool) -> None:
    assert guards.lacks(rule(**older), rule(**newer)) is lacks
