"""Linking: the operations of called rules, and what cannot be linked."""

from __future__ import annotations

from typing import Final

import pytest

from rules.exceptions import RuleInvalid
from rules.parser import called_rules, link, parse
from rules.tree import RuleTree, count_leaves, walk
from tests.unit.rules.palette import palette

REGISTRY: Final = palette()


def rule(name: str, run: str, post: str = "[]") -> RuleTree:
    return parse(f"name: {name}\nsteps:\n  RUN: {run}\n  POST: {post}\n", REGISTRY)


def linked(*trees: RuleTree) -> RuleTree:
    """Link the first with all of them at hand."""
    return link(trees[0], {tree.name: tree for tree in trees}.get)


def test_a_call_holds_the_operations_of_the_same_step() -> None:
    tree = linked(
        rule("top", "[{group: [{rule: build}]}, {log: end}]", "[{rule: build}]"),
        rule("build", "[{run: a}, {rule: check}]"),
        rule("check", "[{run: b}]", "[{run: c}]"),
    )
    assert [path for path, _ in walk(tree.operations("RUN"), "RUN")] == [
        "RUN/0",
        "RUN/0/group/0",
        "RUN/0/group/0/rule/0",
        "RUN/0/group/0/rule/1",
        "RUN/0/group/0/rule/1/rule/0",
        "RUN/1",
    ]
    assert tree.operations("POST")[0].blocks == {"rule": ()}
    assert count_leaves(tree) == 3


def test_a_rule_may_be_called_twice_side_by_side() -> None:
    tree = linked(rule("top", "[{rule: a}, {rule: a}]"), rule("a", "[{run: x}]"))
    assert count_leaves(tree) == 2


def test_called_rules_are_those_of_the_rule_itself() -> None:
    tree = rule("top", "[{if: True, then: [{rule: a}], else: [{rule: b}]}]", "[{rule: a}]")
    assert called_rules(tree) == {"a", "b"}


def test_an_unknown_rule_is_refused_at_its_call() -> None:
    with pytest.raises(RuleInvalid) as raised:
        linked(rule("top", "[{log: a}, {rule: nowhere}]"))
    (problem,) = raised.value.problems
    assert (problem.line, problem.column, problem.code) == (3, 19, "unknown_rule")
    assert problem.message == "There is no rule nowhere."


def test_a_circle_is_refused_and_named() -> None:
    with pytest.raises(RuleInvalid, match="circle: a → b → c → a"):
        linked(rule("a", "[{rule: b}]"), rule("b", "[{rule: c}]"), rule("c", "[{rule: a}]"))
    with pytest.raises(RuleInvalid, match="circle: b → c → b"):
        linked(rule("a", "[{rule: b}]"), rule("b", "[{rule: c}]"), rule("c", "[{rule: b}]"))


def test_every_call_that_cannot_be_linked_is_named_once() -> None:
    with pytest.raises(RuleInvalid) as raised:
        linked(
            rule("top", "[{rule: b}, {rule: nowhere}, {rule: fine}]", "[{rule: nothing}]"),
            rule("b", "[{rule: lost}, {rule: lost}]"),
            rule("fine", "[{log: a}]"),
        )
    assert [(one.line, one.column, one.params["name"]) for one in raised.value.problems] == [
        (3, 9, "lost"),
        (3, 20, "nowhere"),
        (4, 10, "nothing"),
    ]


def test_a_called_rule_that_is_not_accepted_any_more_is_named_at_its_call() -> None:
    def resolve(slug: str) -> RuleTree:
        return parse(f"name: {slug}\nsteps: {{RUN: [{{lgo: a}}]}}\n", REGISTRY)

    with pytest.raises(RuleInvalid) as raised:
        link(rule("top", "[{log: a}, {rule: old}]"), resolve)
    assert [(one.line, one.column, one.code) for one in raised.value.problems] == [(3, 19, "called_invalid")]


def test_calls_are_ten_deep_at_most() -> None:
    def chain(length: int) -> list[RuleTree]:
        inner = [rule(f"r{number}", f"[{{rule: r{number + 1}}}]") for number in range(length)]
        return [*inner, rule(f"r{length}", "[{log: a}]")]

    assert count_leaves(linked(*chain(10))) == 1
    with pytest.raises(RuleInvalid, match="more than 10 deep"):
        linked(*chain(11))


def test_calls_do_not_multiply_without_bound() -> None:
    trees = [rule(f"r{number}", "[" + f"{{rule: r{number + 1}}}, " * 10 + "]") for number in range(6)]
    with pytest.raises(RuleInvalid, match="more than 20000 operations"):
        linked(*trees, rule("r6", "[{log: a}]"))
