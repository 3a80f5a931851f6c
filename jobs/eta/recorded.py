"""What the records of the engine say about time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jobs.eta.forecast import Seen
from rules.engine import waits
from rules.engine.frames import decisions_of
from rules.engine.outcomes import ENDED, Record, RecordStatus

_SECOND_TRY: Final = 2


def seen_of(record: Record) -> Seen:
    """Return what a record says about time: time in which the job stood there for somebody is no work."""
    last = waits.current_try(record)
    stood = sum(_number(decisions_of(record, tries).get(waits.EXCUSED)) for tries in range(1, last + 1))
    branch = record.memo.get("branch")
    ended = record.status in ENDED
    return Seen(
        has_ended=ended,
        began_at=None if record.status is RecordStatus.WAITING else _began(record, last),
        stood=stood,
        branch=branch if isinstance(branch, str) else None,
        seconds=_seconds(record, stood) if ended else None,
        ended_at=record.finished_at if ended else None,
    )


def _seconds(record: Record, stood: float) -> float | None:
    """Return how long an operation worked, ``None`` where people had a hand in it: nobody knows how long they took."""
    if waits.TRAPPED in record.memo or record.memo.get(waits.RETRIES):
        return None
    if record.status is RecordStatus.SKIPPED:
        return 0.0
    if record.started_at is None or record.finished_at is None:
        return None
    return (record.finished_at - record.started_at).total_seconds() - stood


def _began(record: Record, last: int) -> datetime | None:
    """Return since when what is under way counts: after a trap only its newest try does."""
    mine: Mapping[str, Any] = decisions_of(record, last) if last >= _SECOND_TRY else {}
    began = mine.get("began")
    if record.memo.get(waits.RETRIES) and isinstance(began, str):
        return datetime.fromisoformat(began)
    return record.started_at


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
