"""The worker's side of schedules: each time at which one comes becomes a run, and each run a job or a reason why there is none.

Clocks only hint. A run comes into being in the transaction that moves the schedule's ``next_run_at`` on, under its lock; it is
settled in the transaction that makes its job. So two clocks, a hint that comes twice and a worker that dies in between
make one job for one time. Runs of one schedule are taken one after the other.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, Q

from jobs import creation
from jobs.actions import schedules as templates
from jobs.actions.create import request_for
from jobs.audit import Actor
from jobs.exceptions import AskerGone, CheckFailed, JobError, RevisionInActiveJob
from jobs.lifecycle import ENDED
from jobs.models import AuditRecord, CreationRequest, Job, Schedule, ScheduleRun
from jobs.recurrence import choose, due
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import PermissionsError, RightMissing

logger = logging.getLogger(__name__)

State = CreationRequest.State
Result = ScheduleRun.Result

MOST_KEPT: Final = 100
MOST_TRIES: Final = 3
MOST_AT_ONCE: Final = 50
_MARGIN: Final = timedelta(seconds=5)
"""How long after its deadline a request is given up, so that the worker that has it may say so first."""

_ENDED_VALUES: Final = sorted(status.value for status in ENDED)
_ACTIVE_JOB: Final = Q(job__isnull=False) & ~Q(job__status__in=_ENDED_VALUES)


def serve(worker: str) -> int:
    """Create the jobs of all schedules that have come; return how many runs were taken up."""
    while claim_due(_clock()):
        pass
    taken = 0
    while taken < MOST_AT_ONCE and (request := take(_clock())) is not None:
        taken += 1
        if isinstance(request, CreationRequest):
            _create(request, worker)
    return taken


def claim_due(now: datetime) -> bool:
    """Make runs of what has come due of one schedule; return ``False`` when none has, or others are at it."""
    with transaction.atomic():
        waiting = Schedule.objects.select_for_update(skip_locked=True, no_key=True)
        schedule = waiting.filter(next_run_at__lte=now).order_by("next_run_at", "id").first()
        if schedule is None or schedule.next_run_at is None:
            return False
        try:
            found = due(schedule.timing, schedule.next_run_at, now)
        except (ValueError, OverflowError, ZoneInfoNotFoundError) as error:
            _stop(schedule, f"Its times cannot be worked out: {error}", now)
            return True
        choice = choose(found, schedule.catch_up, now)
        runs = [ScheduleRun(schedule=schedule, due_at=moment, look_at=now) for moment in choice.runs]
        if choice.missed is not None:
            said = _missed(choice.missed_count, found.first, choice.missed)
            runs.insert(0, ScheduleRun(
                schedule=schedule, due_at=choice.missed, result=Result.SKIPPED, message=said, at=now
            ))  # fmt: skip
        # One that is there already, since the database's clock was set back, is not run again.
        ScheduleRun.objects.bulk_create(runs, ignore_conflicts=True)
        Schedule.objects.filter(pk=schedule.pk).update(next_run_at=found.next_at)
        _forget_old(schedule.pk)
    return True


def _stop(schedule: Schedule, why: str, now: datetime) -> None:
    """Let a schedule not come again until somebody saves it."""
    ScheduleRun.objects.bulk_create(
        [ScheduleRun(schedule=schedule, due_at=now, result=Result.FAILED, message=why, at=now)]
    )
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=None)


def take(now: datetime) -> CreationRequest | ScheduleRun | None:
    """Take the next run that waits.

    Returns:
        A request to serve, the run when it is settled without one, or ``None`` when there is nothing to do.
    """
    with transaction.atomic():
        run = _next(now)
        if run is None:
            return None
        earlier = run.requests.exclude(state=State.ABANDONED).first()
        if earlier is not None and not _is_given_up(earlier):
            # Its worker died before it could say so. A job would have settled the run in its own transaction.
            settle(run, Result.REFUSED, _said(earlier.refusal), now)
            return run
        if run.tries >= MOST_TRIES:
            settle(run, Result.FAILED, f"No worker finished it in {MOST_TRIES} tries.", now)
            return run
        return _ask(run, now)


def settle(run: ScheduleRun, result: ScheduleRun.Result, message: str, now: datetime) -> None:
    """Note what came of a run, unless that is known already."""
    waiting = ScheduleRun.objects.filter(pk=run.pk, look_at__isnull=False)
    waiting.update(result=result, message=message, at=now, look_at=None)


def _next(now: datetime) -> ScheduleRun | None:
    """Return the next run, locked together with its schedule, so that no other one of the schedule is taken meanwhile."""
    others = ScheduleRun.objects.filter(look_at__isnull=False, schedule=OuterRef("schedule"))
    ahead = others.filter(Q(id__lt=OuterRef("id")) | Q(tries__gt=0)).exclude(id=OuterRef("id"))
    run = (
        ScheduleRun.objects.select_for_update(skip_locked=True, no_key=True, of=("self", "schedule"))
        .select_related("schedule__owner", "schedule__rule", "schedule__environment", "schedule__project")
        .select_related("asked_by")
        .filter(~Exists(ahead), look_at__lte=now)
        .order_by("look_at", "id")
        .first()
    )
    if run is None:
        return None
    # Looked at again under the lock: whoever had it before may have taken another one.
    in_work = ScheduleRun.objects.filter(schedule=run.schedule_id, look_at__isnull=False, tries__gt=0)
    return None if in_work.exclude(pk=run.pk).exists() else run


def _is_given_up(request: CreationRequest) -> bool:
    """Give up a request whose time is over; afterwards no worker can make a job of it."""
    unanswered = CreationRequest.objects.filter(pk=request.pk, state__in=(State.ASKED, State.CHECKING))
    if unanswered.update(state=State.ABANDONED):
        return True
    request.refresh_from_db()
    return False


class _NoJob(Exception):
    """There is to be no job of a run."""

    def __init__(self, result: ScheduleRun.Result, message: str) -> None:
        super().__init__(message)
        self.result, self.message = result, message


def _ask(run: ScheduleRun, now: datetime) -> CreationRequest | ScheduleRun:
    """Make the request for the run's job, or settle it when there is to be none."""
    try:
        request = _request(run, run.schedule, now)
    except _NoJob as reason:
        settle(run, reason.result, reason.message, now)
        return run
    request.schedule_run = run
    request.save(force_insert=True)
    ScheduleRun.objects.filter(pk=run.pk).update(tries=run.tries + 1, look_at=request.deadline + _MARGIN)
    return request


