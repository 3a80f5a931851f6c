"""A token may be limited to rights and environments; through every door of the API it opens nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from permissions import policy, principals, tokens
from permissions.catalog import Right
from permissions.exceptions import TokenRefused
from permissions.models import ApiToken, Environment, User
from permissions.rights import Limits
from tests.api import Api
from tests.factories import RULE_SOURCE, EnvironmentFactory, GroupFactory, JobFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db

ALL = tuple(Right)
SEE = ["view_monitor"]


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


def people() -> list[User]:
    """Return users who hold all rights, each for another reason."""
    member = UserFactory.create()
    group = GroupFactory.create()
    for right in ALL:
        policy.grant(group, right, None)
    member.groups.add(group)
    return [UserFactory.create(is_superuser=True), user_with(*ALL), member]


def test_the_environment_is_all_there_is(dev: Environment, prod: Environment) -> None:
    here, there = (JobFactory.at("RUN", "ready", environment=each) for each in (dev, prod))
    for user in people():
        api = Api(user, environments=["DEV"])
        assert api.get("me/").json["rights"] == {"DEV": [right.value for right in ALL]}
        assert api.get("jobs/").ids == [here.pk]
        assert api.get("jobs/summary/").json["total"] == 1
        assert [row["code"] for row in api.walk("environments/")] == ["DEV"]
        api.get(f"jobs/{there.pk}/").problem(404, "not_found")
        api.post(f"jobs/{there.pk}/cancel/", {}).problem(404, "not_found")
        api.get(f"jobs/{there.pk}/log/").problem(404, "not_found")
        assert api.get(f"jobs/{here.pk}/").status == 200


def test_only_the_rights_it_was_made_for_count(dev: Environment) -> None:
    for user in people():
        job = JobFactory.at("RUN", "ready", environment=dev)
        api = Api(user, rights=["view_monitor", "restart"])
        assert api.get("me/").json["rights"] == {"DEV": ["view_monitor", "restart"]}
        assert "cancel" not in api.get(f"jobs/{job.pk}/").json["actions"]
        assert "reschedule" in api.get(f"jobs/{job.pk}/").json["actions"]
        assert (
            "action.job.cancel"
            in api.post(f"jobs/{job.pk}/cancel/", {}).problem(403, "right_missing")["detail"]
        )
        assert Api(user).post(f"jobs/{job.pk}/cancel/", {}).status == 200


def test_an_environment_that_comes_later_is_not_within(dev: Environment) -> None:
    api = Api(user_with(*ALL), environments=["DEV"])
    EnvironmentFactory.create(code="NEW")
    assert list(api.get("me/").json["rights"]) == ["DEV"]


def test_a_limit_gives_nothing_that_the_user_does_not_hold(dev: Environment, prod: Environment) -> None:
    user = user_with("view_monitor", environments=[dev])
    api = Api(user, rights=[right.value for right in ALL], environments=["DEV"])
    assert api.get("me/").json["rights"] == {"DEV": SEE}
    policy.set_rights(user, dev, ())
    assert api.get("me/").json["rights"] == {}


@pytest.mark.parametrize("limits", [{"rights": [right.value for right in ALL]}, {"environments": ["DEV"]}])
def test_a_limited_token_of_a_superuser_administers_nothing(dev: Environment, limits: dict[str, Any]) -> None:
    api = Api(UserFactory.create(is_superuser=True), **limits)
    assert api.get("me/").json["is_superuser"] is False
    for path, body in {
        "rules/": {"source": RULE_SOURCE.format(slug="mine")},
        "environments/": {"code": "QA"},
        "projects/": {"code": "shop"},
        "natures/": {"code": "java"},
    }.items():
        assert api.post(path, body).status == 403, path
    assert api.call("DELETE", "environments/DEV/").status == 403
    assert api.call("PATCH", "environments/DEV/", '{"name": "x"}').status == 403


@pytest.mark.parametrize(
    ("rights", "signs"), [(None, True), (SEE, False), (["view_monitor", "approve_all"], True)]
)
def test_being_named_as_an_approver_counts_only_with_approve_all(
    dev: Environment, rights: list[str] | None, signs: bool
) -> None:
    ana = user_with("view_monitor", username="ana")
    token = tokens.issue(ana, rights=rights, environments=["DEV"])
    found = tokens.owner(token, now=timezone.now())
    assert found is not None
    assert principals.is_among(found, ["user:ana"]) is signs


def test_no_permission_of_the_admin_comes_through_it(dev: Environment) -> None:
    boss = UserFactory.create(is_superuser=True, is_staff=True)
    found = tokens.owner(tokens.issue(boss, environments=["DEV"]), now=timezone.now())
    assert found is not None
    assert found.limits == Limits(environments=frozenset({"DEV"}))
    assert not found.has_perm("permissions.add_user")
    assert not found.has_perms(["permissions.add_user"])
    assert not found.has_module_perms("permissions")
    assert not policy.administers(found)
    assert policy.administers(boss)
    with pytest.raises(TokenRefused, match="A limited token makes no tokens"):
        tokens.issue(found)


def test_the_answer_under_a_key_is_not_given_to_another_token(dev: Environment) -> None:
    boss = UserFactory.create(is_superuser=True)
    job = JobFactory.at("RUN", "ready", environment=dev)
    key = {"Idempotency-Key": "once"}
    assert Api(boss).post(f"jobs/{job.pk}/comment/", {"text": "x"}, **key).status == 200
    limited = Api(boss, environments=["DEV"])
    assert limited.post(f"jobs/{job.pk}/comment/", {"text": "x"}, **key).status == 409


def test_taking_it_away_works_at_once(dev: Environment) -> None:
    api = Api(user_with(*ALL))
    assert api.get("me/").status == 200
    ApiToken.objects.all().delete()
    assert api.get("me/").status == 401


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"rights": ["view_monitor", "rule_the_world"]}, "There is no right rule_the_world"),
        ({"rights": ["restart"]}, "Without view_monitor"),
        ({"rights": []}, "Without view_monitor"),
        ({"environments": []}, "at least one environment"),
        ({"environments": ["DEV", "PROD"]}, "There is no environment PROD that ana may see"),
        ({"environments": ["nowhere"]}, "There is no environment nowhere that ana may see"),
        ({"name": "x" * 101}, "at most 100"),
        ({"name": "a\0b"}, "at most 100"),
    ],
)
def test_a_limit_that_does_not_fit_is_refused(
    dev: Environment, prod: Environment, limits: dict[str, Any], reason: str
) -> None:
    ana = user_with("view_monitor", environments=[dev], username="ana")
    with pytest.raises(TokenRefused, match=reason):
        tokens.issue(ana, **limits)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("field", ["rights", "environments"])
def test_the_database_takes_lists_or_nothing(field: str) -> None:
    token = ApiToken(user=UserFactory.create(), digest="x", hint="x")
    setattr(token, field, {"view_monitor": True})
    with pytest.raises(IntegrityError, match=f"api_token_{field}_are_a_list"), transaction.atomic():
        token.save()


def test_reading_the_rights_costs_the_same_with_many_environments(
    dev: Environment, django_assert_num_queries: Any
) -> None:
    EnvironmentFactory.create_batch(20)
    ana = user_with(*ALL)
    found = tokens.owner(tokens.issue(ana, environments=["DEV"], rights=SEE), now=timezone.now())
    assert found is not None
    with django_assert_num_queries(2):
        rights = policy.rights_of(found)
    assert rights.on(dev.pk) == {Right.VIEW_MONITOR}
