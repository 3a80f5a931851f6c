"""Giving the disk of old logs back: a partition without jobs is dropped, one without lines emptied, one mostly dead copied.

One partition is looked at in a step, and each once in ``LOOK_AGAIN``. What is copied is only what is left, into a table of its
own, some rows at a time, while everybody reads and writes the old one. Then writers of this one partition are kept out for the
moment in which what changed meanwhile is made good and the two change places. A statement of that moment lasts at most
``SWAP_MS``, or all of it is undone and tried again later: then nobody gets at the log for that moment.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from psycopg import sql

from jobs.models import LogTable
from jobs.retention import partitions
from jobs.retention.partitions import Partition, in_short_time

logger = logging.getLogger(__name__)

LOOK_AGAIN: Final = timedelta(hours=1)
TRY_AGAIN: Final = timedelta(minutes=1)
WORTH_BYTES: Final = 8 << 20
"""Less is not worth a copy."""

DEAD_SHARE: Final = 0.5
COPY_ROWS: Final = 100
"""So many rows are copied in one statement; each holds up to 256 KiB of text, compressed."""

SWAP_MS: Final = 500
DROP_MS: Final = 2000
"""How long dropping a table waits for its lock. Nobody waits behind it, as it is no part of the log any more; and a vacuum of
its gigabytes, which takes many minutes, is only told to make room when somebody has waited for a second."""

OVERHEAD: Final = 400
"""Bytes of a row beside its data, roughly: columns, index, and the headers of what is too long for a row."""

_NEW: Final = "_new"
_OLD: Final = "_old"
_HAS_JOBS: Final = "SELECT EXISTS (SELECT FROM jobs_job WHERE id >= %s AND id < %s)"
_SIZES: Final = """
SELECT count(*), coalesce(sum(pg_column_size(data) + {overhead}), 0)::bigint, pg_total_relation_size({name}::regclass)
FROM {table}
"""
_TABLES: Final = r"""
SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition
AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'jobs_logchunk'::regclass)
AND relname ~ '^jobs_logchunk_[0-9]+(_new|_old)?$' ORDER BY relname
"""
_COPY: Final = """
INSERT INTO {new} SELECT * FROM {old}
WHERE (job_id, first_line) > (
    SELECT coalesce(max(job_id), -1), coalesce(max(first_line), 0) FROM (
        SELECT job_id, first_line FROM {new} ORDER BY job_id DESC, first_line DESC LIMIT 1) last)
ORDER BY job_id, first_line LIMIT {rows}
"""
_ADD: Final = """
INSERT INTO {new} SELECT * FROM {old} old
WHERE NOT EXISTS (SELECT FROM {new} new WHERE new.job_id = old.job_id AND new.first_line = old.first_line)
"""
_TAKE: Final = """
DELETE FROM {new} new
WHERE NOT EXISTS (SELECT FROM {old} old WHERE new.job_id = old.job_id AND new.first_line = old.first_line)
"""


def give_back(now: datetime, until: float) -> bool:
    """Give back the disk of one partition that holds little; return whether there is more to do.

    Args:
        now: The present, by the database.
        until: When to stop copying, by ``time.monotonic``.
    """
    found = {part.name: part for part in partitions.partitions()}
    loose = _loose()
    for name in loose:
        if name.removesuffix(_NEW) not in found:
            return _drop(name)
    part = next((found[name.removesuffix(_NEW)] for name in loose), None)
    if part is not None:
        return _copy(part, now, until)
    part = _next(list(found.values()), now)
    if part is None:
        return False
    _look(part, now)
    return True


def is_copying() -> bool:
    """Return whether a copy is on its way, or what one took the place of still lies there."""
    return bool(_loose())


def _loose() -> list[str]:
    """Return the tables of the log that are no partitions: copies, and what they took the place of."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return [row[0] for row in cursor.fetchall()]


def _next(found: list[Partition], now: datetime) -> Partition | None:
    """Return the partition that was not looked at for the longest time, ``None`` when all were lately."""
    seen = {row.name: row for row in LogTable.objects.all()}
    LogTable.objects.exclude(name__in=[part.name for part in found]).delete()
    for part in found:
        row = seen.get(part.name)
        if row is None or row.looked_at <= now - (TRY_AGAIN if row.tries else LOOK_AGAIN):
            return part
    return None


def _look(part: Partition, now: datetime) -> None:
    """Measure a partition, and drop, empty or begin to copy it when that gives something back."""
    lines, live, disk = sizes(part.name)
    is_past = part.high <= partitions.last_job()
    is_done = True
    if is_past and not _has_jobs(part):
        is_done = _take_out(part)
    elif not lines and disk >= WORTH_BYTES:
        is_done = _empty(part)
    elif disk - live >= WORTH_BYTES and live < disk * (1 - DEAD_SHARE):
        is_done = _begin_copy(part)
    _note(part, now, live, disk, is_done=is_done)


