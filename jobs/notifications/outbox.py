"""Writing notices, in the transaction in which something happens, and only when somebody wants to know.

``jobs.transitions`` and ``jobs.waits`` call this; deliveries are made of the notices later, see ``fanout``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jobs import dispatch
from jobs.lifecycle import Event, State, Status
from jobs.models import Approval, Job, Notice, StepRun, Subscription, Trap
from jobs.notifications import matching
from jobs.notifications.events import FOR_CREATOR, NoticeEvent, told
from jobs.representation import instant, represent_approval, represent_job

_APPROVAL: Final = frozenset({NoticeEvent.APPROVAL_REQUESTED, NoticeEvent.APPROVED, NoticeEvent.REJECTED})
_TRAP: Final = frozenset({NoticeEvent.TRAPPED, NoticeEvent.TRAP_ANSWERED})
_STEP: Final = frozenset({NoticeEvent.STEP_STARTED, NoticeEvent.STEP_ENDED})


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision that makes things happen: who, and why."""

    actor: str
    comment: str


_deciding: ContextVar[Decision | None] = ContextVar("deciding", default=None)


@contextmanager
def decided_by(actor: str, comment: str) -> Iterator[None]:
    """Let what happens within the block be told as the decision of ``actor``."""
    token = _deciding.set(Decision(actor, comment))
    try:
        yield
    finally:
        _deciding.reset(token)


def happened(job: Job, before: State, event: Event, after: State, now: datetime) -> None:
    """Tell what ``event`` did to a locked job, which is saved as it is from now on."""
    for found in told(before, event, after):
        tell(job, found, now, before=before, by=event)


def tell(
    job: Job,
    event: NoticeEvent,
    now: datetime,
    *,
    before: State | None = None,
    by: Event | None = None,
) -> None:
    """Write the notice of an event, with the job as it is now, when somebody is to hear of it.

    Args:
        job: Locked in the present transaction, or just made in it.
        event: What happened.
        now: When.
        before: Where the job was.
        by: What took it from there.
    """
    decision = _deciding.get() or Decision("", "")
    is_wanted = _is_for_people(job, event, decision) or matching.any_wants(
        _subscriptions(job), job, event.value
    )
    if not is_wanted or (event is NoticeEvent.STEP_STARTED and not _begins_now(job, now)):
        return
    Notice.objects.create(
        event=event.value,
        at=now,
        job_id=job.pk,
        job_name=job.name,
        environment=job.environment.code,
        project=job.project.code if job.project else "",
        status=job.status,
        actor=decision.actor,
        payload=_payload(job, event, now, decision, before, by),
    )
    dispatch.hint_notices()


def _subscriptions(job: Job) -> list[Subscription]:
    if not getattr(job, "is_told", True):
        return []  # as whoever locked the job has seen
    return list(Subscription.objects.filter(enabled=True).only(*matching.CONDITIONS))


def _is_for_people(job: Job, event: NoticeEvent, decision: Decision) -> bool:
    """Return whether the creator, or approvers, may be told without subscribing; who exactly is decided later."""
    if event is NoticeEvent.APPROVAL_REQUESTED:
        return True
    return (
        event in FOR_CREATOR
        and bool(job.created_by.email)
        and job.created_by.get_username() != decision.actor
    )


def _begins_now(job: Job, now: datetime) -> bool:
    """Return whether the step begins; one that goes on after a wait has its row since then."""
    runs = StepRun.objects.filter(job=job, attempt=job.attempt, step=job.step, started_at=now)
    return runs.exists()


def _payload(
    job: Job,
    event: NoticeEvent,
    now: datetime,
    decision: Decision,
    before: State | None,
    by: Event | None,
) -> dict[str, Any]:
    approval = trap = step = None
    if event in _APPROVAL:
        signed = Approval.objects.filter(job=job).prefetch_related("signatures__user")
        approval = represent_approval(signed.order_by("-id").first())
    elif event in _TRAP:
        trap = _trap(Trap.objects.filter(job=job).order_by("-id").first())
    elif event in _STEP:
        step = _step(job, before, by)
    return {
        "event": event.value,
        "at": instant(now),
        "actor": decision.actor or None,
        "comment": decision.comment or None,
        "reason": job.reason or None,
        "job": represent_job(job),
        "step": step,
        "approval": approval,
        "trap": trap,
    }


def _trap(trap: Trap | None) -> Mapping[str, Any] | None:
    """Return a trap; its answer is ``null`` while it is open."""
    if trap is None:
        return None
    return {
        "operation": trap.operation,
        "name": trap.name,
        "error": trap.error,
        "trapped_at": instant(trap.began_at),
        "deadline": instant(trap.deadline),
        "on_timeout": trap.on_timeout,
        "retries": trap.retries,
        "max_retries": trap.max_retries,
        "answer": None if trap.answer == Trap.Answer.OPEN else trap.answer,
    }


def _step(job: Job, before: State | None, by: Event | None) -> Mapping[str, Any]:
    """Return which step it is about, and of one that ended how."""
    if before is None or by is Event.START or by is None:
        return {"name": job.step, "result": None}
    undone = before.status is Status.ROLLBACK
    result = "completed" if by is Event.STEP_OK and not undone else "failed"
    return {"name": before.step.value, "result": result}
