"""One try of one operation, and what is known of it from its record. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rules.engine.call import Deadline
from rules.engine.context import Scope
from rules.engine.outcomes import ENDED, OperationFailed, Record, RecordStatus, TimedOut
from rules.tree import RuleNode

_FAILED_FOR_GOOD: Final = frozenset({RecordStatus.FAILED, RecordStatus.IGNORED, RecordStatus.SKIPPED})
"""Of an operation whose last try is walked again: one that ``when`` left out has no try."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One try of one operation on the way down: where it is, what it sees, until when, and what is known of it.

    Attributes:
        node: The operation as written.
        path: Its path.
        scope: The names it sees.
        record: What is recorded of it, over all tries.
        name: Its rendered name.
        attempt: Which try this is, from 1.
        deadline: The nearest time limit.
    """

    node: RuleNode
    path: str
    scope: Scope
    record: Record
    name: str = ""
    attempt: int = 1
    deadline: Deadline | None = None

    @property
    def base(self) -> str:
        """The path that children hang under: from the second try on they have paths of their own."""
        return self.path if self.attempt == 1 else f"{self.path}/{attempt_key(self.attempt)}"

    @property
    def decisions(self) -> Mapping[str, Any]:
        """What this try decided so far: branch, items, turns."""
        return decisions_of(self.record, self.attempt)

    @property
    def failed_before(self) -> str | None:
        """Why this try is known to have failed, when another runner or an earlier walk saw it fail."""
        failed = self.decisions.get("failed")
        if failed is None and self.record.status in _FAILED_FOR_GOOD:
            return self.record.error
        return failed if isinstance(failed, str) else None

    @property
    def began_at(self) -> datetime | None:
        """When this try began; its time limit counts from here, also in another worker."""
        began = self.decisions.get("began")
        return datetime.fromisoformat(began) if isinstance(began, str) else self.record.started_at

    @property
    def only_replays(self) -> bool:
        """Whether all that this try did is recorded, so that nothing may be executed below it."""
        return self.record.status in ENDED or "failed" in self.decisions


def attempt_key(attempt: int) -> str:
    """Return the path segment and the place in the memo of a try from the second on."""
    return f"retry[{attempt}]"


def decisions_of(record: Record, attempt: int) -> Mapping[str, Any]:
    """Return what one try of an operation decided; later tries decide anew and so have their own part of the memo."""
    if attempt == 1:
        return record.memo
    found = record.memo.get(attempt_key(attempt), {})
    return found if isinstance(found, Mapping) else {}


def failure_of(record: Record, path: str, message: str | None = None) -> OperationFailed:
    """Return the failure that was recorded, a time limit of an operation around as what it was."""
    owner = record.memo.get("timed_out")
    text = record.error if message is None else message
    if isinstance(owner, str):
        return TimedOut(text, owner=owner)
    return OperationFailed(text, path=path, value=record.value)


def timed_out(deadline: Deadline) -> TimedOut:
    """Return the failure of whoever set ``deadline``."""
    return TimedOut(f"The time limit of {deadline.limit} ran out.", owner=deadline.owner)
