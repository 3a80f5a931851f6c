"""The runner: takes a due job, runs its steps as far as they may go now, and says how each ended."""

from __future__ import annotations

import logging
import traceback
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Final

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from jobs import answers, dispatch, locking, records, transitions, waits, workers
from jobs.bundle import Bundle
from jobs.contents.settling import settle
from jobs.exceptions import JobError, StaleClaim
from jobs.execution import draining, last_words, naming
from jobs.execution.checkpoints import Runner
from jobs.execution.database import recalled, retrying
from jobs.execution.endings import Ending, change, farewell, greeting, is_undone, stash_of
from jobs.execution.host import Goal, JobHost
from jobs.execution.leases import LeaseKeeper
from jobs.execution.memory import Memory
from jobs.lifecycle import RUNNER_STATUSES, Event, Status, Step
from jobs.log.writer import LogWriter, append_entry
from jobs.models import Job
from jobs.secrets import vault
from jobs.secrets.masking import Mask
from jobs.transitions import Change, Claim
from rules import selectors as rule_selectors
from rules.engine.call import Deadline
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, HandedOver, StepOutcome, Waiting
from rules.engine.undo import undo
from rules.tree import RuleTree

logger = logging.getLogger(__name__)

_LATER: Final = timedelta(minutes=1)
_MOST_BUNDLED: Final = 1 << 16
"""Bytes of a log that are written into the text of a statement; more goes beside its own."""
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
    while not draining.is_draining() and (job := take_due(worker, looks_first=taken > 0)) is not None:
        run(job)
        taken += 1
    return taken


def take_due(worker: str, *, looks_first: bool = False) -> Job | None:
    """Claim the next due job, urgent ones first, or return ``None``. Two workers never get the same one, a drained one none.

    Args:
        worker: Name of the worker process, shown to people.
        looks_first: Most likely there is none, which is seen without a transaction.
    """
    claim = Claim(uuid.uuid4(), worker, lease())
    taken: Job | None = None
    try:
        if looks_first and not locking.is_any_due():
            return None
        with transaction.atomic():
            taken = _claim_next(claim)
        return taken
    except _CannotBeTaken as error:
        _set_aside(error.job_id)
        return take_due(worker)
    except (OperationalError, InterfaceError):
        if taken is None:
            raise
    # The connection broke at the commit. Was it made, the job is ours, and nobody else would run it.
    return recalled(lambda: Job.objects.filter(claim=claim.token).first())


def _claim_next(claim: Claim) -> Job | None:
    job = locking.lock_due() if workers.may_take(claim.worker) else None
    if job is None:
        return None
    if Status(job.status) in RUNNER_STATUSES:
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_OVER, [claim.token, claim.worker, claim.lease.total_seconds(), job.pk])
        job.claim, job.claimed_by = claim.token, claim.worker
        return job
    try:
        return transitions.apply(job, Change(Event.START, job.clock, claim=claim), bundle=Bundle())
    except (IntegrityError, JobError) as error:
        raise _CannotBeTaken(job.pk) from error


class _CannotBeTaken(Exception):
    """A defect keeps a due job from beginning."""

    def __init__(self, job_id: int) -> None:
        super().__init__(job_id)
        self.job_id = job_id


def _set_aside(job_id: int) -> None:
    """Let the others run first: a job that cannot begin must not stand in their way for ever."""
    logger.exception("Job %s cannot begin.", job_id)
    with transaction.atomic():
        job = transitions.lock(job_id)
        Job.objects.filter(pk=job_id).update(due_at=job.clock + _LATER)
        said = "A worker could not begin this job: a defect, and its log says more. It is tried again in a minute."
        append_entry(job_id, job.attempt, job.step, "error", said)


def run(job: Job) -> None:
    """Run a claimed job, step after step, until it must wait, ends, or is taken away."""
    assert job.claim is not None
    # Nobody else writes records of a job that is claimed.
    memory = Memory() if getattr(job, "has_records", True) else Memory(is_new_step=True, seen={})
    try:
        with LeaseKeeper(job.pk, job.claim, lease()) as keeper, memory.kept:
            last_words.wait_for(job, keeper)
            following: Job | None = job
            while following is not None:
                following = run_claimed_step(following, keeper, memory)
    except StaleClaim:
        logger.info("Job %s was taken away from its runner.", job.name)


