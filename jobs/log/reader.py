"""Reading logs. Only chunks that can match are fetched, only what is asked for is taken apart.

Nothing here looks at rights: callers come from ``jobs.selectors`` with a job that its reader may see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection

from jobs.log.codec import Level, Lines, Stream, unpack
from jobs.log.needle import Needle
from jobs.log.room import Room, Shelf, decode
from jobs.log.rows import psycopg_cursor

_FIRST_BATCH: Final = 2
_LARGEST_BATCH: Final = 64
_SEARCHERS: Final = 2
_ENDLESS: Final = 2**62
_MILLISECOND: Final = timedelta(milliseconds=1)
_LEVEL_CODES: Final = {level.value: level.code for level in Level}
_STREAM_CODES: Final = {stream.value: stream.code for stream in Stream}

_COLUMNS: Final = (
    "first_line, line_count, attempt, step, operation, operation_id, first_at, username, size, data"
)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of a log.

    Attributes:
        id: From 1 per job, over all attempts.
        at: When it was written, aware; exact to the millisecond.
        attempt: From 1.
        step: Code of the step.
        operation: The operation's ``id``, or its path; empty for the step itself.
        level: ``debug``, ``info``, ``warning``, ``error`` or ``comment``.
        stream: ``stdout``, ``stderr`` or ``system``.
        text: The line, colour codes included; broken UTF-8 is replaced.
        user: Who said it, empty for the product and for output.
        left_out: Characters that the line goes on with after ``text``; 0 unless the reader has room for less.
        path: Path of the operation, which in a loop says which turn; empty for the step itself.
    """

    id: int
    at: datetime
    attempt: int
    step: str
    operation: str
    level: str
    stream: str
    text: str
    user: str
    left_out: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in the order of their ids.

    Attributes:
        entries: At most as many as were asked for and have room.
        next_after: Ask for what comes after this id to go on; lines up to it were looked at, whether they matched
            or not.
        previous_before: Ask for what comes before this id to go back.
        has_more: There may be more in the direction of reading.
    """

    entries: tuple[LogEntry, ...]
    next_after: int
    previous_before: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted; everything left out means all.

    Attributes:
        attempt: Of this attempt.
        step: Of this step.
        operation: Of the operation with this ``id``.
        levels: Of one of these levels.
        q: With this text in it, whatever the case, colour codes left out.
        hidden: Not of the operations with these ``id``.
        shown: Of the operations with these ``id`` or of none; ``None`` means of any.
    """

    attempt: int | None = None
    step: str | None = None
    operation: str | None = None
    levels: frozenset[str] = field(default_factory=frozenset)
    q: str = ""
    hidden: frozenset[str] = field(default_factory=frozenset)
    shown: frozenset[str] | None = None

    @property
    def mask(self) -> int:
        """Bits of the wanted levels, 0 for all.

        Raises:
            KeyError: One of them does not exist.
        """
        mask = 0
        for code in self.levels:
            mask |= Level.of(code).value
        return mask

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """Return SQL that begins with ``AND``, and its parameters."""
        parts = {
            "attempt": ("AND attempt = %(attempt)s", self.attempt),
            "step": ("AND step = %(step)s", self.step),
            "operation": ("AND operation_id = %(operation)s", self.operation),
            "mask": ("AND levels & %(mask)s <> 0", self.mask or None),
            "hidden": ("AND operation_id <> ALL(%(hidden)s)", sorted(self.hidden) or None),
            "shown": (
                "AND (operation_id = '' OR operation_id = ANY(%(shown)s))",
                None if self.shown is None else sorted(self.shown),
            ),
        }
        used = {name: part for name, part in parts.items() if part[1] is not None}
        return " ".join(sql for sql, _ in used.values()), {name: value for name, (_, value) in used.items()}


class _Chunk(NamedTuple):
    first_line: int
    line_count: int
    attempt: int
    step: str
    operation: str
    operation_id: str
    first_at: datetime
    username: str
    size: int
    data: bytes

    @property
    def last_line(self) -> int:
        return self.first_line + self.line_count - 1


def read_entries(
    job_id: int,
    wanted: LogFilter | None = None,
    *,
    after: int = 0,
    limit: int = 1000,
    up_to: int | None = None,
    room: Room | None = None,
) -> Page:
    """Return the first entries after a line.

    Args:
        job_id: Whose log.
        wanted: Which lines, all by default.
        after: Id of the last line not to return; 0 begins at the beginning.
        limit: Most entries.
        up_to: Id of the last line to look at.
        room: For their texts, any by default; one entry always has room.
    """
    wanted = wanted if wanted is not None else LogFilter()
    shelf = Shelf(limit, room)
    entries: list[LogEntry] = []
    looked_at = after
    for opened in _open(_chunks_forward(job_id, wanted, after, up_to), Needle(wanted.q)):
        chunk = opened.chunk
        for entry in _matches(opened, wanted.mask, after + 1, up_to, room=room):
            if not shelf.take(entry.text):
                return Page(tuple(entries), entries[-1].id, entries[0].id, True)
            entries.append(entry)
        looked_at = chunk.last_line if up_to is None else min(chunk.last_line, up_to)
    return Page(tuple(entries), looked_at, entries[0].id if entries else after + 1, False)