def _request(run: ScheduleRun, schedule: Schedule, now: datetime) -> CreationRequest:
    user = run.asked_by if run.by_hand else schedule.owner
    if user is None:
        raise _NoJob(Result.REFUSED, "Who asked for it is gone.")
    code = schedule.environment.code
    if not policy.can(user, Right.CREATE, schedule.environment):
        raise _NoJob(Result.REFUSED, f"{user.get_username()} may not create jobs in {code}.")
    active = _active_job(schedule) if schedule.overlap == Schedule.Overlap.SKIP else None
    if active is not None:
        raise _NoJob(Result.SKIPPED, f"The job {active.name} of this schedule is active.")
    source = AuditRecord.Source.ADMIN if run.by_hand else AuditRecord.Source.DAEMON
    actor = Actor(user, source.value, f"schedule {schedule.name}")
    try:
        wish = templates.wish_of(schedule, due_at=run.due_at, now=now)
        return request_for(wish, actor, now, uuid.uuid4())
    except (JobError, PermissionsError) as error:
        raise _NoJob(Result.REFUSED, str(error)) from error
    except DatabaseError:
        raise
    except Exception as error:  # a defect is not to stop the other schedules
        logger.exception("The run %s of the schedule %s met a defect.", run.pk, schedule.name)
        raise _NoJob(Result.FAILED, f"Internal error: {type(error).__name__}.") from error


def _active_job(schedule: Schedule) -> Job | None:
    run = schedule.runs.filter(_ACTIVE_JOB).select_related("job").first()
    return run.job if run is not None else None


def _create(request: CreationRequest, worker: str) -> None:
    """Serve the request here and now, and note a refusal; a job settles its run by itself."""
    try:
        creation.serve(str(request.pk), worker)
        request.refresh_from_db()
        if request.state == State.REFUSED and request.schedule_run is not None:
            settle(request.schedule_run, Result.REFUSED, _said(request.refusal), _clock())
    except (DatabaseError, CreationRequest.DoesNotExist):
        # Unless the schedule was deleted meanwhile, the run is taken up again once the request's time is over.
        logger.exception("The run %s of a schedule was lost.", request.schedule_run_id)


def _said(refusal: dict[str, Any]) -> str:
    """Return what a worker refused as a sentence, a mistake a line."""
    if refusal["code"] == RevisionInActiveJob.code:
        return str(RevisionInActiveJob(refusal["sha"], refusal["job_id"], refusal["job_name"]))
    if refusal["code"] == AskerGone.code:
        return str(AskerGone())
    if refusal["code"] == RightMissing.code:
        return str(RightMissing(Right(refusal["right"]), refusal["environment"]))
    if refusal["code"] == CheckFailed.code:
        return f"CHECK refused: {refusal['message']}"
    return "\n".join(f"{field}: {' '.join(texts)}" for field, texts in refusal["errors"].items())


def _missed(count: int | None, first: datetime, last: datetime) -> str:
    if count == 1:
        return "Nothing ran at that time."
    often = "Very many" if count is None else str(count)
    return f"{often} runs were missed, from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC."


def _forget_old(schedule_id: int) -> None:
    """Keep the newest runs, those that wait, and those whose job is active: the next one must know of it."""
    runs = ScheduleRun.objects.filter(schedule=schedule_id)
    kept = runs.order_by("-id").values_list("id", flat=True)[MOST_KEPT - 1 : MOST_KEPT]
    runs.filter(id__lt=next(iter(kept), 0), look_at__isnull=True).exclude(_ACTIVE_JOB).delete()


def _clock() -> datetime:
    """Return the database's time, by which all machines agree."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
