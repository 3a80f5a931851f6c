"""The runner: takes a due job, runs its steps as far as they may go now, and says how each ended."""

from __future__ import annotations

import logging
import traceback
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from jobs import dispatch, transitions
from jobs.exceptions import JobDefect, StaleClaim
from jobs.execution import checkpoints, draining, naming
from jobs.execution.checkpoints import Runner
from jobs.execution.database import retrying
from jobs.execution.host import Goal, JobHost
from jobs.execution.leases import LeaseKeeper
from jobs.lifecycle import RUNNER_STATUSES, Event, Status, Step
from jobs.log.writer import LogWriter
from jobs.models import Job
from jobs.transitions import Change, Claim
from rules import selectors as rule_selectors
from rules.engine.call import Deadline
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, HandedOver, StepOutcome

logger = logging.getLogger(__name__)

_DUE: Final = """
SELECT id FROM jobs_job
WHERE due_at <= clock_timestamp()
    AND NOT (status = 'ready' AND step = 'RUN' AND run_began_at IS NULL AND max_start_at < clock_timestamp())
ORDER BY urgent DESC, due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_HAND_OVER: Final = """
UPDATE jobs_job SET claim = NULL, claimed_by = '', lease_expires_at = NULL, due_at = clock_timestamp()
WHERE id = %s AND claim = %s
"""
_TAKE_OVER: Final = """
UPDATE jobs_job SET claim = %s, claimed_by = %s, lease_expires_at = clock_timestamp() + make_interval(secs =>
%s), due_at = NULL WHERE id = %s
"""


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


def lease() -> timedelta:
    """Return how long a claim lasts without renewal."""
    return timedelta(seconds=settings.CLARIVE_LEASE_SECONDS)


def work(worker: str) -> int:
    """Run due jobs until none is left or the worker is told to stop; return how many were taken.

    Args:
        worker: Name of the worker process, shown to people.
    """
    taken = 0
    while not draining.is_draining() and (job := take_due(worker)) is not None:
        run(job)
        taken += 1
    return taken


def take_due(worker: str) -> Job | None:
    """Claim the next due job, urgent ones first, or return ``None``. Two workers never get the same one."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_DUE)
            row = cursor.fetchone()
        if row is None:
            return None
        job = transitions.lock(row[0])
        claim = Claim(uuid.uuid4(), worker, lease())
        if Status(job.status) in RUNNER_STATUSES:
            with connection.cursor() as cursor:
                cursor.execute(_TAKE_OVER, [claim.token, worker, claim.lease.total_seconds(), job.pk])
            job.claim, job.claimed_by = claim.token, worker
            return job
        return transitions.apply(job, Change(Event.START, job.clock, claim=claim))


def run(job: Job) -> None:
    """Run a claimed job, step after step, until it must wait, ends, or is taken away."""
    assert job.claim is not None
    try:
        with LeaseKeeper(job.pk, job.claim, lease()) as keeper:
            following: Job | None = job
            while following is not None:
                following = run_claimed_step(following, keeper)
    except StaleClaim:
        logger.info("Job %s was taken away from its runner.", job.name)


def run_first_step(job: Job, keeper: LeaseKeeper, deadline: Deadline) -> None:
    """Run INIT of a job that was just made, and leave the rest to the workers of jobs.

    Raises:
        StaleClaim: The claim is gone; nothing was written since.
    """
    run_claimed_step(job, keeper, deadline=deadline, go_on=False)


def run_claimed_step(
    job: Job, keeper: LeaseKeeper, *, deadline: Deadline | None = None, go_on: bool = True
) -> Job | None:
    """Run the step a claimed job is at, and return the job when its next step may begin at once, still claimed.

    Raises:
        StaleClaim: The claim is gone; nothing was written since.
    """
    assert job.claim is not None
    with LogWriter(job.pk, job.claim, job.attempt) as log:
        log.entry(job.step, "", "", "info", f"{job.step} runs on {job.claimed_by}.")
        stash = Stash.from_data(job.stash)
        host: JobHost | None = None
        try:
            host = _host(job, keeper, log)
            return _conclude(job, keeper, log, host, _Ending(_walk(job, host, stash, deadline), stash, go_on))
        except StaleClaim:
            keeper.mark_lost()
            raise
        except Exception as error:
            # A defect, ours or a third party's: the job ends in error, and the traceback is in its log.
            return _conclude(job, keeper, log, None, _Ending(_defect(job, log, error), None, go_on))


