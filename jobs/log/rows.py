"""Chunks as rows: the one statement that numbers lines and stores them, and only while the claim stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs.bundle import Bundle
from jobs.exceptions import JobNotFound, StaleClaim
from jobs.log.assembly import Place
from jobs.log.codec import Block

INSERT: Final = """
INSERT INTO jobs_logchunk (job_id, first_line, line_count, attempt, step, operation, operation_id, thread, levels,
                           first_at, last_at, size, username, data)
SELECT slot.id, slot.log_lines - %(log_lines)s + c.first_line, c.line_count, %(log_attempt)s, c.step, c.operation,
       c.operation_id, c.thread, c.levels, c.first_at, c.last_at, c.size, c.username, c.data
FROM slot, unnest(
    %(log_first)s::int8[], %(log_counts)s::int4[], %(log_steps)s::text[], %(log_operations)s::text[],
    %(log_ids)s::text[], %(log_threads)s::int2[], %(log_levels)s::int2[], %(log_from)s::timestamptz[],
    %(log_to)s::timestamptz[], %(log_sizes)s::int4[], %(log_users)s::text[], %(log_data)b::bytea[]
) AS c(first_line, line_count, step, operation, operation_id, thread, levels, first_at, last_at, size, username, data)
"""
"""To be put behind a ``slot`` that holds the job's ``id`` and its ``log_lines`` after they were counted up."""

_GUARDED: Final = f"""
WITH slot AS (
    UPDATE jobs_job SET log_lines = log_lines + %(log_lines)s
    WHERE id = %(log_job)s AND claim = %(log_claim)s RETURNING id, log_lines
) {INSERT}"""

_OPEN: Final = f"""
WITH slot AS (
    UPDATE jobs_job SET log_lines = log_lines + %(log_lines)s WHERE id = %(log_job)s RETURNING id, log_lines
) {INSERT}"""

_ROWS: Final = """
INSERT INTO jobs_logchunk (job_id, first_line, line_count, attempt, step, operation, operation_id, thread, levels,
                           first_at, last_at, size, username, data) VALUES
"""
_ROW: Final = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"

_STORED: Final = """
SELECT EXISTS (SELECT FROM jobs_logchunk WHERE job_id = %(job)s AND attempt = %(attempt)s AND operation = %(operation)s
               AND first_at = %(first_at)s AND line_count = %(line_count)s AND data = %(data)b)
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block and the place it belongs to: one row to be."""

    place: Place
    block: Block


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks that are written by one statement.

    To write them in a statement of one's own, count ``log_lines`` of the job up by ``line_count`` in a CTE named
    ``slot`` that returns ``id`` and ``log_lines``, guarded by the claim, append ``INSERT`` and pass ``parameters()``.

    Attributes:
        job_id: Whose log.
        attempt: Of which attempt.
        chunks: In the order of their lines.
    """

    job_id: int
    attempt: int
    chunks: Sequence[Chunk]

    @property
    def line_count(self) -> int:
        """Lines in all chunks."""
        return sum(chunk.block.line_count for chunk in self.chunks)

    @property
    def size(self) -> int:
        """Bytes in all chunks."""
        return sum(len(chunk.block.data) for chunk in self.chunks)

    def written(self, connection: BaseDatabaseWrapper, claim: UUID) -> Batch:
        """Do as ``write``, and return what is left to be written: nothing."""
        self.write(connection, claim)
        return Batch(self.job_id, self.attempt, ())

    def parameters(self) -> dict[str, Any]:
        """Return what ``INSERT`` needs; all names begin with ``log_``."""
        first, firsts = 1, []
        for chunk in self.chunks:
            firsts.append(first)
            first += chunk.block.line_count
        places = [chunk.place for chunk in self.chunks]
        blocks = [chunk.block for chunk in self.chunks]
        return {
            "log_job": self.job_id,
            "log_attempt": self.attempt,
            "log_lines": first - 1,
            "log_first": firsts,
            "log_counts": [block.line_count for block in blocks],
            "log_steps": [place.step for place in places],
            "log_operations": [place.operation for place in places],
            "log_ids": [place.operation_id for place in places],
            "log_threads": [place.thread for place in places],
            "log_levels": [block.levels for block in blocks],
            "log_from": [block.first_at for block in blocks],
            "log_to": [block.last_at for block in blocks],
            "log_sizes": [block.size for block in blocks],
            "log_users": [place.username for place in places],
            "log_data": [block.data for block in blocks],
        }

    def write(self, connection: BaseDatabaseWrapper, claim: UUID) -> None:
        """Write all chunks over ``connection``, in its transaction when it is in one.

        Raises:
            StaleClaim: The claim is gone; nothing was written.
        """
        if self.chunks and execute(connection, _GUARDED, {**self.parameters(), "log_claim": claim}) == 0:
            raise StaleClaim(self.job_id)

    def write_unclaimed(self, connection: BaseDatabaseWrapper) -> None:
        """Write on behalf of a person, the daemon or a transition, which hold no claim.

        Raises:
            JobNotFound: There is no such job.
        """
        if self.chunks and execute(connection, _OPEN, self.parameters()) == 0:
            raise JobNotFound(self.job_id)

    def add_to(self, bundle: Bundle, lines: int) -> int:
        """Add all chunks to what is written together, for whoever holds the job's row, and return how many lines it has then.

        Args:
            bundle: To be sent in the same transaction as the job's row with its new count of lines.
            lines: How many lines the log has until now.
        """
        rows: list[tuple[Any, ...]] = []
        for place, block in ((chunk.place, chunk.block) for chunk in self.chunks):
            rows.append((
                self.job_id, lines + 1, block.line_count, self.attempt, place.step, place.operation, place.operation_id,
                place.thread, block.levels, block.first_at, block.last_at, block.size, place.username, block.data,
            ))  # fmt: skip
            lines += block.line_count
        if rows:
            bundle.add_rows(_ROWS, _ROW, rows)
        return lines

    def is_stored(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether these chunks are in the table: the answer after a connection broke at the wrong moment.

        They are written together, so the first speaks for all. Call it with the job's row locked.
        """
        chunk = self.chunks[0]
        values = {
            "job": self.job_id,
            "attempt": self.attempt,
            "operation": chunk.place.operation,
            "first_at": chunk.block.first_at,
            "line_count": chunk.block.line_count,
            "data": chunk.block.data,
        }
        with connection.wrap_database_errors, psycopg_cursor(connection) as cursor:
            row = cursor.execute(_STORED, values).fetchone()
        return bool(row and row[0])


def psycopg_cursor(connection: BaseDatabaseWrapper) -> psycopg.Cursor[tuple[Any, ...]]:
    """Return a cursor that sends parameters apart from the statement.

    Django's own writes them into the text of the statement, which doubles the size of binary data. The result is in
    the transaction of ``connection`` like any other cursor of it.
    """
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)


def execute(connection: BaseDatabaseWrapper, sql: str, parameters: dict[str, Any]) -> int:
    """Execute a statement and return the number of rows; errors are Django's."""
    with connection.wrap_database_errors, psycopg_cursor(connection) as cursor:
        cursor.execute(sql, parameters, prepare=True)
        return cursor.rowcount
