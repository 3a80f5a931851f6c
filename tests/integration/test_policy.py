"""Who may do what, where."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import EnvironmentHidden, RightMissing
from permissions.models import Environment, User
from permissions.rights import NOTHING, Limits
from tests.factories import EnvironmentFactory, GroupFactory, JobFactory, UserFactory, user_with
from tests.pages import Reader

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


def test_a_right_counts_where_it_was_granted_and_nowhere_else(dev: Environment, prod: Environment) -> None:
    user = UserFactory.create()
    policy.grant(user, Right.VIEW_MONITOR, dev)
    policy.grant(user, Right.RESTART, dev)
    assert policy.can(user, Right.RESTART, dev)
    assert not policy.can(user, Right.CANCEL, dev)
    assert not policy.can(user, Right.RESTART, prod)
    assert list(policy.environments_for(user)) == [dev]


def test_rights_come_through_groups_and_go_with_them(dev: Environment) -> None:
    user, group = UserFactory.create(), GroupFactory.create()
    policy.grant(group, Right.VIEW_MONITOR, dev)
    assert not policy.can(user, Right.VIEW_MONITOR, dev)
    user.groups.add(group)
    assert policy.can(user, Right.VIEW_MONITOR, dev)
    policy.revoke(group, Right.VIEW_MONITOR, dev)
    assert not policy.can(user, Right.VIEW_MONITOR, dev)


@pytest.mark.parametrize("through_group", [False, True])
def test_a_grant_on_all_covers_environments_created_later(through_group: bool) -> None:
    user, group = UserFactory.create(), GroupFactory.create()
    user.groups.add(group)
    principal = group if through_group else user
    policy.grant(principal, Right.VIEW_MONITOR, None)
    later = EnvironmentFactory.create()
    assert policy.can(user, Right.VIEW_MONITOR, later)
    assert list(policy.environments_for(user)) == [later]
    policy.revoke(principal, Right.VIEW_MONITOR, None)
    assert not policy.can(user, Right.VIEW_MONITOR, later)


@pytest.mark.parametrize("everywhere", [False, True])
def test_no_right_counts_without_the_right_to_view(dev: Environment, everywhere: bool) -> None:
    user = UserFactory.create()
    for right in set(Right) - {Right.VIEW_MONITOR}:
        policy.grant(user, right, None if everywhere else dev)
    assert policy.rights_of(user).on(dev.pk) == frozenset()
    assert list(policy.environments_for(user, Right.CREATE)) == []
    with pytest.raises(EnvironmentHidden):
        policy.require(user, Right.CREATE, dev)


def test_a_right_on_all_and_the_view_on_one_count_together_on_that_one(
    dev: Environment, prod: Environment
) -> None:
    user = UserFactory.create()
    policy.grant(user, Right.CREATE, None)
    policy.grant(user, Right.VIEW_MONITOR, prod)
    assert list(policy.environments_for(user, Right.CREATE)) == [prod]
    assert not policy.can(user, Right.CREATE, dev)


def test_superusers_hold_all_inactive_and_anonymous_ones_nothing(dev: Environment) -> None:
    assert policy.can(UserFactory.create(is_superuser=True), Right.DELETE, dev)
    assert not policy.can(UserFactory.create(is_superuser=True, is_active=False), Right.VIEW_MONITOR, dev)
    assert not policy.can(AnonymousUser(), Right.VIEW_MONITOR, dev)
    inactive = UserFactory.create(is_active=False)
    policy.grant(inactive, Right.VIEW_MONITOR, dev)
    policy.grant(inactive, Right.VIEW_MONITOR, None)
    assert policy.rights_of(inactive) == NOTHING
    assert list(policy.environments_for(inactive)) == []


def test_a_missing_right_on_a_visible_environment_is_named(dev: Environment) -> None:
    user = UserFactory.create()
    policy.grant(user, Right.VIEW_MONITOR, dev)
    with pytest.raises(RightMissing, match=r"action\.job\.cancel in DEV"):
        policy.require(user, Right.CANCEL, dev)


def test_reading_all_rights_costs_the_same_with_one_environment_and_with_fifty() -> None:
    user, group = UserFactory.create(), GroupFactory.create()
    user.groups.add(group)
    counts = []
    for number in (1, 50):
        for environment in EnvironmentFactory.create_batch(number):
            policy.grant(group, Right.VIEW_MONITOR, environment)
            policy.grant(user, Right.CREATE, environment)
        with CaptureQueriesContext(connection) as queries:
            rights = policy.rights_of(UserFactory._meta.model.objects.get(pk=user.pk))
        counts.append(len(queries))
        assert len(rights.by_environment) >= number
    assert counts[0] == counts[1] <= 4


def test_what_was_granted_to_a_principal_itself_is_listed_by_environment(dev: Environment) -> None:
    group = GroupFactory.create()
    policy.grant(group, Right.VIEW_MONITOR, dev)
    policy.grant(group, Right.CREATE, dev)
    policy.grant(group, Right.DELETE, None)
    assert policy.granted(group) == {"DEV": {Right.VIEW_MONITOR, Right.CREATE}, "*": {Right.DELETE}}


def asked(queries: CaptureQueriesContext) -> int:
    """Return how often it was asked who holds what."""
    return sum("permissions_environmentusergrant" in query["sql"] for query in queries)


class TestReadOnce:
    def test_a_page_asks_once_what_its_reader_may_see(self) -> None:
        reader = Reader(user_with("view_monitor", environments=[EnvironmentFactory.create()]))
        for address in ("/", "/deployments/", "/inbox/"):
            with CaptureQueriesContext(connection) as queries:
                assert reader.get(address).status_code == 200
            assert asked(queries) == 1, address

    def test_the_next_request_sees_what_has_changed(self) -> None:
        environment = EnvironmentFactory.create(code="DEV")
        user = user_with("view_monitor", environments=[environment])
        reader = Reader(user)
        job = JobFactory.create(environment=environment)
        assert reader.get(f"/jobs/{job.pk}/").status_code == 200
        policy.revoke(user, Right.VIEW_MONITOR, environment)
        assert reader.get(f"/jobs/{job.pk}/").status_code == 404

    def test_two_users_and_two_tokens_of_one_are_kept_apart(self) -> None:
        first, second = EnvironmentFactory.create(), EnvironmentFactory.create()
        ana, eva = (user_with("view_monitor", environments=[each]) for each in (first, second))
        limited = User.objects.get(pk=ana.pk)
        limited.limits = Limits.of([Right.CREATE], None)
        with policy.read_once():
            for _ in range(2):
                assert policy.can(ana, Right.VIEW_MONITOR, first)
                assert not policy.can(eva, Right.VIEW_MONITOR, first)
                assert not policy.can(limited, Right.VIEW_MONITOR, first)

    def test_whoever_decides_asks_anew(self) -> None:
        environment = EnvironmentFactory.create()
        user = user_with("view_monitor", environments=[environment])
        assert policy.can(user, Right.VIEW_MONITOR, environment)
        policy.revoke(user, Right.VIEW_MONITOR, environment)
        assert not policy.can(user, Right.VIEW_MONITOR, environment)
