"""One tick of the daemon: jobs that are due and forgotten, that expired, and whose worker is gone.

Every tick takes an advisory lock and is right with any other running beside it. It reads through partial indexes over waiting and
claimed jobs alone, so its cost does not grow with history, and the number of its queries does not grow with anything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from jobs import answers, audit, dispatch, semaphores, transitions, waits
from jobs.exceptions import JobError
from jobs.idempotency import forget_idempotency_keys
from jobs.lifecycle import Event, Status
from jobs.log.writer import append_entry
from jobs.models import CreationRequest, DaemonState, Job
from jobs.notifications import due
from jobs.runner import lease
from jobs.stream.retention import forget_events
from jobs.transitions import Change

logger = logging.getLogger(__name__)

ADVISORY_LOCK: Final = 0x636C61726976
MOST_PER_TICK: Final = 200
_KEEP_REQUESTS: Final = timedelta(hours=1)
_CLOCK: Final = "SELECT clock_timestamp()"
_SIGN_OF_LIFE: Final = """
INSERT INTO jobs_daemonstate AS state (id, ticked_at, steady_since, seconds) VALUES (1, %(now)s, %(now)s, 0)
ON CONFLICT (id) DO UPDATE SET ticked_at = excluded.ticked_at, steady_since = CASE
    WHEN state.ticked_at > %(since)s THEN state.steady_since ELSE excluded.ticked_at END
RETURNING steady_since
"""
_HAS_COME: Final = """
SELECT EXISTS (SELECT FROM jobs_schedule WHERE next_run_at <= %(now)s)
    OR EXISTS (SELECT FROM jobs_schedulerun WHERE look_at <= %(now)s),
    NOT EXISTS (SELECT FROM jobs_retentionstate WHERE next_at > %(now)s)
"""
"""Whether schedules have, and whether it is time to look for what is kept no longer."""


def tick() -> bool:
    """Do one round; return ``False`` when another daemon is at it."""
    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
        row = cursor.fetchone()
        if not row[0]:
            return False
        try:
            cursor.execute(_CLOCK)
            moment: datetime = cursor.fetchone()[0]
            steady_since = _sign_of_life(moment)
            _abandon(moment, steady_since)
            _expire(moment)
            _answer_traps(moment)
            semaphores.grant_freed()
            _hint(moment)
            _hint_by_the_clock(moment)
            _hint_notices(moment)
            _forget_requests(moment)
            forget_idempotency_keys(moment)
            forget_events(moment)
            due.forget(moment)
            DaemonState.objects.filter(pk=1).update(seconds=time.perf_counter() - begun)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
    return True


def _sign_of_life(moment: datetime) -> datetime:
    """Note this tick; return since when the daemon has ticked without a gap as long as a third of a lease."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGN_OF_LIFE, {"now": moment, "since": moment - _gap()})
        steady: datetime = cursor.fetchone()[0]
    return steady


def _gap() -> timedelta:
    """Return how long a pause ends the daemon's steadiness.

    A runner that just missed its renewal when the pause began must be heard again before its lease runs out: a third of the
    lease has passed then, another third in the pause, and the last one is left for it to come back.
    """
    return max(lease() / 3, timedelta(seconds=3 * settings.CLARIVE_TICK_SECONDS))


def _abandon(moment: datetime, steady_since: datetime) -> None:
    """Declare dead whose lease ran out, once the daemon was steady for a lease: in a gap nobody could renew."""
    if moment - steady_since < lease():
        return
    lost = Job.objects.filter(claim__isnull=False, lease_expires_at__lt=moment).order_by("id")
    _each(lost, lambda job: _abandon_one(job, moment))


def _expire(moment: datetime) -> None:
    late = Job.objects.filter(
        status__in=("ready", "pending_approval"),
        run_began_at=None,
        step__in=("PRE", "RUN"),
        max_start_at__lt=moment,
    )
    _each(late.order_by("max_start_at"), _expire_one)


