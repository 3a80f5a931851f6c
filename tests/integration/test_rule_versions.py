"""Publishing rules: versions, what is refused, and that the database itself keeps a version as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from django.db import IntegrityError, connection, transaction

from jobs.execution.naming import facts_of
from rules.actions.publish_rule import publish_rule
from rules.exceptions import RuleInvalid, RuleNotFound
from rules.models import Rule, RuleVersion
from rules.parser.members import FIXED
from rules.selectors import check_source, linked_tree, load_tree, newest_version, pins
from rules.tree import count_leaves, walk
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW: Final = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def source(name: str, *operations: str, description: str = "") -> str:
    lines = "".join(f"    - {operation}\n" for operation in operations)
    return f"name: {name}\ndescription: '{description}'\nsteps:\n  RUN:\n{lines}"


def publish(text: str) -> RuleVersion:
    version, _ = publish_rule(source=text, author=None, comment="", now=NOW)
    return version


def test_a_first_version_makes_the_rule() -> None:
    author = UserFactory.create()
    text = source("web-deploy", "log: a", "group: [{log: b}]", description="Build")
    version, is_new = publish_rule(source=text, author=author, comment="begin", now=NOW)
    version.refresh_from_db()
    assert is_new
    assert (version.rule.slug, version.number, version.source) == ("web-deploy", 1, text)
    assert (version.name, version.description, version.comment) == ("web-deploy", "Build", "begin")
    assert (version.author, version.operations, version.created_at) == (author, 2, NOW)


def test_another_source_makes_the_next_version_and_the_same_none() -> None:
    first = publish(source("a", "log: one"))
    second, is_new = publish_rule(source=source("a", "log: two"), author=None, comment="", now=NOW)
    again, again_new = publish_rule(source=source("a", "log: two"), author=None, comment="other", now=NOW)
    assert (is_new, again_new) == (True, False)
    assert again == second
    assert newest_version("a") == second
    back, _ = publish_rule(source=first.source, author=None, comment="", now=NOW)
    assert [version.number for version in back.rule.versions.all()] == [3, 2, 1]


def test_a_rule_with_mistakes_changes_nothing() -> None:
    with pytest.raises(RuleInvalid):
        publish(source("a", "lgo: one"))
    assert not Rule.objects.exists()


def test_a_call_of_an_unknown_rule_is_refused_at_its_line() -> None:
    text = source("a", "log: x", "rule: nowhere")
    with pytest.raises(RuleInvalid) as raised:
        publish(text)
    assert [(one.line, one.code) for one in raised.value.problems] == [(6, "unknown_rule")]
    assert check_source(text).problems == raised.value.problems
    assert not Rule.objects.exists()


def test_every_mistake_is_told_at_once_those_of_calls_and_of_names_too() -> None:
    publish(source("inner", "{run: x, save_as: build}"))
    publish(source("middle", "rule: inner"))
    text = source(
        *("a", "rum: x", "rule: nosuch", "rule: midle", "rule: middle"),
        *(
            "log: '{{ build.output }} {{ job.nmae }}'",
            "{if: enviroment == 'PROD', then: [{log: '{{ foo }}'}]}",
        ),
    )
    expected = [
        (5, 7, "unknown_operation", "Did you mean run?"),
        (6, 13, "unknown_rule", "Create it first, or write the name of another one."),
        (7, 13, "unknown_rule", "Did you mean middle?"),
        (9, 35, "unknown_member", "Did you mean name?"),
        (10, 12, "unknown_name", "Did you mean environment?"),
        (10, 51, "unknown_name", "Names come from save_as, from loops, or are those of the job."),
    ]
    assert [(one.line, one.column, one.code, one.hint) for one in check_source(text).problems] == expected
    with pytest.raises(RuleInvalid) as raised:
        publish(text)
    assert raised.value.problems == check_source(text).problems


def test_the_newest_version_of_a_called_rule_says_what_it_saves() -> None:
    publish(source("inner", "{run: x, save_as: build}"))
    text = source("a", "rule: inner", "log: '{{ build.output }}'")
    assert check_source(text).problems == ()
    assert publish(text).number == 1
    publish(source("inner", "{run: x, save_as: other}"))
    assert [(one.line, one.code) for one in check_source(text).problems] == [(6, "unknown_name")]


def test_the_members_of_fixed_names_are_those_that_jobs_have() -> None:
    job = JobFactory.create()
    names = facts_of(job).names()
    assert {name: frozenset(names[name]) for name in FIXED} == dict(FIXED)


def test_rules_that_call_each_other_in_a_circle_are_refused() -> None:
    publish(source("a", "log: x"))
    publish(source("b", "rule: a"))
    with pytest.raises(RuleInvalid, match="circle: a → b → a"):
        publish(source("a", "rule: b"))
    assert newest_version("a").number == 1


def test_a_pinned_tree_stays_when_the_called_rule_changes() -> None:
    publish(source("inner", "log: old"))
    publish(source("middle", "rule: inner"))
    top = publish(source("top", "rule: middle", "log: end"))
    pinned = pins(top.pk)
    publish(source("inner", "log: new", "log: newer"))
    assert pinned == {"inner": 1, "middle": 1}
    assert pins(top.pk) == {"inner": 2, "middle": 1}
    old = linked_tree(top.pk, pinned)
    assert [node.arguments for _, node in walk(old.operations("RUN"), "RUN") if node.is_leaf] == [
        "old",
        "end",
    ]
    assert count_leaves(linked_tree(top.pk, pins(top.pk))) == 3


def test_a_pin_that_is_gone_is_named() -> None:
    publish(source("inner", "log: old"))
    top = publish(source("top", "rule: inner"))
    with pytest.raises(RuleInvalid, match="There is no rule inner"):
        linked_tree(top.pk, {"inner": 7})
    Rule.objects.get(slug="inner").delete()
    with pytest.raises(RuleNotFound):
        pins(top.pk)


def test_a_tree_is_read_once() -> None:
    version = publish(source("a", "log: x"))
    assert load_tree(version.pk) is load_tree(version.pk)


def test_a_version_never_changes() -> None:
    version = publish(source("a", "log: x"))
    for change in (
        {"source": "other"},
        {"number": 2},
        {"comment": "later"},
        {"created_at": datetime.now(UTC)},
    ):
        with pytest.raises(IntegrityError, match="never changes") as raised, transaction.atomic():
            RuleVersion.objects.filter(pk=version.pk).update(**change)
        assert raised.value.__cause__ is not None
        assert raised.value.__cause__.diag.constraint_name == "rule_version_never_changes"  # type: ignore[attr-defined]
    version.refresh_from_db()
    assert version.number == 1


def test_a_version_outlives_its_author_and_gets_no_other() -> None:
    author, other = UserFactory.create(), UserFactory.create()
    version, _ = publish_rule(source=source("a", "log: x"), author=author, comment="", now=NOW)
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        RuleVersion.objects.filter(pk=version.pk).update(author=other)
    author.delete()
    version.refresh_from_db()
    assert version.author is None


def test_a_number_is_used_once() -> None:
    version = publish(source("a", "log: x"))
    with pytest.raises(IntegrityError, match="rule_version_number_unique"), transaction.atomic():
        RuleVersion.objects.create(rule=version.rule, number=1, source="", name="a", created_at=NOW)
    assert connection.is_usable()
