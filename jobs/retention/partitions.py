"""The partitions of the log, one for each range of jobs: made ahead, dropped or emptied when nothing is left in them.

The catalogue of the database knows the bounds. A job whose partition was not made in time, or is dropped already, has its
lines in the rest, the default partition, which costs nothing but that they share a file. Whatever locks more than one
partition gives up after ``LOCK_MS`` and is tried again later: who waits behind it waits no longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from psycopg import sql

TABLE: Final = "jobs_logchunk"
REST: Final = "jobs_logchunk_rest"
WIDTH: Final = 10_000
"""Jobs in a partition: some gigabytes of log, and a hundred partitions for a million jobs."""

AHEAD: Final = 2
"""So many partitions without a job are there: enough for the jobs of many minutes, should the daemon be away."""

LOCK_MS: Final = 100
_BOUNDS: Final = re.compile(r"FOR VALUES FROM \('?(\d+)'?\) TO \('?(\d+)'?\)")

_PARTITIONS: Final = """
SELECT part.relname, pg_get_expr(part.relpartbound, part.oid)
FROM pg_inherits link JOIN pg_class part ON part.oid = link.inhrelid
WHERE link.inhparent = 'jobs_logchunk'::regclass AND NOT link.inhdetachpending
"""
_LAST_JOB: Final = """
SELECT greatest((SELECT coalesce(max(id), 0) FROM jobs_job),
                (SELECT last_value FROM jobs_job_id_seq), (SELECT coalesce(max(job_id), 0) FROM jobs_logchunk_rest))
"""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A partition: jobs from ``low`` on, below ``high``."""

    low: int
    high: int
    name: str


def partitions() -> list[Partition]:
    """Return all partitions but the rest, in the order of their jobs."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        rows = cursor.fetchall()
    found = ((name, _BOUNDS.fullmatch(bounds)) for name, bounds in rows)
    return sorted(Partition(int(match[1]), int(match[2]), name) for name, match in found if match)


def last_job() -> int:
    """Return the largest number that was given to a job, or may have been."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_JOB)
        return int(cursor.fetchone()[0])


def make_ahead(width: int = WIDTH) -> list[str]:
    """Make the partitions of jobs to come; return their names.

    Jobs whose lines are in the rest stay there: partitions begin behind them.
    """
    found, last = partitions(), last_job()
    edge = max((part.high for part in found), default=0)
    made: list[str] = []
    missing = AHEAD - sum(part.low > last for part in found)
    if missing <= 0:
        return made
    if edge <= last:
        edge = (last // width + 1) * width
    for _ in range(missing):
        name = f"{TABLE}_{edge}"
        if not _make(name, edge, edge + width):
            break
        made.append(name)
        edge += width
    return made


def _make(name: str, low: int, high: int) -> bool:
    """Make a partition; return whether it could be had without waiting for anybody.

    Attached and not created in place: that locks nothing but the rest, which nearly nobody uses.
    """
    with in_short_time() as done, connection.cursor() as cursor:
        create_like(cursor, name)
        attach(cursor, name, low, high)
    return done.is_done


def create_like(cursor: Any, name: str) -> None:
    """Create a table in the shape of the log, which is no part of it yet."""
    cursor.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(sql.Identifier(name), sql.Identifier(TABLE))
    )


def attach(cursor: Any, name: str, low: int, high: int) -> None:
    """Make a table the partition of a range of jobs."""
    command = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    cursor.execute(
        command.format(sql.Identifier(TABLE), sql.Identifier(name), sql.Literal(low), sql.Literal(high))
    )


def detach(cursor: Any, name: str) -> None:
    """Make a partition a table of its own; its name is free for another one afterwards."""
    command = sql.SQL("ALTER TABLE {} DETACH PARTITION {}")
    cursor.execute(command.format(sql.Identifier(TABLE), sql.Identifier(name)))


@dataclass(slots=True)
class Tried:
    """Whether the block came to its end."""

    is_done: bool = False


@contextmanager
def in_short_time(lock_ms: int = LOCK_MS, statement_ms: int = 0) -> Iterator[Tried]:
    """Run the block in a transaction that gives up when it has to wait, or lasts too long; nothing was done then.

    Args:
        lock_ms: How long it waits for a lock.
        statement_ms: How long one statement may take; 0 for as long as it needs.
    """
    tried = Tried()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {int(lock_ms)}")
            cursor.execute(f"SET LOCAL statement_timeout = {int(statement_ms)}")
            yield tried
        tried.is_done = True
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") not in _GAVE_UP:
            raise


_GAVE_UP: Final = frozenset({"55P03", "57014", "40P01"})
"""Codes of a lock that was not free, of a statement that took too long, and of a deadlock."""
