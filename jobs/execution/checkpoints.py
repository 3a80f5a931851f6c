"""Writing what a runner did: records of operations, guarded by its claim, in one statement."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from jobs import records
from jobs.bundle import Bundle
from jobs.choices import UndoState
from jobs.exceptions import StaleClaim
from jobs.models import Job, OperationRun
from rules.engine.outcomes import Record
from rules.engine.undo import UNDONE
from rules.tree import RuleNode

_OWN: Final = """
WITH own AS (
    UPDATE jobs_job SET operations_done = GREATEST(operations_done, %(done)s), percent = GREATEST(percent, %(percent)s),
        forecast = COALESCE(%(forecast)s::jsonb, forecast)
    WHERE id = %(job)s AND claim = %(claim)s
    RETURNING id, rule_id, environment_id
)
"""
_LOCKED: Final = """
WITH own AS (SELECT %(job)s::bigint AS id, %(rule)s::bigint AS rule_id, %(environment)s::bigint AS environment_id)
"""
# The same estimate has the same instant, however often it is written.
_SAY: Final = """, said AS (
    INSERT INTO jobs_estimate (job_id, rule_id, environment_id, attempt, step, at, p50, p90, rivals)
    SELECT own.id, own.rule_id, own.environment_id, %(attempt)s, s.step, s.at, s.p50, s.p90, s.rivals
    FROM own, jsonb_to_recordset(%(said)s::jsonb) AS s(step text, at timestamptz, p50 float8, p90 float8, rivals jsonb)
    ON CONFLICT DO NOTHING
)
"""
_PUT: Final = """
INSERT INTO jobs_operationrun (job_id, attempt, path, identifier, name, key, step, status, value, memo, error,
started_at, finished_at, undo)
SELECT own.id, %(attempt)s, r.path, r.identifier, r.name, r.key, split_part(r.path, '/', 1), r.status, r.value, r.memo,
r.error, r.started_at, r.finished_at, r.undo
FROM own, ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb) AS (
    path text, identifier text, name text, key text, status text, value jsonb, memo jsonb, error text,
    started_at timestamptz, finished_at timestamptz, undo text
)) WITH ORDINALITY AS r(path, identifier, name, key, status, value, memo, error, started_at, finished_at, undo, place)
ORDER BY r.place
ON CONFLICT (job_id, attempt, path) DO UPDATE SET
    name = EXCLUDED.name, status = EXCLUDED.status, value = EXCLUDED.value, memo = EXCLUDED.memo, error = EXCLUDED.error,
    started_at = EXCLUDED.started_at, finished_at = EXCLUDED.finished_at, undo = EXCLUDED.undo
"""


@dataclass(frozen=True, slots=True)
class Runner:
    """Who writes: one claim on one step of one attempt of one job."""

    job_id: int
    claim: UUID
    attempt: int
    step: str


def row(path: str, node: RuleNode, name: str, record: Record) -> dict[str, Any]:
    """Return the record of an operation as a row for ``write``."""
    return {
        "path": path,
        "identifier": node.options.id or path,
        "name": clean(name)[:500],
        "key": node.key,
        "status": record.status.value,
        "value": storable(record.value),
        "memo": storable(dict(record.memo)),
        "error": clean(record.error),
        "started_at": record.started_at.isoformat() if record.started_at else None,
        "finished_at": record.finished_at.isoformat() if record.finished_at else None,
        "undo": _undo_of(node, record),
    }


def _undo_of(node: RuleNode, record: Record) -> str:
    if record.memo.get(UNDONE):
        return UndoState.UNDONE.value
    if not node.options.rollback:
        return UndoState.NONE.value
    return (UndoState.BEGUN if node.options.rollback_if_failed else UndoState.COMPLETED).value


def clean(text: str) -> str:
    """Return ``text`` without what PostgreSQL cannot hold: NUL, and halves of characters."""
    return text.replace("\0", "\u2400").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def storable(value: Any) -> Any:
    """Return plain data that PostgreSQL can hold: clean texts, and no number beyond all numbers."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def write(
    runner: Runner,
    rows: Iterable[Mapping[str, Any]],
    *,
    done: int,
    percent: int,
    forecast: Mapping[str, Any] | None = None,
    said: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write records and progress, if the claim still stands, and what was said of the rest, all in one statement.

    Args:
        runner: Who writes.
        rows: Made by ``row``, in the order in which the operations were met, each path once.
        done: Leaf operations done in this attempt.
        percent: Progress; it never falls.
        forecast: What is still to come; ``None`` leaves what is there.
        said: What is to be kept of estimates, see ``Notebook.pending``; mostly there is nothing new.

    Raises:
        StaleClaim: The claim is gone; nothing was written.
    """
    rows = list(rows)
    values: dict[str, int | str | UUID | None] = {
        "job": runner.job_id,
        "claim": runner.claim,
        "attempt": runner.attempt,
        "done": done,
        "percent": percent,
        "rows": json.dumps(rows),
        "forecast": json.dumps(forecast) if forecast is not None else None,
    }
    if said:
        values["said"] = json.dumps(list(said))
    with connection.cursor() as cursor:
        cursor.execute(_OWN + (_SAY if said else "") + _PUT, values)
        if rows and cursor.rowcount == 0:
            raise StaleClaim(runner.job_id)


def add(
    job: Job,
    rows: Iterable[Mapping[str, Any]],
    bundle: Bundle,
    *,
    done: int,
    percent: int,
    forecast: Mapping[str, Any] | None = None,
    said: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Add records to what is written together, and put progress on the job, which is locked; arguments as of ``write``."""
    values = {
        "job": job.pk,
        "rule": job.rule_id,
        "environment": job.environment_id,
        "attempt": job.attempt,
        "rows": json.dumps(list(rows)),
        "said": json.dumps(list(said)),
    }
    bundle.add(_LOCKED + (_SAY if said else "") + _PUT, values)
    job.operations_done, job.percent = max(job.operations_done, done), max(job.percent, percent)
    if forecast is not None:
        job.forecast = dict(forecast)


def done_elsewhere(runner: Runner) -> int:
    """Return how many leaf operations the other steps of the attempt have done, a loop's body counted once."""
    others = [step.value for step in records.STEPS if step.value != runner.step]
    return records.done(runner.job_id, runner.attempt, others)


def load(runner: Runner, *, whole: bool = False) -> dict[str, Record]:
    """Return what is recorded of the step in this attempt, or of all its steps, by path."""
    runs = OperationRun.objects.filter(job_id=runner.job_id, attempt=runner.attempt)
    return {run.path: records.record_of(run) for run in (runs if whole else runs.filter(step=runner.step))}