def run_first_step(job: Job, keeper: LeaseKeeper, deadline: Deadline) -> None:
    """Run INIT of a job that was just made, and leave the rest to the workers of jobs.

    Raises:
        StaleClaim: The claim is gone; nothing was written since.
    """
    memory = Memory(is_new_step=True, seen={})
    with memory.kept:
        run_claimed_step(job, keeper, memory, deadline=deadline, go_on=False)


def run_claimed_step(
    job: Job,
    keeper: LeaseKeeper,
    memory: Memory | None = None,
    *,
    deadline: Deadline | None = None,
    go_on: bool = True,
) -> Job | None:
    """Run the step a claimed job is at, and return the job when its next step may begin at once, still claimed.

    Raises:
        StaleClaim: The claim is gone; nothing was written since.
    """
    if memory is None:
        with (own := Memory()).kept:
            return run_claimed_step(job, keeper, own, deadline=deadline, go_on=go_on)
    secrets = _secrets(job, keeper)
    mask = secrets.mask
    with memory.log(job, mask) as log:
        _greet(job, log, secrets)
        stash = Stash.from_data(job.stash)
        host: JobHost | None = None
        try:
            unsettled = settle(job, keeper, log, mask)
            if unsettled is not None:
                return _conclude(job, keeper, log, None, Ending(unsettled, stash, go_on, mask), memory)
            # What a step begins with is read: a connection that breaks meanwhile is no defect of the job.
            host = retrying(lambda: _host(job, keeper, log, secrets, memory), keeper)
            tree = retrying(lambda: rule_selectors.linked_tree(job.rule_version_id, job.rule_pins), keeper)
            outcome = _walk(job, tree, host, stash, deadline)
            return _conclude(job, keeper, log, host, Ending(outcome, stash, go_on, mask), memory)
        except StaleClaim:
            keeper.mark_lost()
            words = [(level, mask.text(text)) for level, text in host.last_words] if host else []
            last_words.say(_runner(job), job.claimed_by, words)
            raise
        except Exception as error:
            # A defect, ours or a third party's: the job ends in error, and the traceback is in its log.
            ending = Ending(_defect(job, log, error, mask), None, go_on, mask)
            return _conclude(job, keeper, log, None, ending, memory)


def _greet(job: Job, log: LogWriter, secrets: vault.Opened) -> None:
    """Say in the log that the step begins, and what is wrong with secrets."""
    log.entry(job.step, "", "", "info", greeting(job))
    for warning in secrets.warnings:
        log.entry(job.step, "", "", "warning", warning)


def _secrets(job: Job, keeper: LeaseKeeper) -> vault.Opened:
    """Return the secrets that the step may read; that there are none was seen when its row was locked."""
    if not getattr(job, "has_secrets", True):
        return vault.NONE
    return retrying(lambda: vault.open_for(job.environment_id, job.project_id), keeper)


def _runner(job: Job) -> Runner:
    assert job.claim is not None
    return Runner(job.pk, job.claim, job.attempt, job.step)


def _host(job: Job, keeper: LeaseKeeper, log: LogWriter, secrets: vault.Opened, memory: Memory) -> JobHost:
    notebook = None if is_undone(job) else memory.notebook(job)
    goal = Goal(job.operations_expected, job.operations_done, job.percent, notebook)
    facts = naming.facts_of(job, secrets)
    undoing = is_undone(job)
    is_new = memory.is_new_step and not undoing
    return JobHost(_runner(job), facts, goal, keeper, log, undoing=undoing, is_new_step=is_new)


def _walk(job: Job, tree: RuleTree, host: JobHost, stash: Stash, deadline: Deadline | None) -> StepOutcome:
    if is_undone(job):
        return undo(tree, records.STEPS if job.rollback_asked else answers.DEPLOYING, host, stash)
    return run_step(tree, job.step, host, stash, deadline=deadline)


