"""Records of operations at which a job stands, and what becomes of them when somebody decides. Pure.

The interpreter writes them, the answers of people and of the daemon change them, and the next walk reads them: an
answer is nothing but another record under the same path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from rules.engine.frames import attempt_key, decisions_of
from rules.engine.outcomes import Record, RecordStatus, Waiting

_MEMO: Final = "waiting"
RETRIES: Final = "trap_retries"
"""Place in the memo: how often people, or a trap whose time ran out, had the operation done again."""

UNJUDGED: Final = "unjudged"
"""Place in the memo: the condition ``when`` could not be worked out, so it is not known yet whether to skip it."""

EXCUSED: Final = "excused"
"""Place in the memo: seconds that the job stood within the operation, which its time limit does not count."""

TRAPPED: Final = "trapped"
"""Place in the memo: a person skipped the operation after it had failed; what it did until then is replayed."""


def waiting(record: Record, found: Waiting, now: datetime, *, error: str = "", value: Any = None) -> Record:
    """Return the record of an operation at which the job stands from now on.

    Args:
        record: As it was.
        found: What it waits for.
        now: The present.
        error: Of a trap.
        value: What ``save_as`` holds when a trap is skipped.
    """
    memo = {
        **record.memo,
        _MEMO: {"kind": found.kind, "details": dict(found.details), "since": now.isoformat()},
    }
    return replace(record, status=RecordStatus.WAITING, memo=memo, error=error, value=value)


def waiting_of(record: Record, path: str) -> Waiting | None:
    """Return what the job waits for at an operation, ``None`` when it does not."""
    if record.status is not RecordStatus.WAITING:
        return None
    kept = record.memo[_MEMO]
    return Waiting(kept["kind"], path, kept["details"])


def going_on(record: Record, now: datetime) -> Record:
    """Return the record of an operation that waited for a slot and goes on: its time limit does not count the wait."""
    since = datetime.fromisoformat(record.memo[_MEMO]["since"])
    running = replace(record, status=RecordStatus.RUNNING, memo=_without(record.memo, _MEMO))
    return excused(running, current_try(running), now - since)


def judged(record: Record) -> Record:
    """Return the record of an operation whose condition could be worked out after all."""
    return replace(record, memo=_without(record.memo, UNJUDGED))


def current_try(record: Record) -> int:
    """Return the number of the try that an operation is in."""
    number = 1
    while attempt_key(number + 1) in record.memo:
        number += 1
    return number


def retried(record: Record, now: datetime) -> Record:
    """Return the record of a trapped operation that is to be tried again, with its whole number of tries."""
    memo = _without(record.memo, _MEMO)
    memo[RETRIES] = int(memo.get(RETRIES, 0)) + 1
    if not memo.get(UNJUDGED):
        tries = current_try(record)
        failed: dict[str, Any] = {"failed": record.error, "failed_at": now.isoformat()}
        if tries > 1:
            failed = {attempt_key(tries): {**decisions_of(record, tries), **failed}}
        memo = {**memo, **failed, attempt_key(tries + 1): {"began": now.isoformat()}}
    return replace(record, status=RecordStatus.RUNNING, memo=memo, error="", value=None)


def skipped(record: Record, now: datetime) -> Record:
    """Return the record of a trapped operation that is left as it is: the job goes on after it."""
    memo = {**_without(record.memo, _MEMO), TRAPPED: True}
    return replace(record, status=RecordStatus.SKIPPED, memo=memo, finished_at=now)


def aborted(record: Record, now: datetime) -> Record:
    """Return the record of a trapped operation that counts as failed."""
    memo = _without(record.memo, _MEMO)
    return replace(record, status=RecordStatus.FAILED, memo=memo, finished_at=now)


def approved(record: Record, now: datetime, signatures: list[Mapping[str, Any]]) -> Record:
    """Return the record of an approval that has enough signatures; ``save_as`` holds them."""
    memo = _without(record.memo, _MEMO)
    value = {"approved_by": [dict(signature) for signature in signatures]}
    return replace(record, status=RecordStatus.COMPLETED, memo=memo, value=value, finished_at=now)


def excused(record: Record, tries: int, stood: timedelta) -> Record:
    """Return the record of an operation within which the job stood for a while: its time limit does not count that.

    Args:
        record: Of the operation around.
        tries: Which of its tries the job stood in.
        stood: For how long.
    """
    mine = decisions_of(record, tries)
    seconds = float(mine.get(EXCUSED, 0.0)) + stood.total_seconds()
    mine = {**mine, EXCUSED: seconds}
    memo = mine if tries == 1 else {**record.memo, attempt_key(tries): mine}
    return replace(record, memo=memo)


def _without(memo: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in memo.items() if key != name}
