"""Where in a log something is, told from the chunks alone: no text is read.

Like ``jobs.log.reader`` it knows nothing of rights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import connection

from jobs.log.codec import Level
from jobs.log.reader import LogFilter
from jobs.log.rows import psycopg_cursor

_HOLDER: Final = """
SELECT attempt, step, operation_id FROM jobs_logchunk WHERE job_id = %(job)s AND first_line <= %(line)s
ORDER BY first_line DESC LIMIT 1"""

_BOUNDS: Final = """
SELECT (SELECT first_line FROM jobs_logchunk WHERE job_id = %(job)s AND attempt = %(attempt)s
        ORDER BY first_line LIMIT 1),
       (SELECT first_line + line_count - 1 FROM jobs_logchunk WHERE job_id = %(job)s AND attempt = %(attempt)s
        ORDER BY first_line DESC LIMIT 1)"""

# Neighbours of the same operation have the same difference of the two numbers.
_SEGMENTS: Final = """
SELECT min(first_line), max(first_line + line_count - 1), sum(line_count), attempt, step, min(operation), operation_id,
       bit_or(levels)
FROM (
    SELECT first_line, line_count, attempt, step, operation, operation_id, levels,
           row_number() OVER (ORDER BY first_line)
           - row_number() OVER (PARTITION BY attempt, step, operation_id ORDER BY first_line) AS island
    FROM jobs_logchunk WHERE job_id = %(job)s AND first_line BETWEEN %(low)s AND %(high)s {conditions}
) AS chunks
WHERE {is_hidden}
GROUP BY attempt, step, operation_id, island ORDER BY min(first_line) {direction} LIMIT %(most)s"""


@dataclass(frozen=True, slots=True)
class Holder:
    """What a line belongs to.

    Attributes:
        attempt: From 1.
        step: Code of the step.
        operation: The operation's ``id``, or its path; empty for the step itself.
    """

    attempt: int
    step: str
    operation: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive lines of one operation that are not shown.

    Attributes:
        id: Its first line.
        last: Its last line.
        lines: How many lines it has.
        attempt: From 1.
        step: Code of the step.
        path: Path of the operation.
        operation: The operation's ``id``, or its path.
        levels: Bits of the levels in it.
    """

    id: int
    last: int
    lines: int
    attempt: int
    step: str
    path: str
    operation: str
    levels: int

    @property
    def has_errors(self) -> bool:
        """Whether one of its lines is an error."""
        return bool(self.levels & Level.ERROR)


def holder_of(job_id: int, line: int) -> Holder | None:
    """Return what a line belongs to; of a line that is not there yet, the last; ``None`` when nothing was written."""
    row = _one(_HOLDER, {"job": job_id, "line": line})
    return Holder(*row) if row else None


def bounds(job_id: int, attempt: int) -> tuple[int, int]:
    """Return the first and the last line of an attempt, ``(0, 0)`` when it has none."""
    first, last = _one(_BOUNDS, {"job": job_id, "attempt": attempt}) or (None, None)
    return first or 0, last or 0


def hidden_segments(
    job_id: int, wanted: LogFilter, low: int, high: int, *, most: int, is_backward: bool = False
) -> list[Segment]:
    """Return what ``wanted`` hides between two lines, in the order of the lines.

    Args:
        job_id: Whose log.
        wanted: Its ``hidden`` and ``shown`` say what is hidden; its levels leave out what has none of them.
        low: The first line.
        high: The last line.
        most: Return this many.
        is_backward: The last ones when there are more, the first ones otherwise.
    """
    conditions, parameters = replace(wanted, hidden=frozenset(), shown=None).conditions()
    hides = ["operation_id = ANY(%(hidden)s)"]
    if wanted.shown is not None:
        hides.append("operation_id <> '' AND operation_id <> ALL(%(shown)s)")
    sql = _SEGMENTS.format(
        conditions=conditions,
        is_hidden=" OR ".join(f"({part})" for part in hides),
        direction="DESC" if is_backward else "",
    )
    values = {
        **parameters, "job": job_id, "low": low, "high": high, "most": most,
        "hidden": sorted(wanted.hidden), "shown": sorted(wanted.shown or ()),
    }  # fmt: skip
    with connection.wrap_database_errors, psycopg_cursor(connection) as cursor:
        rows = cursor.execute(sql, values).fetchall()
    found = [Segment(*row) for row in rows]
    return found[::-1] if is_backward else found


def _one(sql: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    with connection.wrap_database_errors, psycopg_cursor(connection) as cursor:
        return cursor.execute(sql, parameters).fetchone()
