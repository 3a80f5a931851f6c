"""``policy.set_rights``: exactly these rights, and one word about it to whoever listens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment
from permissions.policy import set_rights
from permissions.signals import rights_changed
from tests.factories import EnvironmentFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db

VIEW, RESTART, CANCEL = Right.VIEW_MONITOR, Right.RESTART, Right.CANCEL


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []

    def listen(signal: Any, sender: Any, **facts: Any) -> None:
        found.append({"sender": sender, **facts})

    rights_changed.connect(listen)
    yield found
    rights_changed.disconnect(listen)


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.mark.parametrize("kind", [UserFactory, GroupFactory])
@pytest.mark.parametrize("everywhere", [True, False])
def test_the_rights_are_what_was_asked_for(dev: Environment, kind: Any, everywhere: bool) -> None:
    principal, where = kind.create(), None if everywhere else dev
    other = EnvironmentFactory.create()
    set_rights(principal, other, {CANCEL})
    assert set_rights(principal, where, {VIEW, RESTART}) == {VIEW, RESTART}
    assert set_rights(principal, where, {VIEW, CANCEL}) == {RESTART, CANCEL}
    assert policy.granted_on(principal, where) == {VIEW, CANCEL}
    assert set_rights(principal, where, ()) == {VIEW, CANCEL}
    assert policy.granted(principal) == {other.code: {CANCEL}}, "nothing else is touched"


def test_one_word_for_each_change_and_none_for_none(dev: Environment, heard: list[dict[str, Any]]) -> None:
    ops = GroupFactory.create()
    set_rights(ops, dev, [VIEW, RESTART])
    set_rights(ops, dev, [RESTART, VIEW])
    set_rights(ops, None, [])
    policy.grant(ops, VIEW, dev)
    policy.revoke(ops, RESTART, dev)
    policy.revoke(ops, RESTART, dev)
    facts = {"sender": type(ops), "principal": ops, "environment": dev}
    assert heard == [
        {**facts, "before": frozenset(), "after": {VIEW, RESTART}},
        {**facts, "before": {VIEW, RESTART}, "after": {VIEW}},
    ]


def test_other_permissions_without_an_object_are_left_alone(dev: Environment) -> None:
    ana = UserFactory.create()
    ana.user_permissions.add(Permission.objects.get(codename="add_user"))
    set_rights(ana, None, [VIEW])
    set_rights(ana, None, [])
    assert [permission.codename for permission in ana.user_permissions.all()] == ["add_user"]