def _defect(job: Job, log: LogWriter, error: Exception, mask: Mask) -> Failed:
    trace = mask.text("".join(traceback.format_exception(error)).rstrip("\n"))
    logger.error("Job %s met a defect.\n%s", job.name, trace)
    log.entry(job.step, "", "", "error", trace)
    return Failed(f"Internal error: {type(error).__name__}: {error}", "")


def _conclude(
    job: Job, keeper: LeaseKeeper, log: LogWriter, host: JobHost | None, ending: Ending, memory: Memory
) -> Job | None:
    """Write how the step ended together with its last lines and records, and begin the next one when it is due."""
    assert job.claim is not None
    claim = job.claim
    log.end_operation()
    level, said = farewell(job, ending.outcome)
    log.entry(job.step, "", "", level, said)
    if host is not None:
        memory.after(host.seen())
        ending = replace(ending, seen=memory.seen)
    tries = count()

    def write() -> Job | None:
        with log.pending() as batch, transaction.atomic():
            if next(tries) and not _is_at(transitions.lock_claimed(job.pk, claim), job):
                # The try before was committed, though its connection broke before we knew.
                memory.is_new_step = False
                return Job.objects.get(pk=job.pk)
            if batch.size > _MOST_BUNDLED:
                batch = batch.written(connection, claim)
            locked, bundle = transitions.lock_again(job, claim), Bundle()
            locked.log_lines = batch.add_to(bundle, locked.log_lines)
            if host is not None:
                host.add_pending(locked, bundle)
            if isinstance(ending.outcome, HandedOver):
                _write(locked, bundle)
                _hand_over(job, claim)
                return None
            return _end(locked, claim, ending, memory, bundle)

    following = retrying(write, keeper)
    if host is not None:
        host.forget_pending()
    return following


def _write(locked: Job, bundle: Bundle) -> None:
    """Write what has changed of a locked job, with what belongs to it."""
    locking.save(locked, bundle)
    bundle.send()


def _end(locked: Job, claim: uuid.UUID, ending: Ending, memory: Memory, bundle: Bundle) -> Job | None:
    """Let what the step led to happen, and return the job when this runner goes on with it."""
    goes_on = ending.go_on and not isinstance(ending.outcome, Waiting)
    then = partial(_next_start, claim, locked.claimed_by) if goes_on else None
    if isinstance(ending.outcome, Completed) and not is_undone(locked):
        transitions.apply(locked, change(locked, ending), then=then, bundle=bundle)
    else:
        # What follows from it is decided by what is recorded.
        _write(locked, bundle)
        transitions.apply(locked, change(locked, ending), then=then)
    memory.is_new_step = locked.claim == claim and not is_undone(locked)
    if isinstance(ending.outcome, Waiting):
        waits.begin(locked, ending.outcome, stash_of(ending), locked.clock)
        return None
    if locked.claim != claim or not ending.go_on:
        return None
    if is_undone(locked) and draining.is_draining():
        _hand_over(locked, claim)
        return None
    return locked


def _is_at(locked: Job, job: Job) -> bool:
    return (locked.attempt, locked.step, locked.status) == (job.attempt, job.step, job.status)


def _next_start(claim: uuid.UUID, worker: str, job: Job) -> Change | None:
    """Return what begins the next step under the same claim when it is due and this worker may go on."""
    moment = job.clock
    due = job.due_at is not None and job.due_at <= moment and job.status == Status.READY
    expired = job.step == Step.RUN and job.run_began_at is None and moment > job.max_start_at
    if not due or expired or draining.is_draining():
        return None
    return Change(Event.START, moment, claim=Claim(claim, worker, lease()))


def _hand_over(job: Job, claim: uuid.UUID) -> None:
    """Give the claim back with the place kept: the next worker walks the tree again over what is recorded."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OVER, [job.pk, claim])
        if cursor.rowcount == 0:
            raise StaleClaim(job.pk)
    dispatch.hint_work()
