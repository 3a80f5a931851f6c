"""Explanations: the standing is the policy's, and every link of the chain is named."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from django.utils import translation

from jobs.actions import catalogue
from jobs.actions.base import every_action
from permissions.catalog import RIGHT_OF_ACTION, SIGNING, Right
from permissions.explain import Grants, Person, Source, Standing, who_can, why
from permissions.rights import Grant

VIEW, RESTART, CANCEL = Right.VIEW_MONITOR, Right.RESTART, Right.CANCEL
ANA = Person("ana", groups=("ops", "qa"))


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


def given(*grants: tuple[str, str, Right]) -> Grants:
    return Grants(Grant(*each) for each in grants)


@pytest.mark.parametrize(
    ("person", "grants", "expected"),
    [
        (ANA, (), Standing.LACKS),
        (ANA, (("user:ana", "PROD", RESTART),), Standing.UNSEEING),
        (ANA, (("user:ana", "PROD", RESTART), ("group:ops", "*", VIEW)), Standing.HOLDS),
        (ANA, (("group:ops", "PROD", RESTART), ("group:qa", "PROD", VIEW)), Standing.HOLDS),
        (ANA, (("group:other", "PROD", RESTART), ("group:qa", "PROD", VIEW)), Standing.LACKS),
        (ANA, (("group:ops", "DEV", RESTART), ("group:qa", "PROD", VIEW)), Standing.LACKS),
        (ANA, (("user:ana", "*", RESTART), ("group:qa", "DEV", VIEW)), Standing.UNSEEING),
        (Person("ana", is_superuser=True), (), Standing.SUPERUSER),
        (Person("ana", is_active=False, is_superuser=True), (), Standing.INACTIVE),
        (Person("ana", is_active=False), (("user:ana", "*", RESTART),), Standing.INACTIVE),
    ],
)
def test_how_it_is_with_a_right(
    person: Person, grants: tuple[tuple[str, str, Right], ...], expected: Standing
) -> None:
    found = given(*grants)
    assert found.standing(person, "PROD", RESTART) is expected
    explanation = why(person, RESTART, "PROD", found)
    assert explanation.allowed is expected.counts
    assert bool(explanation.advice) is not expected.counts


def test_every_source_is_named_nearest_first() -> None:
    places = product(("user:ana", "group:qa", "group:ops", "group:other"), ("PROD", "*", "DEV"))
    grants = given(*((principal, place, RESTART) for principal, place in places))
    assert grants.sources(ANA, "PROD", RESTART) == (
        Source("", "PROD"), Source("", "*"), Source("ops", "PROD"), Source("ops", "*"),
        Source("qa", "PROD"), Source("qa", "*"),
    )  # fmt: skip
    assert grants.sources(ANA, "*", RESTART) == (Source("", "*"), Source("ops", "*"), Source("qa", "*"))


def test_who_can_begins_with_those_for_whom_it_counts() -> None:
    grants = given(("user:zoe", "PROD", RESTART), ("user:zoe", "PROD", VIEW), ("user:ben", "PROD", RESTART))
    people = [Person("ben"), Person("root", is_superuser=True), Person("zoe"), ANA]
    found = [(holder.person.username, holder.standing) for holder in who_can(people, RESTART, "PROD", grants)]
    assert found == [
        ("root", Standing.SUPERUSER), ("zoe", Standing.HOLDS), ("ben", Standing.UNSEEING)
    ]  # fmt: skip


def test_the_chain_has_all_its_links() -> None:
    explanation = why(ANA, RESTART, "PROD", given(), action="approve", groups=["release"])
    assert [reason.code for reason in explanation.reasons] == [
        "active", "superuser", "own", "group", "group", "right", "view", "action"
    ]  # fmt: skip
    assert [reason.good for reason in explanation.reasons] == [
        True,
        None,
        None,
        None,
        None,
        False,
        False,
        None,
    ]


def test_a_group_is_suggested_when_it_gives_all_that_is_missing() -> None:
    grants = given(
        ("group:release", "PROD", RESTART), ("group:release", "*", VIEW), ("group:half", "PROD", RESTART)
    )
    advice = why(ANA, RESTART, "PROD", grants, groups=["half", "release", "ops"]).advice
    assert advice[-1] == "Or put ana into a group that gives it: release."
    assert "half" not in " ".join(advice)


def test_actions_need_what_explanations_say() -> None:
    assert catalogue is not None
    for key, action in every_action().items():
        assert RIGHT_OF_ACTION[key] is action.right, key
    assert set(RIGHT_OF_ACTION) - set(every_action()) == {"view", "create"}
    assert {key for key in every_action() if RIGHT_OF_ACTION[key] is Right.APPROVE_ALL} == SIGNING
