"""The only writer of ``Job.status``: locked row, table, dates, step runs, revisions, and the hint after commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from jobs import dispatch, durations, planning, records, semaphores, waits
from jobs.bundle import Bundle
from jobs.choices import RollbackState
from jobs.eta.forecast import Seen
from jobs.exceptions import RevisionInActiveJob, TransitionNotAllowed
from jobs.lifecycle import (
    ACTIVE,
    ENDED,
    RUNNER_STATUSES,
    Event,
    Facts,
    Outcome,
    State,
    Status,
    Step,
    next_state,
)
from jobs.locking import lock, lock_again, lock_claimed, lock_if_free, save
from jobs.models import Job, JobRevision, OperationRun, StepRun
from jobs.notifications import outbox
from jobs.progress import percent

__all__ = ["Change", "Claim", "apply", "begin", "lock", "lock_again", "lock_claimed", "lock_if_free"]

_UNDO_RESULTS: Final = {
    Event.UNDO: "running",
    Event.ASK_ROLLBACK: "running",
    Event.UNDONE: "succeeded",
    Event.ASKED_UNDONE: "succeeded",
    Event.UNDO_FAILED: "failed",
    Event.ASKED_UNDO_FAILED: "failed",
}
_ASKED: Final = {
    Event.ASKED_UNDONE: Outcome.FINISHED,
    Event.ASKED_UNDO_FAILED: Outcome.ERROR,
}
_ANSWERS: Final = frozenset({Event.APPROVE, Event.RETRY, Event.SKIP})
_NEW_ATTEMPT: Final = frozenset({Event.RERUN, Event.ASK_ROLLBACK})
_KEEPS_CLAIM: Final = frozenset({Event.START, Event.UNDO})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker takes with START: its token, its name and how long its word lasts without renewal."""

    token: UUID
    worker: str
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Change:
    """Everything an event brings along.

    Attributes:
        event: What happened.
        now: When.
        reason: Why, in a sentence for people; kept on the job.
        asked_step: The step a rerun names.
        start: Path of the operation that a rerun begins with, empty for the step's beginning.
        claim: What START takes.
        fields: Other columns to write in the same statement, such as new dates or the stash.
        seen: What is known of the attempt's operations, by path; ``None`` when it has to be read.
    """

    event: Event
    now: datetime
    reason: str = ""
    asked_step: Step | None = None
    start: str = ""
    claim: Claim | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Seen] | None = None


def apply(
    job: Job,
    change: Change,
    *,
    then: Callable[[Job], Change | None] | None = None,
    bundle: Bundle | None = None,
) -> Job:
    """Let ``change`` happen to a locked job and write all that follows from it.

    Args:
        job: Locked by ``lock`` or ``lock_claimed`` in the present transaction.
        change: The event and what it brings.
        then: Says what happens to the job as it is afterwards, at the same moment: its row is written once for both.
        bundle: What else is to be written with it, in one round trip; sent here.

    Raises:
        TransitionNotAllowed: The table refuses it; nothing was written.
        RevisionInActiveJob: The job would become active while another one carries its revision.
    """
    if bundle is not None and getattr(job, "is_told", True):
        # Who is told looks at what is written.
        save(job, bundle)
        bundle.send()
        bundle = None
    if not _move(job, change, bundle, writes=then is None and bundle is None):
        return job
    following = then(job) if then is not None else None
    if following is not None:
        _move(job, following, bundle, writes=False)
    if then is not None or bundle is not None:
        save(job, bundle)
    if bundle is not None:
        bundle.send()
    if job.due_at is not None and job.due_at <= change.now:
        dispatch.hint_work()
    return job


def begin(job: Job, change: Change, bundle: Bundle) -> Job:
    """Let ``change`` happen to a job that is being made, and insert it as it is afterwards.

    Args:
        job: Complete, with its number, and in no table yet; ``clock`` says when its first step began.
        change: What ends its first step.
        bundle: To which its rows are added; to be sent in the present transaction.
    """
    before = State(Step(job.step), Status(job.status))
    after = _become(job, change, before)
    assert after is not None
    bundle.insert(job)
    bundle.insert(
        StepRun(
            job_id=job.pk,
            attempt=job.attempt,
            step=before.step.value,
            result=_result_of(change.event),
            started_at=job.clock,
            finished_at=change.now,
        )
    )
    outbox.happened(job, before, change.event, after, change.now)
    if job.due_at is not None and job.due_at <= change.now:
        dispatch.hint_work()
    return job


def _move(job: Job, change: Change, bundle: Bundle | None = None, *, writes: bool) -> bool:
    """Let ``change`` happen, and write the job's row unless it is written later; return ``False`` when that took it away."""
    before = State(Step(job.step), Status(job.status))
    after = _become(job, change, before, bundle)
    if after is None:
        gone = job.pk
        job.delete()
        job.pk = gone  # whoever records what happened still says to which job
        return False
    if writes:
        save(job)
    _write_step_runs(job, change, before, after, bundle)
    _write_operations(job, change)
    _write_revisions(job, before, after)
    outbox.happened(job, before, change.event, after, change.now)
    return True


