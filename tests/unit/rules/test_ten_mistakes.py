"""A rule with ten different mistakes: ten problems, each at its line and with a hint that helps."""

from __future__ import annotations

import pytest

from rules.exceptions import RuleInvalid
from rules.parser import parse
from tests.unit.rules.palette import palette

SOURCE = """\
name: Web Deploy
description: Ten mistakes
steps:
  PREE:
    - log: "Building"
  RUN:
    - runn: make build
    - run: make test
      timeout: 15
    - run: make lint
      retries: 3
    - if: enviroment == "PROD"
      then:
        - log: "To production"
    - while: {condition: "variables.n < 3", do: [{sleep: 1s}]}
    - sleep: 5 seconds
    - fail: "{{ job.name }"
    - run: make clean
      when: environment = "DEV"
"""

EXPECTED = [
    (1, "name", "lower-case"),
    (4, "unknown_step", "Did you mean PRE?"),
    (7, "unknown_operation", "Did you mean run?"),
    (9, "type", "90s, 15m, 2h or 1d"),
    (11, "unknown_key", "Did you mean retry?"),
    (12, "unknown_name", "Did you mean environment?"),
    (15, "missing_key", "how many turns"),
    (16, "duration", "90s, 15m, 2h or 1d"),
    (17, "template", "Close {{ with }}"),
    (19, "expression", "Compare with ==."),
]


def test_every_mistake_is_found_at_its_line_with_a_hint() -> None:
    with pytest.raises(RuleInvalid) as raised:
        parse(SOURCE, palette())
    problems = raised.value.problems
    assert len(problems) == 10
    assert [(problem.line, problem.code) for problem in problems] == [
        (line, code) for line, code, _ in EXPECTED
    ]
    for problem, (_, _, hint) in zip(problems, EXPECTED, strict=True):
        assert hint in problem.hint
        assert problem.hint
        assert "%" not in problem.message
        assert problem.message.endswith(".")
