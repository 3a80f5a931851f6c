"""A job's life in this process: made from a few lines of a rule, led by the real runner, daemon and actions."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from jobs import runner
from jobs.actions.base import available, every_action
from jobs.audit import Actor
from jobs.lifecycle import Event
from jobs.log.reader import read_entries
from jobs.models import Job, OperationRun
from permissions.catalog import Right
from permissions.models import Environment, User
from rules import selectors
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    RuleFactory,
    UserFactory,
    grant,
    happen,
)


@dataclass
class Cast:
    """Who takes part: each holds the rights that the name says in one environment."""

    environment: Environment = field(default_factory=lambda: EnvironmentFactory.create(code="PROD"))
    qa: Group = field(default_factory=lambda: GroupFactory.create(name="qa"))
    people: dict[str, User] = field(default_factory=dict)

    def __getitem__(self, name: str) -> User:
        """Return a person; made when first named."""
        if name not in self.people:
            user = self.people[name] = UserFactory.create(username=name)
            rights = {"boss": set(Right), "op": {Right.RESTART, Right.CANCEL, Right.DELETE}}.get(name, set())
            grant(user, Right.VIEW_MONITOR, *(rights - {Right.VIEW_MONITOR}), environments=[self.environment])
            if name.startswith("qa"):
                user.groups.add(self.qa)
        return self.people[name]

    def job(self, steps: str, **fields: Any) -> Job:
        """Return a new job, created by ``ana``, after its INIT."""
        source = "name: {slug}\nsteps:\n" + textwrap.indent(textwrap.dedent(steps).strip(), "  ") + "\n"
        rule = RuleFactory.create(source=source)
        options = {"environment": self.environment, "created_by": self["ana"], **fields}
        job: Job = JobFactory.create(rule=rule, **options)
        happen(job, Event.STEP_OK, now=job.created_at)
        Job.objects.filter(pk=job.pk).update(rule_pins=selectors.pins(job.rule_version_id))
        return fresh(job)

    def do(self, job: Job, name: str, key: str, *, now: datetime | None = None, **params: Any) -> Job:
        """Let a person do something to a job."""
        actor = Actor(self[name], "api", "127.0.0.1")
        return every_action()[key].execute(job.pk, actor=actor, now=now or timezone.now(), **params)

    def may(self, job: Job, name: str) -> set[str]:
        """Return what a person may do with a job now."""
        return set(available(fresh(job), self[name], now=timezone.now()))


def fresh(job: Job) -> Job:
    """Return the job as it is in the database."""
    return Job.objects.get(pk=job.pk)


def work(job: Job) -> Job:
    """Let a worker take whatever is due, in this process, and return the job as it is then."""
    while (due := runner.take_due("test")) is not None:
        runner.run(due)
    return fresh(job)


def state(job: Job) -> tuple[str, str]:
    """Return step and status as they are in the database."""
    found = fresh(job)
    return found.step, found.status


def lines(job: Job) -> list[str]:
    """Return the texts of the whole log that operations wrote."""
    return [entry.text for entry in read_entries(job.pk, limit=5000).entries if entry.operation]


def statuses(job: Job) -> dict[str, str]:
    """Return the status of each operation of the present attempt, by path."""
    runs = OperationRun.objects.filter(job=job, attempt=fresh(job).attempt).order_by("id")
    return dict(runs.values_list("path", "status"))


def pass_time(job: Job, seconds: float) -> None:
    """Let time go by for a job: all that is planned for it comes nearer."""
    past = timedelta(seconds=seconds)
    found = fresh(job)
    Job.objects.filter(pk=job.pk).update(
        scheduled_at=found.scheduled_at - past, max_start_at=found.max_start_at - past
    )
    Job.objects.filter(pk=job.pk, due_at__isnull=False, step="RUN").update(due_at=found.scheduled_at - past)
    for trap in found.traps.filter(deadline__isnull=False):
        trap.deadline = trap.deadline - past if trap.deadline else None
        trap.save()