def _become(job: Job, change: Change, before: State, bundle: Bundle | None = None) -> State | None:
    """Let the job be what it is after ``change``; return where that is, ``None`` for nowhere.

    Raises:
        TransitionNotAllowed: The table refuses it; nothing was written.
    """
    try:
        after = next_state(before, change.event, facts_of(job, change.asked_step))
    except TransitionNotAllowed as error:
        raise TransitionNotAllowed(error.step, error.status, error.event, job.name) from None
    if after is None:
        return None
    job.step, job.status = after.step.value, after.status.value
    _set_result(job, change, before, after)
    _set_attempt(job, change)
    _set_dates(job, change, before, after)
    for name, value in change.fields.items():
        setattr(job, name, value)
    waits.close(job, before, after, change.event, change.now)
    _set_claim(job, change, after)
    _set_progress(job, after)
    durations.follow(job, change.event, after, change.now, change.seen, bundle)
    return after


def facts_of(job: Job, asked_step: Step | None = None) -> Facts:
    """Return what the table decides by."""
    return Facts(
        outcome=Outcome(job.outcome) if job.outcome else None,
        run_begun=job.run_began_at is not None,
        before_expiry=Status(job.status_before_expiry) if job.status_before_expiry else None,
        last_ran=Step(job.last_ran) if job.last_ran else None,
        asked_step=asked_step,
    )


def _set_result(job: Job, change: Change, before: State, after: State) -> None:
    event = change.event
    starts_anew = event in _NEW_ATTEMPT or (before.status in ENDED and after.status in ACTIVE)
    if change.reason or starts_anew or event in _ANSWERS:
        job.reason = change.reason
    _set_rollback(job, change, before)
    if event in _ASKED:
        job.outcome = _ASKED[event].value
    if event in {Event.FAIL, Event.UNDONE, Event.UNDO_FAILED} and after.step is Step.POST:
        job.outcome = Outcome.ERROR.value
    elif event is Event.STEP_OK and after == State(Step.POST, Status.READY):
        job.outcome = Outcome.FINISHED.value
    elif event is Event.FAIL and before.step is Step.INIT:
        job.outcome = Outcome.ERROR.value
    elif event is Event.RERUN and change.asked_step is not Step.POST:
        job.outcome = None
    job.status_before_expiry = job.status_before_expiry if after.status is Status.EXPIRED else ""


def _set_rollback(job: Job, change: Change, before: State) -> None:
    event = change.event
    if event in _NEW_ATTEMPT and change.asked_step is not Step.POST:
        # A rerun of POST deploys nothing, so what was undone stays undone.
        job.rollback = RollbackState.NONE.value
    if event in _NEW_ATTEMPT:
        job.rollback_asked = event is Event.ASK_ROLLBACK
    if event in _UNDO_RESULTS:
        job.rollback = _UNDO_RESULTS[event]
    if before.status is Status.ROLLBACK and event in {Event.CANCEL, Event.ABANDON}:
        job.rollback = RollbackState.FAILED.value
        job.outcome = job.outcome if job.rollback_asked else Outcome.ERROR.value


def _set_attempt(job: Job, change: Change) -> None:
    if change.event not in _NEW_ATTEMPT:
        return
    before, job.attempt = job.attempt, job.attempt + 1
    job.percent = 0
    job.operations_done = records.carry_over(job, before, change.asked_step, change.start, change.now)
    if change.asked_step is Step.PRE:
        job.started_at = None
    if change.asked_step in {Step.PRE, Step.RUN}:
        job.run_began_at = None


def _set_dates(job: Job, change: Change, before: State, after: State) -> None:
    if change.event is Event.EXPIRE:
        job.status_before_expiry = before.status.value
    if change.event is Event.START and after.step is Step.PRE:
        job.started_at = job.started_at or change.now
    if change.event is Event.START and after.step is Step.RUN:
        job.run_began_at = job.run_began_at or change.now
    if change.event is Event.START and after.step in {Step.PRE, Step.RUN}:
        job.last_ran = after.step.value
    job.finished_at = (job.finished_at or change.now) if after.status in ENDED else None


def _set_claim(job: Job, change: Change, after: State) -> None:
    if change.event is Event.CANCEL:
        # Its runner may still say which processes it ended, and nothing else.
        job.cancelled_claim = job.claim or job.cancelled_claim
    if after.status not in RUNNER_STATUSES or (change.event not in _KEEPS_CLAIM and change.claim is None):
        job.claim, job.claimed_by, job.lease_expires_at = None, "", None
    if change.claim is not None:
        job.claim, job.claimed_by = change.claim.token, change.claim.worker
        job.lease_expires_at = change.now + change.claim.lease
    job.due_at = planning.due_at(
        after.step,
        after.status,
        claimed=job.claim is not None,
        scheduled_at=job.scheduled_at,
        run_begun=job.run_began_at is not None,
        blocked=change.event in waits.KEEPS_SLOTS and job.asks_slots and semaphores.is_waiting(job),
        now=change.now,
    )


