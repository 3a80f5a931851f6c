"""How walking a step of a rule can end, and the signals that travel up the tree on the way there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from rules.engine.registry import OperationType


class RecordStatus(StrEnum):
    """How one operation is, as recorded under its path."""

    RUNNING = "running"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    IGNORED = "ignored"
    FAILED = "failed"
    WAITING = "waiting"


_BOOKKEEPING: Final = frozenset(
    {
        *("branch", "turns", "over", "failed_at", "began", "timed_out"),
        *("kind", "since", "timeout_seconds", "on_timeout", "max_retries", "min", "exclude_creator"),
        *("trap_retries", "unjudged", "excused", "trapped", "undone"),
    }
)
"""What of a memo is the engine's own and never holds data; a secret that is spelt like it must not disturb it."""

DONE: Final = frozenset({RecordStatus.COMPLETED, RecordStatus.SKIPPED, RecordStatus.IGNORED})
"""What progress counts and what is never executed again."""

ENDED: Final = DONE | {RecordStatus.FAILED}
"""What is recorded for good in this attempt."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one operation of this attempt.

    Attributes:
        status: How it is.
        value: What it answered, plain data; ``save_as`` and ``set`` are replayed from it.
        memo: What it decided: ``branch``, ``items``, ``turns``, ``over``; ``failed``, ``failed_at`` and ``began`` of its
            tries, those from the second on under ``retry[n]``; ``timed_out``: whose time limit ended it.
        error: Why it failed, or was ignored.
        started_at: When it began; a time limit counts from here, also in another worker.
        finished_at: When it was done.
    """

    status: RecordStatus
    value: Any = None
    memo: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def masked(self, kind: OperationType | None, mask: Callable[[Any], Any]) -> Record:
        """Return the record as it may be stored.

        Args:
            kind: Of the operation, which knows what in its answer are names.
            mask: Hides secrets in plain data.
        """
        value = mask(self.value) if kind is None else kind.masked(self.value, mask)
        return replace(self, value=value, error=str(mask(self.error)), memo=_masked_memo(self.memo, mask))


def _masked_memo(memo: Mapping[str, Any], mask: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a memo with the data in it masked: its keys are the engine's, tries from the second on have memos of their own."""
    return {
        key: value
        if key in _BOOKKEEPING
        else _masked_memo(value, mask)
        if isinstance(value, Mapping)
        else mask(value)
        for key, value in memo.items()
    }


@dataclass(frozen=True, slots=True)
class Completed:
    """Every operation of the step was completed, skipped or ignored."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation failed and nothing caught it."""

    message: str
    path: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The worker was told to stop; another goes on from the recorded place."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job waits for a person or a slot and holds no worker meanwhile.

    Attributes:
        kind: What it waits for.
        path: The operation that waits; its record is ``waiting``.
        details: Plain data for the waiting room: approvers, the error of a trap, the semaphore's name.
    """

    kind: Literal["approval", "trap", "semaphore"]
    path: str
    details: Mapping[str, Any]


StepOutcome = Completed | Failed | HandedOver | Waiting


class OperationFailed(Exception):
    """An operation did not do what it should: expected, so it can be retried, ignored, caught or trapped.

    Args:
        message: One or more sentences for people.
        path: The operation, filled in by the walker when the operation itself does not know.
        value: What ``save_as`` holds all the same, such as the return code.
    """

    def __init__(self, message: str, *, path: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.message, self.path, self.value = message, path, value


class TimedOut(OperationFailed):
    """The time limit of ``owner`` ran out.

    Only the owner's own options may deal with it, not those of the operation inside that noticed.
    """

    def __init__(self, message: str, *, owner: str) -> None:
        super().__init__(message, path=owner)
        self.owner = owner


class Suspended(Exception):
    """An operation makes the job wait."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__(waiting.kind)
        self.waiting = waiting


class Interrupted(Exception):
    """The runner must leave: it was told to hand over. Nothing in a rule can catch this."""
