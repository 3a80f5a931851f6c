"""Rows for tests.

A job reaches its state along the table, by ``jobs.transitions``, never by writing a status.
"""
# The declarations of factory-boy carry no types.
# mypy: disable-error-code="no-untyped-call,untyped-decorator"

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory
from factory.helpers import post_generation

from jobs import transitions
from jobs.lifecycle import FIRST, Event, State, Status, Step
from jobs.models import Job, JobNature, JobRevision, Nature, Project, Schedule
from jobs.transitions import Change, Claim
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.actions.publish_rule import publish_rule
from rules.models import Rule, RuleVersion

PASSWORD: Final = "correct-horse-battery"
RULE_SOURCE: Final = """\
name: {slug}
description: A rule of the tests
steps:
  PRE:
    - log: Builds
      id: build
  RUN:
    - log: Deploys
      id: deploy
      name: Deploy it
  POST:
    - log: Tells
"""

_LEASE: Final = timedelta(seconds=15)
_TO_PRE: Final = (Event.STEP_OK,)
_IN_PRE: Final = (*_TO_PRE, Event.START)
_TO_RUN: Final = (*_IN_PRE, Event.STEP_OK)
_IN_RUN: Final = (*_TO_RUN, Event.START)
_TO_POST: Final = (*_IN_RUN, Event.STEP_OK)
_IN_POST: Final = (*_TO_POST, Event.START)

PATHS: Final[dict[State, tuple[Event, ...]]] = {
    FIRST: (),
    State(Step.INIT, Status.ABEND): (Event.ABANDON,),
    State(Step.PRE, Status.READY): _TO_PRE,
    State(Step.PRE, Status.RUNNING): _IN_PRE,
    State(Step.PRE, Status.PENDING_APPROVAL): (*_IN_PRE, Event.AWAIT_APPROVAL),
    State(Step.PRE, Status.TRAPPED): (*_IN_PRE, Event.TRAP),
    State(Step.PRE, Status.ABEND): (*_IN_PRE, Event.ABANDON),
    State(Step.RUN, Status.READY): _TO_RUN,
    State(Step.RUN, Status.RUNNING): _IN_RUN,
    State(Step.RUN, Status.EXPIRED): (*_TO_RUN, Event.EXPIRE),
    State(Step.RUN, Status.CANCELLED): (*_TO_RUN, Event.CANCEL),
    State(Step.RUN, Status.PENDING_APPROVAL): (*_IN_RUN, Event.AWAIT_APPROVAL),
    State(Step.RUN, Status.REJECTED): (*_IN_RUN, Event.AWAIT_APPROVAL, Event.REJECT),
    State(Step.RUN, Status.TRAPPED): (*_IN_RUN, Event.TRAP),
    State(Step.RUN, Status.TRAP_PAUSED): (*_IN_RUN, Event.TRAP, Event.PAUSE),
    State(Step.RUN, Status.ROLLBACK): (*_IN_RUN, Event.UNDO),
    State(Step.RUN, Status.ABEND): (*_IN_RUN, Event.ABANDON),
    State(Step.POST, Status.READY): _TO_POST,
    State(Step.POST, Status.RUNNING): _IN_POST,
    State(Step.END, Status.FINISHED): (*_IN_POST, Event.STEP_OK),
    State(Step.END, Status.ERROR): (*_IN_RUN, Event.FAIL, Event.START, Event.STEP_OK),
}
"""How a new job gets to each state."""


def moment(text: str = "2026-03-01T10:00") -> datetime:
    """Return an aware time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@functools.cache
def hashed(password: str) -> str:
    """Return the hash of ``password``, made once: hashing is slow on purpose."""
    return make_password(password)


class UserFactory(DjangoModelFactory[User]):
    """A person who may sign in with ``PASSWORD`` and holds no right."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda number: f"user{number}")
    email = LazyAttribute(lambda user: f"{user.username}@example.org")

    @classmethod
    def _create(cls, model_class: type[User], *_args: Any, **fields: Any) -> User:
        password = hashed(fields.pop("password", PASSWORD))
        return model_class.objects.create(password=password, **fields)


class GroupFactory(DjangoModelFactory[Group]):
    """A group of users."""

    class Meta:
        model = Group

    name = Sequence(lambda number: f"group{number}")


class EnvironmentFactory(DjangoModelFactory[Environment]):
    """An environment."""

    class Meta:
        model = Environment

    code = Sequence(lambda number: f"ENV{number}")
    name = LazyAttribute(lambda environment: f"Environment {environment.code}")
    position = Sequence(int)


class ProjectFactory(DjangoModelFactory[Project]):
    """A project without a repository."""

    class Meta:
        model = Project

    code = Sequence(lambda number: f"project{number}")
    name = LazyAttribute(lambda project: f"Project {project.code}")


class NatureFactory(DjangoModelFactory[Nature]):
    """A nature that matches Python files."""

    class Meta:
        model = Nature

    code = Sequence(lambda number: f"nature{number}")
    name = LazyAttribute(lambda nature: f"Nature {nature.code}")
    include = LazyFunction(lambda: ["*.py"])


