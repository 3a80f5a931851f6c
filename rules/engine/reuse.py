"""What of a step's records is kept when the step is begun again at one of its operations. Pure.

The walk then replays what came before, finds no record at the operation, and goes on from there. The operations around
it are open again, with the decisions that led to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rules.engine.frames import attempt_key, decisions_of
from rules.engine.outcomes import DONE, Record, RecordStatus
from rules.engine.waits import current_try
from rules.tree import ancestors

_PART: Final = re.compile(
    r"(?:retry\[(?P<retry>\d+)\]/)?(?P<block>[^/\[\]]+)(?:\[(?P<turn>\d+)\])?/(?P<index>\d+)"
)
_ORDER: Final = {"try": 0, "catch": 1, "finally": 2}
"""Blocks of one operation that run one after the other; of others only one runs."""
_OF_A_TRY: Final = frozenset({"failed", "failed_at", "timed_out", "over", "waiting", "excused", "unjudged"})
"""What a try that is begun again does not know yet."""


@dataclass(frozen=True, slots=True, order=True)
class _Part:
    """One operation on the way down: in which try and block of the one around it, in which turn, at which place."""

    retry: int
    order: int
    turn: int
    index: int
    block: str


def kept(records: Mapping[str, Record], start: str, now: datetime) -> tuple[set[str], dict[str, Record]]:
    """Return what is kept of a step that begins again at the operation under ``start``.

    Args:
        records: All of the step, by path.
        start: Path of the operation that is to run first.
        now: The present, from which time limits around it count.

    Returns:
        Paths whose records are kept as they are, and the records of the operations around, which are open again.
    """
    around = dict(ancestors(start))
    goal = _parts(start)
    same = {
        path
        for path, record in records.items()
        if path not in around and _is_before(_parts(path), goal, path, records, record)
    }
    opened = {path: _opened(records[path], tries, path, start, now) for path, tries in around.items()}
    return same, opened


def _parts(path: str) -> tuple[_Part, ...]:
    step, _, rest = path.partition("/")
    index, _, below = rest.partition("/")
    found = [_Part(1, 0, 0, int(index), step)]
    for match in _PART.finditer(below):
        block = match["block"]
        found.append(
            _Part(
                int(match["retry"] or 1),
                _ORDER.get(block, 0),
                int(match["turn"] or 0),
                int(match["index"]),
                block,
            )
        )
    return tuple(found)


def _is_before(
    parts: tuple[_Part, ...],
    goal: tuple[_Part, ...],
    path: str,
    records: Mapping[str, Record],
    record: Record,
) -> bool:
    if any(part.block == "rollback" for part in parts):
        return False
    for depth, (mine, its) in enumerate(zip(parts, goal, strict=False)):
        if mine == its:
            continue
        if mine.block == its.block == "parallel" and mine.retry == its.retry:
            # Branches have no order: another one's result is reused when it came to one.
            branch = records.get("/".join(path.split("/")[: _length(parts[: depth + 1])]))
            return branch is not None and branch.status in DONE
        return mine < its
    return False


def _length(parts: tuple[_Part, ...]) -> int:
    """Return how many segments a path of these parts has."""
    return 2 + sum(3 if part.retry > 1 else 2 for part in parts[1:])


def _opened(record: Record, tries: int, path: str, start: str, now: datetime) -> Record:
    """Return the record of an operation around ``start``: under way, in the try that holds it."""
    decisions: dict[str, Any] = {
        name: value for name, value in decisions_of(record, tries).items() if name not in _OF_A_TRY
    }
    if "turns" in decisions:
        below = _parts(start)[len(_parts(path))]
        decisions["turns"] = below.turn + 1
    later = {attempt_key(number) for number in range(tries, current_try(record) + 1) if number > 1}
    if tries == 1:
        memo = {name: value for name, value in decisions.items() if name not in later}
    else:
        first = {name: value for name, value in record.memo.items() if name not in later}
        memo = {**first, attempt_key(tries): {**decisions, "began": now.isoformat()}}
    return Record(RecordStatus.RUNNING, memo=memo, started_at=now)
