"""What people do with schedules: see whether one could create its job, and let it come by hand."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from jobs import dispatch
from jobs.actions.create import make_plan, mistakes_in_words
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.models import AuditRecord, Schedule, ScheduleRun
from jobs.wishes import Wish
from permissions import policy
from permissions.catalog import Right


def wish_of(schedule: Schedule, *, due_at: datetime, now: datetime) -> Wish:
    """Return the job that ``schedule`` asks for, of the time ``due_at``; a date that has passed meanwhile means now."""
    begins = None if schedule.delay is None else due_at + schedule.delay
    return Wish(
        rule=schedule.rule.slug,
        environment=schedule.environment.code,
        project=schedule.project.code if schedule.project else None,
        type=schedule.type,
        revisions=tuple(schedule.revisions),
        scheduled_at=begins if begins is not None and begins > now else None,
        urgent=schedule.urgent,
        comment=schedule.comment,
        variables=schedule.variables,
    )


def check(schedule: Schedule, *, now: datetime) -> None:
    """Do nothing when the owner could create the job; whether its refs are there is seen when it runs.

    Raises:
        InvalidInput: With all that is wrong, by field.
        RightMissing: The owner may not create jobs there.
    """
    actor = Actor(schedule.owner, AuditRecord.Source.DAEMON.value)
    make_plan(wish_of(schedule, due_at=now, now=now), actor, now)


def check_words(schedule: Schedule, *, now: datetime) -> None:
    """Do nothing when the template can be kept, whoever owns it.

    Raises:
        InvalidInput: With all that is wrong, by field.
    """
    errors = mistakes_in_words(wish_of(schedule, due_at=now, now=now))
    if schedule.revisions and schedule.project is None:
        errors["project"] = ["Revisions need a project."]
    if errors:
        raise InvalidInput(errors)


def run_now(schedule: Schedule, *, actor: Actor, now: datetime) -> ScheduleRun:
    """Let the schedule come now, in the name of who asks; the run says later what came of it.

    Raises:
        EnvironmentHidden: The actor may not see the environment.
        RightMissing: The actor may not create jobs there.
    """
    policy.require(actor.user, Right.CREATE, schedule.environment)
    run = ScheduleRun.objects.create(
        schedule=schedule, due_at=now, by_hand=True, asked_by=actor.user, look_at=now
    )
    transaction.on_commit(dispatch.send_schedules_hint)
    return run
