"""What people and programs can be told about a job. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from jobs.lifecycle import Event, State, Status, Step

PING: Final = "ping"
"""The event of a test; nobody subscribes to it."""


class NoticeEvent(StrEnum):
    """Something that happened to a job, as subscriptions name it."""

    JOB_CREATED = "job_created"
    STEP_STARTED = "step_started"
    STEP_ENDED = "step_ended"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    TRAPPED = "trapped"
    TRAP_ANSWERED = "trap_answered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ABEND = "abend"
    ENDED = "ended"


FOR_CREATOR: Final = frozenset(
    {
        NoticeEvent.REJECTED,
        NoticeEvent.TRAPPED,
        NoticeEvent.CANCELLED,
        NoticeEvent.EXPIRED,
        NoticeEvent.ABEND,
        NoticeEvent.ENDED,
    }
)
"""What whoever created a job is told without subscribing, unless they did it themselves."""

_STEPS: Final = frozenset({Step.PRE, Step.RUN, Step.POST})
_TRAPPED: Final = frozenset({Status.TRAPPED, Status.TRAP_PAUSED})
_ANSWERS: Final = frozenset({Event.RETRY, Event.SKIP, Event.FAIL, Event.UNDO})
_STEP_ENDS: Final = frozenset({Event.STEP_OK, Event.FAIL, Event.UNDONE, Event.UNDO_FAILED})
_SAME: Final = {
    Event.APPROVE: NoticeEvent.APPROVED,
    Event.REJECT: NoticeEvent.REJECTED,
    Event.CANCEL: NoticeEvent.CANCELLED,
    Event.EXPIRE: NoticeEvent.EXPIRED,
    Event.ABANDON: NoticeEvent.ABEND,
}


def told(before: State, event: Event, after: State) -> list[NoticeEvent]:
    """Return what there is to tell when ``event`` takes a job from ``before`` to ``after``, in the order it happened.

    That a job came to an approval or a trap is not among it: ``jobs.waits`` tells that, which knows what is waited for. A
    step that goes on after a wait may not have begun now; whoever writes the notice looks.
    """
    found: list[NoticeEvent] = []
    if before.status in _TRAPPED and event in _ANSWERS:
        found.append(NoticeEvent.TRAP_ANSWERED)
    if event is Event.START and after.step in _STEPS:
        found.append(NoticeEvent.STEP_STARTED)
    if event in _STEP_ENDS and before.step in _STEPS:
        found.append(NoticeEvent.STEP_ENDED)
    if event in _SAME:
        found.append(_SAME[event])
    if event is Event.RESCHEDULE and (before.status, after.status) == (
        Status.EXPIRED,
        Status.PENDING_APPROVAL,
    ):
        found.append(NoticeEvent.APPROVAL_REQUESTED)
    if after.step is Step.END:
        found.append(NoticeEvent.ENDED)
    return found
