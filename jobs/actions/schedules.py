"""What people do with schedules: write them, see whether one could create its job, and let it come by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from jobs import audit, dispatch
from jobs.actions import rows
from jobs.actions.catalogue import note_in_history
from jobs.actions.lookup import make_plan, mistakes_in_words
from jobs.actions.people import NameTaken
from jobs.audit import Actor, Author, together
from jobs.exceptions import InvalidInput
from jobs.models import AuditRecord, Schedule, ScheduleRun
from jobs.wishes import Wish
from permissions import locks, policy
from permissions.catalog import Right

RUN: Final = "run_schedule"
_SHOWN_AT: Final = {"scheduled_at": "delay", "max_start_at": "delay"}
"""Fields of a job, and the fields of a schedule that they come from."""


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


def mistakes(schedule: Schedule, *, now: datetime) -> dict[str, list[str]]:
    """Return why no job could be created of a schedule, by field of it; nothing when one could."""
    if not policy.can(schedule.owner, Right.CREATE, schedule.environment):
        text = gettext("%(user)s may not create jobs in %(environment)s.")
        words = {"user": schedule.owner.get_username(), "environment": schedule.environment.code}
        return {"owner": [text % words]}
    try:
        check(schedule, now=now)
    except InvalidInput as error:
        found: dict[str, list[str]] = {}
        for name, texts in error.errors.items():
            found.setdefault(_SHOWN_AT.get(name, name), []).extend(texts)
        return found
    return {}


def create(schedule: Schedule, actor: Actor, *, now: datetime) -> Schedule:
    """Save a new schedule.

    Raises:
        EnvironmentHidden: The actor may not see its environment.
        RightMissing: The actor may not create jobs there.
        NameTaken: There is one of this name, perhaps in other letters' case.
        InvalidInput: By column, what makes no sense, or no job could be created with.
    """
    policy.require(actor.user, Right.CREATE, schedule.environment)
    with _change():
        if Schedule.objects.filter(name__iexact=schedule.name).exists():
            # By the name that was typed: how the other one is written may be hidden.
            raise NameTaken("name", schedule.name)
        _check_all(schedule, now)
        schedule.save(force_insert=True)
        note_in_history(schedule, actor.user, ADDITION)
    return schedule


def change(schedule: Schedule, values: Mapping[str, Any], actor: Actor, *, now: datetime) -> Schedule:
    """Change some columns of a schedule; letting it come or not come asks for nothing of the job.

    Raises:
        EnvironmentHidden: The actor may not see the environment, the old one or the new one.
        RightMissing: The actor may not create jobs there.
        InvalidInput: As ``create``.
    """
    with _change():
        locked = rows.locked(schedule)
        policy.require(actor.user, Right.CREATE, locked.environment)
        for name, value in values.items():
            setattr(locked, name, value)
        policy.require(actor.user, Right.CREATE, locked.environment)
        if set(values) - {"enabled"}:
            _check_all(locked, now)
        locked.save()
        note_in_history(locked, actor.user, CHANGE)
    return locked


def delete(schedule: Schedule, actor: Actor) -> None:
    """Delete a schedule with the history of its runs; their jobs stay.

    Raises:
        EnvironmentHidden: The actor may not see its environment.
        RightMissing: The actor may not create jobs there.
    """
    policy.require(actor.user, Right.CREATE, schedule.environment)
    with _change():
        schedule = rows.locked_to_delete(schedule)
        note_in_history(schedule, actor.user, DELETION)
        schedule.delete()


@contextmanager
def _change() -> Iterator[None]:
    with transaction.atomic(), together():
        locks.hold()
        yield


def _check_all(schedule: Schedule, now: datetime) -> None:
    try:
        schedule.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise InvalidInput(error.message_dict) from error
    if found := mistakes(schedule, now=now):
        raise InvalidInput(found)


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

    The decision has its record at once: there may never be a job to have one, and runs go with their schedule.

    Raises:
        EnvironmentHidden: The actor may not see the environment.
        RightMissing: The actor may not create jobs there.
    """
    with transaction.atomic():
        schedule = rows.locked(schedule)
        policy.require(actor.user, Right.CREATE, schedule.environment)
        run = ScheduleRun.objects.create(
            schedule=schedule, due_at=now, by_hand=True, asked_by=actor.user, look_at=now
        )
        author = Author(actor.user.get_username(), actor.source, actor.address)
        code = schedule.environment.code
        audit.record_setting(author, RUN, now=now, environment=code, comment=schedule.name)
        transaction.on_commit(dispatch.send_schedules_hint)
    return run
