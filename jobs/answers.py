"""What becomes of a job when somebody, or the clock, answers what it waits for; shared by actions and daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from jobs import records, transitions, waits
from jobs.exceptions import NoRetriesLeft
from jobs.lifecycle import Event, Step
from jobs.models import Approval, Job, Trap
from jobs.transitions import Change
from rules.engine import waits as engine
from rules.engine.outcomes import Record

DEPLOYING: Final = (Step.PRE, Step.RUN)
"""Steps that are undone when one of them fails."""

_RECORDS: Final[Mapping[Trap.Answer, Callable[[Record, datetime], Record]]] = {
    Trap.Answer.RETRY: engine.retried,
    Trap.Answer.SKIP: engine.skipped,
    Trap.Answer.ABORT: engine.aborted,
}


def failure_of(step: Step, *, has_undoable: bool) -> Event:
    """Return what happens to a job one of whose steps failed."""
    return Event.UNDO if step in DEPLOYING and has_undoable else Event.FAIL


def retries_left(trap: Trap) -> bool:
    """Return whether the rule lets the trapped operation be tried again."""
    return trap.max_retries == 0 or trap.retries < trap.max_retries


def answer_trap(job: Job, trap: Trap, answer: Trap.Answer, now: datetime) -> None:
    """Let a locked, trapped job go on, or fail.

    Raises:
        NoRetriesLeft: Another retry is asked for than the rule allows; nothing was changed.
    """
    if answer is Trap.Answer.RETRY and not retries_left(trap):
        raise NoRetriesLeft(job.name, trap.max_retries)
    record = records.waiting_record(job, trap.path)
    records.write(job, trap.path, _RECORDS[answer](record, now))
    waits.close_trap(job, trap, answer, now)
    if answer is Trap.Answer.ABORT:
        step = Step(job.step)
        event = failure_of(step, has_undoable=records.has_undoable(job, DEPLOYING))
        transitions.apply(job, Change(event, now, reason=trap.error, fields={"stash": trap.stash}))
    else:
        _count(job)
        transitions.apply(job, Change(Event(answer.value), now))


def _count(job: Job) -> None:
    """Let the progress of a locked job count the operation that was answered: when it is the last of its step, no walk does."""
    job.operations_done = records.done(job.pk, job.attempt, [step.value for step in records.STEPS])


def let_time_run_out(job: Job, trap: Trap, now: datetime) -> Trap.Answer:
    """Answer a trap whose time is over as its rule says; return the answer. A retry too many is an abort."""
    answer = Trap.Answer(trap.on_timeout)
    if answer is Trap.Answer.RETRY and not retries_left(trap):
        answer = Trap.Answer.ABORT
    answer_trap(job, trap, answer, now)
    return answer


def approve(job: Job, approval: Approval, now: datetime) -> None:
    """Let a locked job whose approval has enough signatures go on after it."""
    signatures = [
        {
            "user": signature.user.get_username(),
            "at": signature.at.isoformat().replace("+00:00", "Z"),
            "comment": signature.comment,
        }
        for signature in approval.signatures.filter(approves=True).select_related("user")
    ]
    record = records.waiting_record(job, approval.path)
    records.write(job, approval.path, engine.approved(record, now, list(signatures)))
    waits.close_approval(job, approval, Approval.Result.APPROVED, now)
    _count(job)
    transitions.apply(job, Change(Event.APPROVE, now))


def reject(job: Job, approval: Approval, reason: str, now: datetime) -> None:
    """Stop a locked job at its approval."""
    waits.close_approval(job, approval, Approval.Result.REJECTED, now)
    transitions.apply(job, Change(Event.REJECT, now, reason=reason))
