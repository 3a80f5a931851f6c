"""What a job waits for: made when a runner comes to it, closed when it is answered or no longer matters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from jobs import records, semaphores
from jobs.lifecycle import RUNNER_STATUSES, Event, State, Status
from jobs.models import Approval, Job, OperationRun, Trap
from jobs.notifications import outbox
from jobs.notifications.events import NoticeEvent
from rules import selectors as rule_selectors
from rules.engine import waits
from rules.engine.outcomes import Waiting

EVENTS: Final[Mapping[str, Event]] = {
    "approval": Event.AWAIT_APPROVAL,
    "trap": Event.TRAP,
    "semaphore": Event.BLOCK,
}
"""What happens to a job that comes to a wait of each kind."""

KEEPS_SLOTS: Final = frozenset({Event.BLOCK, Event.RESCHEDULE})
"""After these a job that waits for a slot still waits, at its place in the queue."""

_KEEPS_APPROVAL: Final = frozenset({Status.PENDING_APPROVAL, Status.EXPIRED})
_KEEPS_TRAP: Final = frozenset({Status.TRAPPED, Status.TRAP_PAUSED})


def begin(job: Job, found: Waiting, stash: dict[str, Any], now: datetime) -> None:
    """Note what a locked job waits for from now on; a semaphore was asked already.

    Args:
        job: As it is after the transition.
        found: What the engine said.
        stash: Run variables as they are; the job itself keeps those its step began with.
        now: The present.
    """
    details = found.details
    if found.kind == "semaphore":
        return
    run = OperationRun.objects.get(job=job, attempt=job.attempt, path=found.path)
    place = _place(job, run, now)
    if found.kind == "approval":
        Approval.objects.create(
            approvers=list(details["approvers"]),
            minimum=details["min"],
            exclude_creator=details["exclude_creator"],
            **place,
        )
        outbox.tell(job, NoticeEvent.APPROVAL_REQUESTED, now)
        return
    Trap.objects.create(
        error=run.error,
        stash=stash,
        deadline=now + timedelta(seconds=details["timeout_seconds"]),
        on_timeout=details["on_timeout"],
        max_retries=details["max_retries"],
        retries=int(run.memo.get(waits.RETRIES, 0)),
        **place,
    )
    outbox.tell(job, NoticeEvent.TRAPPED, now)


def _place(job: Job, run: OperationRun, now: datetime) -> dict[str, Any]:
    """Return what an approval and a trap both say: where in the job they are, and since when."""
    return {
        "job": job,
        "attempt": job.attempt,
        "step": job.step,
        "path": run.path,
        "operation": run.identifier,
        "name": run.name or run.key,
        "began_at": now,
    }


def close(job: Job, before: State, after: State, event: Event, now: datetime) -> None:
    """Close what a job waited for when it goes on or ends without an answer, and give its slots back."""
    if before.status in _KEEPS_APPROVAL and after.status not in _KEEPS_APPROVAL:
        Approval.objects.filter(job=job, closed_at__isnull=True).update(
            closed_at=now, result=Approval.Result.VOID
        )
    if before.status in _KEEPS_TRAP and after.status not in _KEEPS_TRAP:
        Trap.objects.filter(job=job, closed_at__isnull=True).update(closed_at=now, answer=Trap.Answer.VOID)
    if job.asks_slots and after.status not in RUNNER_STATUSES and event not in KEEPS_SLOTS:
        semaphores.release_all(job)


def open_approval(job: Job) -> Approval | None:
    """Return the approval that the job waits for, with its signatures."""
    if job.status not in _KEEPS_APPROVAL:
        return None
    found = Approval.objects.filter(job=job, closed_at__isnull=True)
    return found.prefetch_related("signatures__user").first()


def open_trap(job: Job) -> Trap | None:
    """Return the trap that the job is in."""
    if job.status not in _KEEPS_TRAP:
        return None
    return Trap.objects.filter(job=job, closed_at__isnull=True).first()


def remaining(trap: Trap, now: datetime) -> timedelta:
    """Return how much time a trap leaves, never below 0."""
    left = trap.remaining if trap.deadline is None else trap.deadline - now
    return max(left or timedelta(0), timedelta(0))


def pause(trap: Trap, now: datetime) -> None:
    """Stop the clock of a trap."""
    Trap.objects.filter(pk=trap.pk).update(deadline=None, remaining=remaining(trap, now))


def resume(trap: Trap, now: datetime) -> None:
    """Let the clock of a trap go on with the time that was left."""
    Trap.objects.filter(pk=trap.pk).update(deadline=now + remaining(trap, now), remaining=None)


def due_traps(now: datetime) -> list[int]:
    """Return the jobs whose trap's time ran out, those that wait longest first."""
    found = Trap.objects.filter(closed_at__isnull=True, deadline__lte=now).order_by("deadline")
    return list(found.values_list("job_id", flat=True))


def close_trap(job: Job, trap: Trap, answer: Trap.Answer, now: datetime) -> None:
    """Close an answered trap; the time that the job stood there counts for no time limit."""
    Trap.objects.filter(pk=trap.pk).update(closed_at=now, answer=answer)
    records.excuse(job, trap.path, now - trap.began_at)


def close_approval(job: Job, approval: Approval, result: Approval.Result, now: datetime) -> None:
    """Close an approval that was decided; the time that the job stood there counts for no time limit."""
    Approval.objects.filter(pk=approval.pk).update(closed_at=now, result=result)
    records.excuse(job, approval.path, now - approval.began_at)


def approvers() -> set[str]:
    """Return whom rules, or approvals that jobs wait for, name: ``group:qa``, ``user:ana``."""
    found = set(rule_selectors.approvers())
    for named in Approval.objects.filter(closed_at=None).values_list("approvers", flat=True):
        found.update(named)
    return found