class RuleFactory(DjangoModelFactory[Rule]):
    """A published rule; ``source`` may say ``{slug}`` where its name stands."""

    class Meta:
        model = Rule

    slug = Sequence(lambda number: f"rule-{number}")
    source = RULE_SOURCE

    @classmethod
    def _create(cls, model_class: type[Rule], *_args: Any, **fields: Any) -> Rule:
        return publish(fields["source"].replace("{slug}", fields["slug"])).rule


def publish(source: str) -> RuleVersion:
    """Publish ``source`` as the next version of the rule it names."""
    version, _ = publish_rule(source=source, author=None, comment="", now=timezone.now())
    return version


class ScheduleFactory(DjangoModelFactory[Schedule]):
    """A schedule that comes each hour; ``owner`` holds no right."""

    class Meta:
        model = Schedule

    name = Sequence(lambda number: f"schedule{number}")
    owner = SubFactory(UserFactory)
    rule = SubFactory(RuleFactory)
    environment = SubFactory(EnvironmentFactory)
    cron = "0 * * * *"
    time_zone = "UTC"


class JobFactory(DjangoModelFactory[Job]):
    """A job at INIT / running, as CHECK leaves it; ``JobFactory.at("RUN", "ready")`` leads it further.

    Pass ``revisions=["v1.0.0"]`` for refs (a commit is made up for each that comes without, as in ``("v1.0.0", sha)``) and
    ``natures=[nature]``.
    With ``project=None`` it has no revisions.
    """

    class Meta:
        model = Job
        skip_postgeneration_save = True

    name = Sequence(lambda number: f"N.TEST-{number:08d}")
    rule = SubFactory(RuleFactory)
    rule_version = LazyAttribute(lambda job: job.rule.versions.order_by("-number").first())
    environment = SubFactory(EnvironmentFactory)
    project = SubFactory(ProjectFactory)
    status = FIRST.status.value
    step = FIRST.step.value
    created_by = SubFactory(UserFactory)
    created_at = LazyFunction(timezone.now)
    scheduled_at = SelfAttribute("created_at")
    max_start_at = LazyAttribute(lambda job: job.scheduled_at + timedelta(days=1))
    claim = LazyFunction(uuid.uuid4)
    claimed_by = "test"
    lease_expires_at = LazyAttribute(lambda job: job.created_at + _LEASE)
    operations_expected = 3

    @post_generation
    def revisions(self: Job, create: bool, refs: list[str | tuple[str, str]] | None, **_extra: Any) -> None:
        """Give the job its revisions, one by default."""
        if not create or self.project is None:
            return
        for position, each in enumerate(["v1.0.0"] if refs is None else refs):
            ref, sha = each if isinstance(each, tuple) else (each, uuid.uuid4().hex + "0" * 8)
            JobRevision.objects.create(
                job=self,
                position=position,
                ref=ref,
                sha=sha,
                project=self.project,
                environment=self.environment,
            )

    @post_generation
    def natures(self: Job, create: bool, found: Iterable[Nature] | None, **_extra: Any) -> None:
        """Give the job its natures, none by default."""
        if create:
            JobNature.objects.bulk_create(JobNature(job=self, nature=nature) for nature in found or ())

    @classmethod
    def at(cls, step: str, status: str, *, now: datetime | None = None, **fields: Any) -> Job:
        """Return a job that went all the way to ``step`` / ``status``; ``now`` is when all of it happened."""
        when = now or fields.get("created_at") or timezone.now()
        job = cls.create(**{"created_at": when, **fields})
        for event in PATHS[State(Step(step), Status(status))]:
            job = happen(job, event, now=when)
        return Job.objects.get(pk=job.pk)


def happen(job: Job, event: Event, *, now: datetime | None = None, **fields: Any) -> Job:
    """Let ``event`` happen to ``job``; START takes a claim as a worker does."""
    when = now or timezone.now()
    claim = Claim(uuid.uuid4(), "test", _LEASE) if event is Event.START else None
    with transaction.atomic():
        return transitions.apply(
            transitions.lock(job.pk), Change(event=event, now=when, claim=claim, fields=fields)
        )


def user_with(*rights: Right | str, environments: Iterable[Environment] | None = None, **fields: Any) -> User:
    """Return a user who holds ``rights`` on ``environments``, on all of them when ``None``."""
    user = UserFactory.create(**fields)
    grant(user, *rights, environments=environments)
    return user


def grant(
    principal: User | Group, *rights: Right | str, environments: Iterable[Environment] | None = None
) -> None:
    """Grant ``rights`` on ``environments``, on all of them when ``None``, beside what is granted there."""
    wanted = frozenset(Right(right) for right in rights)
    for environment in [None] if environments is None else environments:
        # Together: each change takes a lock, reads what was granted and leaves a record.
        policy.set_rights(principal, environment, wanted | policy.granted_on(principal, environment))