def read_entries_before(
    job_id: int,
    wanted: LogFilter | None = None,
    *,
    before: int | None = None,
    limit: int = 1000,
    room: Room | None = None,
) -> Page:
    """Return the last entries before a line, in the order of their ids.

    Args:
        job_id: Whose log.
        wanted: Which lines, all by default.
        before: Id of the first line not to return; ``None`` begins at the end.
        limit: Most entries.
        room: For their texts, any by default; one entry always has room.
    """
    wanted = wanted if wanted is not None else LogFilter()
    shelf = Shelf(limit, room)
    found: deque[LogEntry] = deque()
    up_to = None if before is None else before - 1
    looked_at = before if before is not None else 1
    last = 0
    for opened in _open(_chunks_backward(job_id, wanted, before), Needle(wanted.q)):
        chunk = opened.chunk
        last = last or (chunk.last_line if up_to is None else min(chunk.last_line, up_to))
        for entry in _matches(opened, wanted.mask, 1, up_to, room=room, is_backward=True):
            if not shelf.take(entry.text):
                return Page(tuple(found), last, found[0].id, True)
            found.appendleft(entry)
        looked_at = chunk.first_line
        if shelf.is_full:
            has_more = looked_at > 1
            return Page(tuple(found), last, found[0].id if has_more else looked_at, has_more)
    return Page(tuple(found), last or (before or 1) - 1, looked_at, False)


def tail(job_id: int, lines: int, wanted: LogFilter | None = None, room: Room | None = None) -> Page:
    """Return the last entries of a log; going on from ``next_after`` follows it."""
    return read_entries_before(job_id, wanted, limit=lines, room=room)


def count_lines(job_id: int, wanted: LogFilter | None = None) -> int:
    """Return how many lines there are in the chunks that can match: exact as long as no level and text is asked."""
    conditions, parameters = (wanted if wanted is not None else LogFilter()).conditions()
    sql = f"SELECT coalesce(sum(line_count), 0) FROM jobs_logchunk WHERE job_id = %(job)s {conditions}"
    with psycopg_cursor(connection) as cursor:
        row = cursor.execute(sql, {"job": job_id, **parameters}).fetchone()
    return int(row[0]) if row else 0


def iter_entries(job_id: int, wanted: LogFilter | None = None, *, after: int = 0) -> Iterator[LogEntry]:
    """Yield every entry, holding a few chunks at a time: a download of any length in little memory."""
    wanted = wanted if wanted is not None else LogFilter()
    needle = Needle(wanted.q)
    for opened in _open(_chunks_forward(job_id, wanted, after, None), needle):
        yield from _matches(opened, wanted.mask, after + 1, None)


def matching_lines(
    job_id: int, wanted: LogFilter, start: int, *, is_backward: bool = False, up_to: int | None = None
) -> Generator[tuple[int, int, list[int]]]:
    """Yield first line, last line and the matching ones of each chunk that can match, by their ids, which ascend.

    Lines behind ``start`` are looked at, as far as ``up_to``; backward, those before it, from the last chunk on.
    """
    low, high = (1, start - 1) if is_backward else (start + 1, up_to if up_to is not None else _ENDLESS)
    forward = not is_backward
    chunks = (
        _chunks_forward(job_id, wanted, start, up_to) if forward else _chunks_backward(job_id, wanted, start)
    )
    for chunk, lines, found_at in _open(chunks, Needle(wanted.q)):
        hits = found_at or ()
        begin, end = max(low - chunk.first_line, 0), min(high - chunk.first_line + 1, chunk.line_count)
        runs = _runs(chunk, lines, wanted.mask, begin, end) if hits else ()
        found = [chunk.first_line + index for run in runs for index in range(run[0], run[1]) if index in hits]
        yield chunk.first_line, min(chunk.last_line, high), found


def iter_text(job_id: int, wanted: LogFilter | None = None) -> Iterator[bytes]:
    """Yield the text of a log in large pieces that end with a line feed, bytes as they were written.

    Each line that a person wrote begins with ``[name]``, so that none can be taken for one of the job's own.
    """
    wanted = wanted if wanted is not None else LogFilter()
    if wanted.levels or wanted.q:
        for entry in iter_entries(job_id, wanted):
            yield _by_person(entry.text, entry.user) if entry.user else entry.text.encode() + b"\n"
        return
    for chunk in _chunks_forward(job_id, wanted, 0, None):
        text = unpack(chunk.data, chunk.size).text
        yield _by_person(text.decode(), chunk.username) if chunk.username else text + b"\n"


