"""The life of a job as data: which event takes which state where.

Pure. The table is the one of the product document ("Estados del pase" and the contract's section 4): what is absent is refused.
``docs/state_machine.md`` is generated from it, and ``jobs.transitions`` is the only module that acts on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from itertools import product
from typing import Final

from jobs.exceptions import TransitionNotAllowed


class Status(StrEnum):
    """How a job is."""

    READY = "ready"
    RUNNING = "running"
    PENDING_APPROVAL = "pending_approval"
    TRAPPED = "trapped"
    TRAP_PAUSED = "trap_paused"
    ROLLBACK = "rollback"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ABEND = "abend"
    CANCELLED = "cancelled"
    ERROR = "error"
    FINISHED = "finished"


class Step(StrEnum):
    """Where a job is. CHECK runs before the job exists, so no job is ever there."""

    CHECK = "CHECK"
    INIT = "INIT"
    PRE = "PRE"
    RUN = "RUN"
    POST = "POST"
    END = "END"


class Outcome(StrEnum):
    """The result so far, which POST keeps."""

    FINISHED = "finished"
    ERROR = "error"


class Event(StrEnum):
    """What can happen to a job."""

    START = "start"
    STEP_OK = "step_ok"
    FAIL = "fail"
    UNDO = "undo"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"
    ASKED_UNDONE = "asked_undone"
    ASKED_UNDO_FAILED = "asked_undo_failed"
    AWAIT_APPROVAL = "await_approval"
    APPROVE = "approve"
    REJECT = "reject"
    TRAP = "trap"
    RETRY = "retry"
    SKIP = "skip"
    PAUSE = "pause"
    RESUME = "resume"
    BLOCK = "block"
    EXPIRE = "expire"
    ABANDON = "abandon"
    CANCEL = "cancel"
    RERUN = "rerun"
    RESCHEDULE = "reschedule"
    ASK_ROLLBACK = "ask_rollback"
    DELETE = "delete"


class Place(Enum):
    """A step or status that the facts of the job decide."""

    SAME = "same"
    ASKED = "the step asked for"
    LAST_RAN = "the last of PRE and RUN that ran"
    OUTCOME = "the outcome so far"
    BEFORE_EXPIRY = "what it was before it expired"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class State:
    """Step and status of one job."""

    step: Step
    status: Status


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table needs to know of a job besides its state.

    Attributes:
        outcome: The result so far.
        run_begun: RUN has begun in this attempt, so the job expires and is rescheduled no more.
        before_expiry: The status it had when it expired.
        last_ran: The last of PRE and RUN that began, ``None`` when neither did.
        asked_step: The step a rerun names.
    """

    outcome: Outcome | None = None
    run_begun: bool = False
    before_expiry: Status | None = None
    last_ran: Step | None = None
    asked_step: Step | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where an event leads."""

    step: Step | Place
    status: Status | Place
    only_before_run: bool = False


ACTIVE: Final = frozenset(
    {
        Status.READY,
        Status.RUNNING,
        Status.PENDING_APPROVAL,
        Status.TRAPPED,
        Status.TRAP_PAUSED,
        Status.ROLLBACK,
    }
)
ENDED: Final = frozenset(Status) - ACTIVE
RUNNER_STATUSES: Final = frozenset({Status.RUNNING, Status.ROLLBACK})
"""In these a worker has the job, or is about to take it over."""

RERUNNABLE: Final = frozenset(Status) - {Status.RUNNING, Status.TRAPPED, Status.TRAP_PAUSED, Status.ROLLBACK}
RERUN_STEPS: Final = (Step.PRE, Step.RUN, Step.POST)
FIRST: Final = State(Step.INIT, Status.RUNNING)
"""The state in which a job comes into being, after CHECK."""

_DEPLOYING: Final = (Step.PRE, Step.RUN)
_WORKING: Final = (Step.PRE, Step.RUN, Step.POST)
_ALL: Final = (Step.INIT, Step.PRE, Step.RUN, Step.POST, Step.END)
_TRAPPED: Final = (Status.TRAPPED, Status.TRAP_PAUSED)
_SAME: Final = Place.SAME

_Row = tuple[tuple[Step, ...], tuple[Status, ...], Event, Target]

_ROWS: Final[tuple[_Row, ...]] = (
    ((Step.INIT,), (Status.RUNNING,), Event.STEP_OK, Target(Step.PRE, Status.READY)),
    ((Step.INIT,), (Status.RUNNING,), Event.FAIL, Target(Step.END, Status.ERROR)),
    (_WORKING, (Status.READY,), Event.START, Target(_SAME, Status.RUNNING)),
    ((Step.PRE,), (Status.RUNNING,), Event.STEP_OK, Target(Step.RUN, Status.READY)),
    ((Step.RUN,), (Status.RUNNING,), Event.STEP_OK, Target(Step.POST, Status.READY)),
    ((Step.POST,), (Status.RUNNING,), Event.STEP_OK, Target(Step.END, Place.OUTCOME)),
    (_DEPLOYING, (Status.RUNNING, *_TRAPPED), Event.FAIL, Target(Step.POST, Status.READY)),
    ((Step.POST,), (Status.RUNNING, *_TRAPPED), Event.FAIL, Target(Step.END, Status.ERROR)),
    (_DEPLOYING, (Status.RUNNING, *_TRAPPED), Event.UNDO, Target(_SAME, Status.ROLLBACK)),
    (_DEPLOYING, (Status.ROLLBACK,), Event.UNDONE, Target(Step.POST, Status.READY)),
    (_DEPLOYING, (Status.ROLLBACK,), Event.UNDO_FAILED, Target(Step.POST, Status.READY)),
    (_DEPLOYING, (Status.ROLLBACK,), Event.ASKED_UNDONE, Target(Step.END, Status.FINISHED)),
    (_DEPLOYING, (Status.ROLLBACK,), Event.ASKED_UNDO_FAILED, Target(Step.END, Status.ERROR)),
    (_WORKING, (Status.RUNNING,), Event.AWAIT_APPROVAL, Target(_SAME, Status.PENDING_APPROVAL)),
    (_WORKING, (Status.PENDING_APPROVAL,), Event.APPROVE, Target(_SAME, Status.READY)),
    (_WORKING, (Status.PENDING_APPROVAL,), Event.REJECT, Target(_SAME, Status.REJECTED)),
    (_WORKING, (Status.RUNNING,), Event.TRAP, Target(_SAME, Status.TRAPPED)),
    (_WORKING, (Status.RUNNING,), Event.BLOCK, Target(_SAME, Status.READY)),
    (_WORKING, _TRAPPED, Event.RETRY, Target(_SAME, Status.READY)),
    (_WORKING, _TRAPPED, Event.SKIP, Target(_SAME, Status.READY)),
    (_WORKING, (Status.TRAPPED,), Event.PAUSE, Target(_SAME, Status.TRAP_PAUSED)),
    (_WORKING, (Status.TRAP_PAUSED,), Event.RESUME, Target(_SAME, Status.TRAPPED)),
    (_DEPLOYING, (Status.READY, Status.PENDING_APPROVAL), Event.EXPIRE, Target(_SAME, Status.EXPIRED, True)),
    ((Step.INIT, *_WORKING), (Status.RUNNING,), Event.ABANDON, Target(_SAME, Status.ABEND)),
    (_DEPLOYING, (Status.ROLLBACK,), Event.ABANDON, Target(_SAME, Status.ABEND)),
    ((Step.INIT, *_WORKING), tuple(sorted(ACTIVE)), Event.CANCEL, Target(_SAME, Status.CANCELLED)),
    (_ALL, tuple(sorted(RERUNNABLE)), Event.RERUN, Target(Place.ASKED, Status.READY)),
    (_WORKING, (Status.READY, Status.PENDING_APPROVAL), Event.RESCHEDULE, Target(_SAME, _SAME, True)),
    (_DEPLOYING, (Status.EXPIRED,), Event.RESCHEDULE, Target(_SAME, Place.BEFORE_EXPIRY, True)),
    (_ALL, tuple(sorted(ENDED)), Event.ASK_ROLLBACK, Target(Place.LAST_RAN, Status.ROLLBACK)),
    (_ALL, tuple(sorted(ENDED)), Event.DELETE, Target(Place.GONE, Place.GONE)),
)


def _can_be(step: Step, status: Status) -> bool:
    """Return whether a job can be in this state at all; the rows name steps and statuses in bulk."""
    if step is Step.END:
        return status in {Status.FINISHED, Status.ERROR}
    if step is Step.INIT:
        return status in {Status.RUNNING, Status.ABEND, Status.CANCELLED}
    if status in {Status.ROLLBACK, Status.EXPIRED}:
        return step in _DEPLOYING
    return status not in {Status.FINISHED, Status.ERROR} and step is not Step.CHECK


STATES: Final = frozenset(
    State(step, status) for step, status in product(Step, Status) if _can_be(step, status)
)
"""Every state a job can be in."""


def _expand(rows: tuple[_Row, ...]) -> Iterator[tuple[tuple[State, Event], Target]]:
    for steps, statuses, event, target in rows:
        for step, status in product(steps, statuses):
            if State(step, status) in STATES:
                yield (State(step, status), event), target


TRANSITIONS: Final[Mapping[tuple[State, Event], Target]] = dict(_expand(_ROWS))


def next_state(state: State, event: Event, facts: Facts) -> State | None:
    """Return the state a job takes when ``event`` happens to it, ``None`` when the job is gone.

    Args:
        state: Step and status read under the row lock, never from a form or a cached object.
        event: What happened.
        facts: What the row decides by.

    Raises:
        TransitionNotAllowed: The pair is not in ``TRANSITIONS``, or its condition does not hold.

    Source: product document, "Estados del pase"; contract, section 4.
    """
    target = TRANSITIONS.get((state, event))
    if target is None or (target.only_before_run and facts.run_begun):
        raise TransitionNotAllowed(state.step, state.status, event)
    if target.step is Place.GONE:
        return None
    step = _resolve_step(target.step, state, facts)
    status = _resolve_status(target.status, state, facts)
    if step is None or status is None:
        raise TransitionNotAllowed(state.step, state.status, event)
    return State(step, status)


def _resolve_step(target: Step | Place, state: State, facts: Facts) -> Step | None:
    if isinstance(target, Step):
        return target
    if target is Place.ASKED:
        return facts.asked_step if facts.asked_step in RERUN_STEPS else None
    if target is Place.LAST_RAN:
        return facts.last_ran
    return state.step


def _resolve_status(target: Status | Place, state: State, facts: Facts) -> Status | None:
    if isinstance(target, Status):
        return target
    if target is Place.OUTCOME:
        # POST cannot improve what PRE and RUN came to, and nothing is not finished.
        return Status(facts.outcome) if facts.outcome else Status.ERROR
    if target is Place.BEFORE_EXPIRY:
        return facts.before_expiry
    return state.status