def _answer_traps(moment: datetime) -> None:
    """Answer, as its rule says, every trap whose time ran out."""
    _each_of(waits.due_traps(moment)[:MOST_PER_TICK], _answer_one)


def _each(jobs: QuerySet[Job], treat: Callable[[Job], None]) -> None:
    _each_of(list(jobs.values_list("id", flat=True)[:MOST_PER_TICK]), treat)


def _each_of(job_ids: Iterable[int], treat: Callable[[Job], None]) -> None:
    """Treat each job in a transaction of its own; what goes wrong with one of them stops none of the others."""
    for job_id in job_ids:
        try:
            with transaction.atomic():
                job = transitions.lock_if_free(job_id)
                if job is not None:
                    treat(job)
        except (DatabaseError, JobError):
            logger.exception("The daemon could not treat job %s.", job_id)


def _abandon_one(job: Job, moment: datetime) -> None:
    if job.claim is None or job.lease_expires_at is None or job.lease_expires_at >= moment:
        return
    if job.clock - moment >= _gap():
        return  # this very tick stood still, and perhaps everybody with it: the next one sees the gap
    reason = f"The worker {job.claimed_by} is gone: its lease ran out at {job.lease_expires_at:%H:%M:%S} UTC."
    before, step = job.status, job.step
    transitions.apply(job, Change(Event.ABANDON, job.clock, reason=reason))
    _note(job, "abandon", before, step, "error", reason)
    logger.warning("Job %s: %s", job.name, reason)


def _expire_one(job: Job) -> None:
    may_expire = job.status in {Status.READY, Status.PENDING_APPROVAL} and job.run_began_at is None
    if not may_expire or job.max_start_at >= job.clock:
        return
    reason = f"It had not begun RUN by its max start date, {job.max_start_at:%Y-%m-%d %H:%M:%S} UTC."
    before, step = job.status, job.step
    transitions.apply(job, Change(Event.EXPIRE, job.clock, reason=reason))
    _note(job, "expire", before, step, "warning", reason)


def _answer_one(job: Job) -> None:
    trap = waits.open_trap(job)
    if trap is None or trap.deadline is None or trap.deadline > job.clock:
        return
    before, step = job.status, job.step
    answer = answers.let_time_run_out(job, trap, job.clock)
    _note(job, answer.value, before, step, "warning", f"The trap's time ran out: {answer.value}.")


def _note(job: Job, action: str, before: str, step: str, level: str, text: str) -> None:
    """Leave the audit record of a decision, and a line in the log."""
    audit.record_of_daemon(action, job, now=job.clock, from_status=before, comment=text)
    append_entry(job.pk, job.attempt, step, level, text)


def _hint(moment: datetime) -> None:
    """Hint again while due jobs wait and no hint does: the broker may have lost what was sent."""
    due = Job.objects.filter(due_at__lte=moment)[: settings.CLARIVE_WORKERS].values_list("id", flat=True)
    count = len(due)
    if count == 0:
        return
    waiting = dispatch.waiting_hints()
    for _ in range(max(0, count - (waiting or 0))):
        dispatch.send_work_hint()


def _hint_by_the_clock(moment: datetime) -> None:
    """Hint while a schedule has come, or a run of one waits, and while old jobs may go.

    Whoever gets the hint creates the jobs, which may take a while, or removes some, for a fifth of a second.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HAS_COME, {"now": moment})
        schedules_have_come, something_may_go = cursor.fetchone()
    if schedules_have_come:
        dispatch.send_schedules_hint()
    if something_may_go:
        dispatch.send_retention_hint()


def _hint_notices(moment: datetime) -> None:
    """Hint while there is something to tell: the broker may have lost what was sent, and retries have nobody else."""
    if due.are_due(moment):
        dispatch.send_notices_hint()


def _forget_requests(moment: datetime) -> None:
    CreationRequest.objects.filter(created_at__lt=moment - _KEEP_REQUESTS).delete()
