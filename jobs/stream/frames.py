"""Events as a stream tells them: a job as it was then, lines of its log, made once for all who read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from jobs import selectors
from jobs.log.reader import LogEntry, read_entries
from jobs.models import Event, Job
from jobs.stream import reading
from jobs.stream.position import Position
from jobs.stream.reading import Row

JOB: Final = Event.Kind.JOB.value
LOG: Final = Event.Kind.LOG.value
DELETED: Final = Event.Kind.DELETED.value
RIGHTS: Final = Event.Kind.RIGHTS.value
PIECE_BYTES: Final = 1 << 15

_DATES: Final = frozenset({"scheduled_at", "max_start_at", "started_at", "finished_at"})


class Piece(NamedTuple):
    """Bytes for the wire, and where a reader is who got them."""

    position: Position
    data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One event.

    Attributes:
        id: Its number.
        kind: ``job``, ``log`` or ``deleted``.
        environment_id: Who may not see it is not told.
        shown: The job as it was then, as lists represent it; of one that is gone, what is known.
        pieces: What is sent; ``None`` when nobody wanted it when it was made.
        is_cut: More lines of it are to be read.
    """

    id: int
    kind: str
    environment_id: int
    shown: Mapping[str, Any]
    pieces: tuple[Piece, ...] | None = None
    is_cut: bool = False

    @property
    def end(self) -> Position:
        """Where a reader is who got all of it that is here."""
        return self.pieces[-1].position if self.is_cut and self.pieces else Position(self.id)

    @property
    def size(self) -> int:
        """Bytes for the wire."""
        return sum(len(piece.data) for piece in self.pieces or ())


@dataclass(frozen=True, slots=True)
class Represent:
    """How the API shows things: the stream shows them the same."""

    job: Callable[[Job], dict[str, Any]]
    entry: Callable[[LogEntry], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read at once.

    Attributes:
        rows: Events.
        size: Bytes for the wire; the last event may go beyond.
        cuts: Whether an event of a log may be left in the middle, to keep to the size.
    """

    rows: int
    size: int
    cuts: bool


FOR_ALL: Final = Bounds(500, 1 << 20, cuts=False)
"""What is read once for everybody who listens."""

FOR_ONE: Final = Bounds(100, 1 << 17, cuts=True)
"""What is read for one reader who is behind: as much may wait for each of them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive events.

    Attributes:
        frames: What can be told, in order.
        rights: Whose rights changed among them.
        statuses: Job and status that each event tells; ``None`` for a job that is gone.
        end: Everything up to here is in it.
        is_full: There may be more.
    """

    frames: tuple[Frame, ...]
    rights: tuple[Mapping[str, Any], ...]
    statuses: tuple[tuple[int, str | None], ...]
    end: Position
    is_full: bool


Wants = Callable[[Frame], bool]


def read_batch(
    after: Position, up_to: int, wants: Wants, represent: Represent, bounds: Bounds = FOR_ONE
) -> Batch:
    """Return what follows ``after``.

    Args:
        after: Where the reader is.
        up_to: A horizon that was read before.
        wants: Asked of each frame without pieces; only for those it wants they are made.
        represent: How the API shows things.
        bounds: How much at most.
    """
    rows = reading.rows_after(after, up_to, bounds.rows)
    is_full = len(rows) == bounds.rows
    frames: list[Frame] = []
    size, end = 0, Position(rows[-1].id if is_full else max(up_to, after.event))
    for frame in _frames(rows, after, wants, represent, bounds):
        frames.append(frame)
        size += frame.size
        if size > bounds.size or frame.is_cut:
            is_full, end = True, frame.end
            break
    seen = [row for row in rows if row.id <= end.event]
    return Batch(
        tuple(frames),
        tuple(row.data for row in seen if row.kind == RIGHTS),
        tuple((row.job_id, _state_of(row).get("status")) for row in seen if row.job_id is not None),
        end,
        is_full,
    )


def encode(event: str, position: Position, data: Any) -> bytes:
    """Return one event for the wire."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {position}\nevent: {event}\ndata: {text}\n\n".encode(errors="replace")


def _state_of(row: Row) -> Mapping[str, Any]:
    if row.kind == LOG:
        state: Mapping[str, Any] = row.data["state"]
        return state
    return row.data if row.kind == JOB else {}


def _frames(
    rows: Sequence[Row], after: Position, wants: Wants, represent: Represent, bounds: Bounds
) -> Iterator[Frame]:
    jobs = selectors.jobs_as_listed(row.job_id for row in rows if row.kind in (JOB, LOG) and row.job_id)
    for row in rows:
        if row.job_id is None or row.environment_id is None:
            continue
        if row.kind == DELETED:
            frame = Frame(row.id, DELETED, row.environment_id, row.data)
        elif (job := jobs.get(row.job_id)) is not None:
            _put_back(job, _state_of(row))
            frame = Frame(row.id, row.kind, row.environment_id, represent.job(job))
        else:
            continue  # an event of its own says that it is gone
        if wants(frame):
            line = after.line if row.id == after.event else None
            frame = _with_pieces(frame, row, line, represent, bounds)
        yield frame


def _with_pieces(frame: Frame, row: Row, line: int | None, represent: Represent, bounds: Bounds) -> Frame:
    if frame.kind == LOG:
        return _lines(frame, row, line, represent, bounds)
    position = Position(frame.id)
    data = {"id": frame.shown["id"]} if frame.kind == DELETED else frame.shown
    return replace(frame, pieces=(Piece(position, encode(frame.kind, position, data)),))


def _put_back(job: Job, state: Mapping[str, Any]) -> None:
    """Make a job what it was: it is told as it was at each event, never as a mix of then and now."""
    for name, value in state.items():
        setattr(job, name, datetime.fromisoformat(value) if name in _DATES and value is not None else value)


def _lines(frame: Frame, row: Row, line: int | None, represent: Represent, bounds: Bounds) -> Frame:
    """Return the frame with the lines of a log, many to a piece; each line has an id of its own."""
    assert row.job_id is not None
    first, last = int(row.data["first"]), int(row.data["last"])
    after = max(first - 1, line or 0)
    if after >= last:
        return replace(frame, pieces=())
    pieces: list[Piece] = []
    ready = bytearray()
    size, position = 0, Position(row.id, after)
    for entry in read_entries(row.job_id, after=after, limit=last - after, up_to=last).entries:
        position = Position(row.id, entry.id)
        ready += encode(LOG, position, {"job": row.job_id, "entry": represent.entry(entry)})
        if len(ready) >= PIECE_BYTES:
            pieces.append(Piece(position, bytes(ready)))
            size += len(ready)
            ready.clear()
            if bounds.cuts and size > bounds.size:
                break
    if ready:
        pieces.append(Piece(position, bytes(ready)))
    is_cut = bool(pieces) and position.line is not None and position.line < last
    return replace(frame, pieces=tuple(pieces), is_cut=is_cut and bounds.cuts)