def _set_progress(job: Job, after: State) -> None:
    job.percent = percent(
        job.operations_done,
        job.operations_expected,
        reached=job.percent,
        finished=after.status is Status.FINISHED,
        ended=after.status in ENDED,
    )


_STOPS: Final = frozenset({Event.ABANDON, Event.CANCEL, Event.REJECT, Event.EXPIRE, Event.RERUN})
"""What leaves a step without a result of its own."""


# A step that goes on after a wait has its row already.
_BEGIN_STEP: Final = """
INSERT INTO jobs_steprun (job_id, attempt, step, result, started_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (job_id, attempt, step) DO UPDATE SET result = EXCLUDED.result, finished_at = NULL
"""
_END_STEP: Final = "UPDATE jobs_steprun SET result = %s, finished_at = %s WHERE job_id = %s AND result = %s"


def _write_step_runs(job: Job, change: Change, before: State, after: State, bundle: Bundle | None) -> None:
    own = bundle or Bundle()
    moves_on = after.step is not before.step or after.status in ENDED or change.event is Event.RERUN
    if change.event in {Event.START, Event.ASK_ROLLBACK}:
        values = [job.pk, job.attempt, after.step.value, StepRun.Result.RUNNING.value, change.now]
        own.add(_BEGIN_STEP, values)
    elif before.status in ACTIVE and moves_on:
        result = _result_of(change.event).value
        own.add(_END_STEP, [result, change.now, job.pk, StepRun.Result.RUNNING.value])
    if bundle is None:
        own.send()


def _result_of(event: Event) -> StepRun.Result:
    if event in {Event.STEP_OK, Event.ASKED_UNDONE}:
        return StepRun.Result.COMPLETED
    return StepRun.Result.STOPPED if event in _STOPS else StepRun.Result.FAILED


_LEAVES_NOTHING_OPEN: Final = frozenset(
    {
        Event.ABANDON,
        Event.CANCEL,
        Event.REJECT,
        Event.FAIL,
        Event.UNDO,
        Event.UNDO_FAILED,
        Event.ASKED_UNDO_FAILED,
    }
)


def _write_operations(job: Job, change: Change) -> None:
    """Say of what was under way when the step failed or the job was stopped that it failed: nothing comes of it."""
    if change.event in _LEAVES_NOTHING_OPEN:
        open_ones = OperationRun.objects.filter(
            job=job, attempt=job.attempt, status__in=("running", "waiting")
        )
        open_ones.update(status="failed", finished_at=change.now, error=change.reason)


def _write_revisions(job: Job, before: State, after: State) -> None:
    if job.project_id is None or (before.status in ACTIVE) is (after.status in ACTIVE):
        return
    activate_revisions(job, active=after.status in ACTIVE)


def activate_revisions(job: Job, *, active: bool) -> None:
    """Say that the job's revisions are, or no longer are, in an active job.

    Raises:
        RevisionInActiveJob: Another active job of the environment carries one of them.
    """
    try:
        with transaction.atomic():
            JobRevision.objects.filter(job=job).exclude(active=active).update(active=active)
    except IntegrityError as error:
        own = list(JobRevision.objects.filter(job=job).values_list("sha", flat=True))
        raise revision_error(error, job.environment_id, job.project_id, own) or error from error


def revision_error(
    error: IntegrityError, environment_id: int, project_id: int | None, shas: list[str]
) -> RevisionInActiveJob | None:
    """Return the domain error of a violated ``revision_in_one_active_job``, ``None`` for any other constraint."""
    diagnostics = getattr(error.__cause__, "diag", None)
    if getattr(diagnostics, "constraint_name", "") != "revision_in_one_active_job":
        return None
    return conflicting_job(environment_id, project_id, shas)


def conflict_of(job: Job) -> RevisionInActiveJob | None:
    """Return why a job that has ended cannot become active again: another one carries its revision."""
    shas = list(JobRevision.objects.filter(job=job).values_list("sha", flat=True)) if job.project_id else []
    return conflicting_job(job.environment_id, job.project_id, shas)


def conflicting_job(
    environment_id: int, project_id: int | None, shas: list[str]
) -> RevisionInActiveJob | None:
    """Return the error that names the first active job with one of ``shas``, ``None`` when there is none."""
    if project_id is None or not shas:
        return None
    rows = JobRevision.objects.filter(
        active=True, environment_id=environment_id, project_id=project_id, sha__in=shas
    )
    first = rows.select_related("job").order_by("job_id").first()
    return RevisionInActiveJob(first.sha, first.job_id, first.job.name) if first else None
