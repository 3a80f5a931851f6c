"""What goes together with something that is deleted has a record of its own, of every kind; new kinds are found here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.contrib.auth.models import Group
from django.db import models, transaction

from jobs.acting import COMMAND, acting_as
from jobs.audit import together
from jobs.models import (
    AuditRecord,
    Delivery,
    Nature,
    Project,
    ProjectEnvironment,
    RetentionPolicy,
    Schedule,
    ScheduleRun,
    Semaphore,
    SemaphoreRequest,
    Subscription,
)
from permissions import policy, tokens
from permissions.catalog import Right
from permissions.models import (
    ApiToken,
    Environment,
    EnvironmentGroupGrant,
    EnvironmentUserGrant,
    ExternalIdentity,
    User,
)
from rules.models import Rule, RuleVersion
from tests.factories import EnvironmentFactory, ProjectFactory, RuleFactory, UserFactory

pytestmark = pytest.mark.django_db

GOES_ALONG: Final[dict[tuple[type[models.Model], type[models.Model]], str]] = {
    (Environment, ProjectEnvironment): "change_project",
    (Environment, RetentionPolicy): "delete_retention",
    (Environment, EnvironmentUserGrant): "grant",
    (Environment, EnvironmentGroupGrant): "grant",
    (Rule, RetentionPolicy): "delete_retention",
    (Group, EnvironmentGroupGrant): "grant",
    (User, EnvironmentUserGrant): "grant",
    (User, ApiToken): "delete_token",
    (User, ExternalIdentity): "delete_identity",
}
"""What goes with something else, and the action of its own record."""

PARTS: Final[set[tuple[type[models.Model], type[models.Model]]]] = {
    (Project, ProjectEnvironment), (Rule, RuleVersion), (Schedule, ScheduleRun), (Semaphore, SemaphoreRequest),
    (Subscription, Delivery), (Group, User.groups.through), (Group, Group.permissions.through),
    (User, User.groups.through), (User, User.user_permissions.through),
}  # fmt: skip
"""What is a part or the history of the thing, whose own record is enough."""

NOBODYS: Final = {
    "deployment", "creationrequest", "idempotencykey", "delivery", "mailchoice", "savedview",
    "groupobjectpermission", "userobjectpermission", "usualview", "logentry",
}  # fmt: skip
"""Names of what programs keep, of what people keep for themselves, and of tables that are never filled: no configuration."""


def test_all_that_goes_with_something_is_either_recorded_or_a_part_of_it() -> None:
    owners = (
        Environment,
        Project,
        Rule,
        Group,
        User,
        Nature,
        Schedule,
        Semaphore,
        Subscription,
        RetentionPolicy,
    )
    found = {
        (owner, relation.related_model)
        for owner in owners
        for relation in owner._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ForeignObjectRel)
        and getattr(relation, "on_delete", None) is models.CASCADE
    }
    unknown = {pair for pair in found - set(GOES_ALONG) - PARTS if pair[1]._meta.model_name not in NOBODYS}
    assert (unknown, set(GOES_ALONG) - found, PARTS - found) == (set(), set(), set())


@pytest.mark.parametrize(
    ("owner", "along"),
    GOES_ALONG,
    ids=lambda model: str(model.__name__).lower(),
)
def test_what_goes_along_has_a_record_of_its_own(
    owner: type[models.Model], along: type[models.Model]
) -> None:
    environment, rule = EnvironmentFactory.create(code="PROD"), RuleFactory.create()
    ana, ops = UserFactory.create(username="ana"), Group.objects.create(name="ops")
    rows: dict[type[models.Model], Any] = {Environment: environment, Rule: rule, User: ana, Group: ops}
    make: dict[type[models.Model], Callable[[], Any]] = {
        ProjectEnvironment: lambda: ProjectEnvironment.objects.create(
            project=ProjectFactory.create(), environment=environment, variables={"a": 1}
        ),
        RetentionPolicy: lambda: RetentionPolicy.objects.create(
            removes="log", keep_days=1, **{str(owner._meta.model_name): rows[owner]}
        ),
        EnvironmentUserGrant: lambda: policy.grant(ana, Right.CANCEL, environment),
        EnvironmentGroupGrant: lambda: policy.grant(ops, Right.CANCEL, environment),
        ApiToken: lambda: tokens.issue(ana, name="ci"),
        ExternalIdentity: lambda: ExternalIdentity.objects.create(user=ana, issuer="p", subject="s"),
    }
    make[along]()
    with acting_as(COMMAND), transaction.atomic(), together():
        rows[owner].delete()
    assert not along._base_manager.exists()
    assert sorted(AuditRecord.objects.values_list("action", flat=True)) == sorted(
        [f"delete_{owner._meta.model_name}", GOES_ALONG[owner, along]]
    )
