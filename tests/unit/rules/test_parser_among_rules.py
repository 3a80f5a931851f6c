"""A rule among those it calls: names they save, calls that lead nowhere, and every mistake at once."""

from __future__ import annotations

from typing import Final

import pytest

from rules.parser import ParseResult, check, draft, parse
from rules.tree import RuleTree
from tests.unit.rules.palette import palette

REGISTRY: Final = palette()


def source(name: str, *operations: str) -> str:
    return f"name: {name}\nsteps:\n  RUN:\n" + "".join(f"    - {one}\n" for one in operations)


def among(text: str, *others: str) -> ParseResult:
    """Check ``text`` where the rules ``others`` are."""
    trees: dict[str, RuleTree] = {tree.name: tree for tree in (parse(one, REGISTRY) for one in others)}
    return draft(text, REGISTRY).among(trees.get, list(trees))


def found(text: str, *others: str) -> list[tuple[int, int, str, str]]:
    return [(one.line, one.column, one.code, one.hint) for one in among(text, *others).problems]


SEVERAL: Final = """\
name: top
steps:
  RUN:
    - rum: x
    - name: Call
      rule: nosuch
    - if: enviroment == 'PROD'
      then: [{rule: biuld}]
    - log: '{{ foo }}'
    - log: '{{ job.nmae }}'
"""


def test_every_mistake_is_told_at_once_and_once() -> None:
    assert found(SEVERAL, source("build", "log: a")) == [
        (4, 7, "unknown_operation", "Did you mean run?"),
        (6, 13, "unknown_rule", "Create it first, or write the name of another one."),
        (7, 11, "unknown_name", "Did you mean environment?"),
        (8, 21, "unknown_rule", "Did you mean build?"),
        (9, 16, "unknown_name", "Names come from save_as, from loops, or are those of the job."),
        (10, 16, "unknown_member", "Did you mean name?"),
    ]


def test_alone_a_rule_that_calls_others_may_read_any_name() -> None:
    problems = check(SEVERAL, REGISTRY).problems
    assert [problem.code for problem in problems] == ["unknown_operation", "unknown_member"]


@pytest.mark.parametrize("inner", ["{run: x, save_as: built}", "{group: [{log: a, save_as: built}]}"])
def test_names_that_called_rules_save_are_known_to_any_depth(inner: str) -> None:
    text = source("top", "rule: middle", "log: '{{ built.output }}'")
    middle = source("middle", "rule: inner", "rule: top")
    result = among(text, source("middle", "rule: inner"), source("inner", inner))
    assert result.problems == ()
    assert result.tree == parse(text, REGISTRY)
    assert result.operations == 1
    # A circle is one mistake, and the name is none.
    assert [one[2] for one in found(text, middle, source("inner", inner))] == ["circle"]


def test_a_name_that_a_called_rule_saves_is_suggested() -> None:
    text = source("top", "rule: inner", "log: '{{ buildt }}'")
    problems = among(text, source("inner", "{run: x, save_as: build}")).problems
    assert [(one.code, one.hint, one.params["called"]) for one in problems] == [
        ("unknown_name", "Did you mean build?", "inner")
    ]


def test_a_rule_that_calls_itself_is_one_mistake() -> None:
    assert [one[:3] for one in found(source("top", "rule: top", "log: '{{ foo }}'"))] == [
        (4, 13, "calls_itself"),
        (5, 16, "unknown_name"),
    ]


@pytest.mark.parametrize("call", ["rule: ''", "rule:", "rule: '{{ step }}'", "rule: [a]"])
def test_a_call_of_no_name_is_one_mistake(call: str) -> None:
    assert [one[0] for one in found(source("top", call, "rule: nosuch"))] == [4, 5]


def test_what_a_rule_saves_that_is_not_accepted_any_more_is_not_guessed() -> None:
    def resolve(slug: str) -> RuleTree:
        return parse(source(slug, "lgo: a"), REGISTRY)

    result = draft(source("top", "rule: old", "log: '{{ foo }}'"), REGISTRY).among(resolve, ["old"])
    assert [(one.line, one.code) for one in result.problems] == [(4, "called_invalid")]
    assert result.tree is None


def test_names_without_calls_are_told_as_ever() -> None:
    text = source("top", "log: '{{ foo }}'")
    assert found(text) == [(4, 16, "unknown_name", check(text, REGISTRY).problems[0].hint)]