def _by_person(text: str, username: str) -> bytes:
    return "".join(f"[{username}] {line}\n" for line in text.splitlines() or [""]).encode()


def _chunks_forward(job_id: int, wanted: LogFilter, after: int, up_to: int | None) -> Iterator[_Chunk]:
    conditions, parameters = wanted.conditions()
    if up_to is not None:
        conditions += " AND first_line <= %(up_to)s"
        parameters["up_to"] = up_to
    sql = f"""
        SELECT {_COLUMNS} FROM jobs_logchunk
        WHERE job_id = %(job)s AND first_line >= coalesce((
            SELECT max(first_line) FROM jobs_logchunk WHERE job_id = %(job)s AND first_line <= %(from)s), 0)
        {conditions} ORDER BY first_line LIMIT %(size)s"""
    begin, size = after + 1, _FIRST_BATCH
    while batch := _fetch(sql, {"job": job_id, "from": begin, "size": size, **parameters}):
        for chunk in batch:
            if chunk.last_line >= begin:
                yield chunk
        if len(batch) < size:
            return
        begin, size = batch[-1].last_line + 1, min(size * 4, _LARGEST_BATCH)


def _chunks_backward(job_id: int, wanted: LogFilter, before: int | None) -> Iterator[_Chunk]:
    conditions, parameters = wanted.conditions()
    sql = f"""
        SELECT {_COLUMNS} FROM jobs_logchunk WHERE job_id = %(job)s AND first_line < %(before)s
        {conditions} ORDER BY first_line DESC LIMIT %(size)s"""
    size, end = _FIRST_BATCH, before if before is not None else _ENDLESS
    while batch := _fetch(sql, {"job": job_id, "before": end, "size": size, **parameters}):
        yield from batch
        if len(batch) < size:
            return
        end, size = batch[-1].first_line, min(size * 4, _LARGEST_BATCH)


def _fetch(sql: str, parameters: dict[str, Any]) -> Sequence[_Chunk]:
    with connection.wrap_database_errors, psycopg_cursor(connection) as cursor:
        # Binary: as text, compressed data would come in twice its size.
        rows = cursor.execute(sql, parameters, binary=True).fetchall()
    return [_Chunk._make(row) for row in rows]


class _Opened(NamedTuple):
    """A chunk taken apart; ``hits`` are the indexes of lines with the text that is looked for."""

    chunk: _Chunk
    lines: Lines
    hits: Collection[int] | None


def _open_one(chunk: _Chunk, needle: Needle) -> _Opened:
    lines = unpack(chunk.data, chunk.size)
    return _Opened(chunk, lines, needle.lines_of(lines.text) if needle else None)


def _open(chunks: Iterator[_Chunk], needle: Needle) -> Iterator[_Opened]:
    """Take chunks apart in their order; a search does so ahead and on two cores, which ``zlib`` allows."""
    if not needle:
        for chunk in chunks:
            yield _open_one(chunk, needle)
        return
    with ThreadPoolExecutor(_SEARCHERS) as pool:
        ahead: deque[Future[_Opened]] = deque()
        for chunk in chunks:
            ahead.append(pool.submit(_open_one, chunk, needle))
            if len(ahead) > 2 * _SEARCHERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _matches(
    opened: _Opened,
    mask: int,
    begin: int,
    up_to: int | None,
    *,
    room: Room | None = None,
    is_backward: bool = False,
) -> Iterator[LogEntry]:
    """Yield the entries of a chunk that match, with ids from ``begin`` to ``up_to``."""
    chunk, lines, hits = opened
    if hits is not None and not hits:
        return
    low = max(begin - chunk.first_line, 0)
    high = chunk.line_count if up_to is None else min(up_to - chunk.first_line + 1, chunk.line_count)
    runs = _runs(chunk, lines, mask, low, high)
    texts: list[bytes] | None = None
    for first, last, at, level, stream in reversed(tuple(runs)) if is_backward else runs:
        texts = lines.text.split(b"\n") if texts is None else texts
        for index in reversed(range(first, last)) if is_backward else range(first, last):
            if hits is not None and index not in hits:
                continue
            text, left_out = decode(texts[index], room)
            yield LogEntry(
                chunk.first_line + index,
                at,
                chunk.attempt,
                chunk.step,
                chunk.operation_id,
                level,
                stream,
                text,
                chunk.username,
                left_out,
                chunk.operation,
            )


def _runs(
    chunk: _Chunk, lines: Lines, mask: int, low: int, high: int
) -> Iterator[tuple[int, int, datetime, str, str]]:
    """Yield what lines share: first index, index past the last, time, level, stream."""
    first = 0
    for run in lines.runs:
        last = first + run.lines
        if (not mask or run.level & mask) and last > low and first < high:
            at = chunk.first_at + run.offset_ms * _MILLISECOND
            yield max(first, low), min(last, high), at, _LEVEL_CODES[run.level], _STREAM_CODES[run.stream]
        first = last