def _host(job: Job, keeper: LeaseKeeper, log: LogWriter) -> JobHost:
    assert job.claim is not None
    runner = Runner(job.pk, job.claim, job.attempt, job.step)
    goal = Goal(job.operations_expected, job.operations_done, job.percent)
    return JobHost(runner, naming.facts_of(job), goal, keeper, log)


def _walk(job: Job, host: JobHost, stash: Stash, deadline: Deadline | None) -> StepOutcome:
    tree = rule_selectors.linked_tree(job.rule_version_id, job.rule_pins)
    return run_step(tree, job.step, host, stash, deadline=deadline)


def _defect(job: Job, log: LogWriter, error: Exception) -> Failed:
    logger.exception("Job %s met a defect.", job.name)
    for line in traceback.format_exception(error):
        log.entry(job.step, "", "", "error", line.rstrip("\n"))
    return Failed(f"Internal error: {type(error).__name__}: {error}", "")


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a step ended, the stash it left (``None`` keeps the old one), and whether this runner may begin the next one."""

    outcome: StepOutcome
    stash: Stash | None
    go_on: bool


def _farewell(step: str, outcome: StepOutcome) -> str:
    """Return the last line of a step's log."""
    if isinstance(outcome, Failed):
        return f"{step} failed: {outcome.message}"
    if isinstance(outcome, HandedOver):
        return f"The worker was told to stop; another one goes on with {step} from here."
    return f"{step} completed."


def _conclude(
    job: Job, keeper: LeaseKeeper, log: LogWriter, host: JobHost | None, ending: _Ending
) -> Job | None:
    """Write how the step ended together with its last lines and records, and begin the next one when it is due."""
    assert job.claim is not None
    claim = job.claim
    log.end_operation()
    log.entry(
        job.step,
        "",
        "",
        "error" if isinstance(ending.outcome, Failed) else "info",
        _farewell(job.step, ending.outcome),
    )

    tries = count()

    def write() -> Job | None:
        with log.pending() as batch, transaction.atomic():
            if next(tries) and not _is_at(transitions.lock_claimed(job.pk, claim), job):
                # The try before was committed, though its connection broke before we knew.
                return Job.objects.get(pk=job.pk)
            batch.write(connection, claim)
            if host is not None:
                host.write_pending()
            if isinstance(ending.outcome, HandedOver):
                _hand_over(job, claim)
                return None
            locked = transitions.lock_claimed(job.pk, claim)
            transitions.apply(locked, _change(ending.outcome, ending.stash, locked.clock))
            return _begin_next(locked, claim, job.claimed_by) if ending.go_on else None

    return retrying(write, keeper)


def _is_at(locked: Job, job: Job) -> bool:
    return (locked.attempt, locked.step, locked.status) == (job.attempt, job.step, job.status)


def _change(outcome: StepOutcome, stash: Stash | None, moment: datetime) -> Change:
    fields: dict[str, Any] = {} if stash is None else {"stash": checkpoints.storable(stash.to_data())}
    if isinstance(outcome, Completed):
        return Change(Event.STEP_OK, moment, fields=fields)
    if isinstance(outcome, Failed):
        return Change(Event.FAIL, moment, reason=checkpoints.clean(outcome.message), fields=fields)
    raise JobDefect(f"The engine answered {type(outcome).__name__}, which the runner does not know.")


def _begin_next(job: Job, claim: uuid.UUID, worker: str) -> Job | None:
    """Begin the next step under the same claim when it is due and this worker may go on."""
    moment = job.clock
    due = job.due_at is not None and job.due_at <= moment and job.status == Status.READY
    expired = job.step == Step.RUN and moment > job.max_start_at
    if not due or expired or draining.is_draining():
        return None
    return transitions.apply(job, Change(Event.START, moment, claim=Claim(claim, worker, lease())))


def _hand_over(job: Job, claim: uuid.UUID) -> None:
    """Give the claim back with the place kept: the next worker walks the tree again over what is recorded."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OVER, [job.pk, claim])
        if cursor.rowcount == 0:
            raise StaleClaim(job.pk)
    dispatch.hint_work()