def _note(part: Partition, now: datetime, live: int, disk: int, *, is_done: bool) -> None:
    values = {"looked_at": now, "live_bytes": live, "disk_bytes": disk}
    row, _ = LogTable.objects.update_or_create(name=part.name, defaults=values)
    LogTable.objects.filter(pk=row.pk).update(tries=0 if is_done else F("tries") + 1)


def sizes(name: str) -> tuple[int, int, int]:
    """Return how many rows a partition has, the bytes of what is in them, and the bytes that it takes on disk."""
    query = sql.SQL(_SIZES).format(
        overhead=sql.Literal(OVERHEAD), name=sql.Literal(name), table=sql.Identifier(name)
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        lines, live, disk = cursor.fetchone()
    return int(lines), int(live), int(disk)


def _has_jobs(part: Partition) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_HAS_JOBS, [part.low, part.high])
        return bool(cursor.fetchone()[0])


def _take_out(part: Partition) -> bool:
    """Take out a partition whose jobs are all gone; return whether it could be had at once. The next step drops it.

    In two transactions, because removing large files takes its time, and nobody need wait for that.
    """
    with in_short_time(statement_ms=SWAP_MS) as tried, connection.cursor() as cursor:
        partitions.detach(cursor, part.name)
        _rename(cursor, part.name, part.name + _OLD)
    return tried.is_done


def _drop(name: str) -> bool:
    """Drop a table that is no partition; return whether it could be had at once."""
    with in_short_time(DROP_MS) as tried, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    if tried.is_done:
        logger.info("Dropped the log table %s.", name)
    return tried.is_done


def _empty(part: Partition) -> bool:
    """Empty a partition without lines, which gives its files back; return whether it could be had at once, and had none."""
    table = sql.Identifier(part.name)
    with in_short_time(statement_ms=SWAP_MS) as tried, connection.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table))
        if not cursor.fetchone()[0]:
            cursor.execute(sql.SQL("TRUNCATE TABLE {}").format(table))
    return tried.is_done


def _begin_copy(part: Partition) -> bool:
    """Make the table into which a partition is copied."""
    new = part.name + _NEW
    with in_short_time() as tried, connection.cursor() as cursor:
        partitions.create_like(cursor, new)
        # What it can hold is known, so that nothing has to be read when it becomes a partition.
        bounds = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK (job_id >= {} AND job_id < {})")
        names = sql.Identifier(new), sql.Identifier(part.name + "_bounds")
        cursor.execute(bounds.format(*names, sql.Literal(part.low), sql.Literal(part.high)))
    return tried.is_done


def _copy(part: Partition, now: datetime, until: float) -> bool:
    """Copy more of what is left of a partition; at the end let the copy take its place."""
    query = _between(_COPY, part)
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(query)
            copied = cursor.rowcount
        if copied < COPY_ROWS:
            break
        if time.monotonic() >= until:
            return True
    return _swap(part, now)


def _catch_up(part: Partition) -> None:
    """Make good what changed since it was copied, beside everybody, so that little is left to do while others wait."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_between(_ADD, part))
        cursor.execute(_between(_TAKE, part))
    with connection.cursor() as cursor:
        # Of a table that has just been filled PostgreSQL takes the size for that of before, and compares row by row.
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(part.name + _NEW)))


def _swap(part: Partition, now: datetime) -> bool:
    """Let a copy take the place of its partition; return ``False`` when it could not be had at once."""
    has_failed = LogTable.objects.filter(name=part.name, tries__gt=0).exists()
    _catch_up(part)
    began = time.monotonic()
    with in_short_time(statement_ms=SWAP_MS) as tried, connection.cursor() as cursor:
        if has_failed:
            # Who writes to this partition all the time waits for it with a lock on the whole log, which taking a partition out
            # of it needs: the two would wait for one another each time. So nobody comes in for this moment.
            cursor.execute(f"LOCK TABLE ONLY {partitions.TABLE} IN ACCESS EXCLUSIVE MODE")
        # From here on nobody writes to the old one, and what everybody has written is seen.
        cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(part.name)))
        cursor.execute(_between(_ADD, part))
        cursor.execute(_between(_TAKE, part))
        partitions.detach(cursor, part.name)
        _rename(cursor, part.name, part.name + _OLD)
        _rename(cursor, part.name + _NEW, part.name)
        partitions.attach(cursor, part.name, part.low, part.high)
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        cursor.execute(drop.format(sql.Identifier(part.name), sql.Identifier(part.name + "_bounds")))
    if not tried.is_done:
        LogTable.objects.filter(name=part.name).update(tries=F("tries") + 1)
        return False
    logger.info("Exchanged the log table %s for its copy in %.3f s.", part.name, time.monotonic() - began)
    _, live, disk = sizes(part.name)
    _note(part, now, live, disk, is_done=True)
    return True


def _between(query: str, part: Partition) -> sql.Composed:
    """Return a statement about a partition and its copy."""
    return sql.SQL(query).format(
        old=sql.Identifier(part.name), new=sql.Identifier(part.name + _NEW), rows=sql.Literal(COPY_ROWS)
    )


def _rename(cursor: Any, name: str, new: str) -> None:
    cursor.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new)))
