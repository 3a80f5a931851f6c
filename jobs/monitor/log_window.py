"""One window of the log: a few hundred lines from any place, the same work wherever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.utils import timezone

from jobs.log import places, reader
from jobs.log.places import Segment
from jobs.log.reader import LogEntry, Page
from jobs.log.room import Room
from jobs.models import Job
from jobs.monitor.log_headings import Row, runs_of
from jobs.monitor.log_lines import ROOM, Look
from jobs.monitor.log_place import Place

LINES: Final = 500
PART_LINES: Final = 1000
"""How many come at once when a script asks: fewer questions while one scrolls fast."""

LINES_ABOVE: Final = 30
"""How many lines stand above the one that a link names."""

MOST_FOLDED: Final = 200
"""How many folded operations a window holds."""

LINES_FOR_COLOURS: Final = 100
"""How far above a window a colour may have been switched on that its first lines are shown in."""

WHOLE: Final = Room(size=1, weigh=len, longest=256 << 10)
"""For one line that is shown in its full length; one that is longer still is in the file."""

_ABOVE: Final = Room(size=1 << 20, weigh=len)
_ENDLESS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown.

    Attributes:
        rows: Lines and folded operations.
        has_earlier: Whether more stands before.
        has_later: Whether more comes behind.
        next_after: The last line looked at: what follows it is new.
    """

    rows: tuple[Row, ...]
    has_earlier: bool
    has_later: bool
    next_after: int

    @property
    def first(self) -> int:
        """The first line shown or folded."""
        return self.rows[0].id if self.rows else self.next_after + 1

    @property
    def last(self) -> int:
        """The last line shown or folded."""
        end = self.rows[-1] if self.rows else None
        return end.last if isinstance(end, Segment) else end.id if end else self.next_after


def read_window(job: Job, place: Place, limit: int = LINES) -> Window:
    """Return the window that an address asks for, of at most ``limit`` lines."""
    is_backward = place.anchor is None and place.after is None
    window = _backward(job, place, limit) if is_backward else _forward(job, place, limit)
    if place.whole is None:
        return window
    rows = tuple(_whole(job, row) if row.id == place.whole else row for row in window.rows)
    return replace(window, rows=rows)


def _forward(job: Job, place: Place, limit: int) -> Window:
    begin = place.after if place.anchor is None else max(0, place.anchor - 1 - LINES_ABOVE)
    assert begin is not None
    page = _read(job, place, begin, limit)
    anchor = place.anchor
    if anchor is not None and page.has_more and page.next_after < anchor:
        # What stands above leaves no room for the line itself.
        begin = anchor - 1
        page = _read(job, place, begin, limit)
    high = page.next_after if page.has_more else _ENDLESS
    rows, is_cut, last = _with_folded(job, place, page, begin + 1, high)
    first = rows[0].id if rows else begin + 1
    has_earlier = first > (1 if job.attempt == 1 else places.bounds(job.pk, place.attempt)[0])
    return Window(rows, has_earlier, is_cut or page.has_more, last if is_cut else max(last, page.next_after))


def _read(job: Job, place: Place, after: int, limit: int) -> Page:
    return reader.read_entries(job.pk, place.shown, after=after, limit=limit, room=ROOM)


def _backward(job: Job, place: Place, limit: int) -> Window:
    page = reader.read_entries_before(job.pk, place.shown, before=place.before, limit=limit, room=ROOM)
    low = page.previous_before if page.has_more else 1
    high = place.before - 1 if place.before is not None else _ENDLESS
    rows, is_cut, last = _with_folded(job, place, page, low, high, is_backward=True)
    next_after = max(page.next_after, last)
    has_later = place.before is not None and next_after < job.log_lines
    return Window(rows, bool(rows) and (page.has_more or is_cut), has_later, next_after)


def _with_folded(
    job: Job, place: Place, page: Page, low: int, high: int, *, is_backward: bool = False
) -> tuple[tuple[Row, ...], bool, int]:
    """Return lines and what is folded between them, whether that cut the page short, and its last line or 0."""
    if not place.folds:
        return page.entries, False, 0
    folded = places.hidden_segments(
        job.pk, place.shown, low, high, most=MOST_FOLDED + 1, is_backward=is_backward
    )
    rows: list[Row] = sorted([*page.entries, *folded], key=lambda row: row.id)
    is_cut = len(folded) > MOST_FOLDED
    if is_cut and is_backward:
        rows = [row for row in rows if row.id > folded[0].last]
    elif is_cut:
        rows = [row for row in rows if row.id < folded[-1].id]
    end = rows[-1] if rows else None
    return tuple(rows), is_cut, end.last if isinstance(end, Segment) else 0 if end is None else end.id


def _whole(job: Job, row: Row) -> Row:
    if isinstance(row, Segment):
        return row
    page = reader.read_entries(job.pk, after=row.id - 1, up_to=row.id, room=WHOLE)
    return next(iter(page.entries), row)


def look_of(job: Job, place: Place, rows: Sequence[Row], above: str = "") -> Look:
    """Return how a window is shown: colours that were switched on above it go on, operations have their results."""
    paths = {row.path for row in rows} | {above.partition(" ")[2]}
    look = Look(
        place.attempt,
        place=place,
        above=above,
        runs=runs_of(job, place.attempt, paths, timezone.now()),
        began_at=began_at(job, place.attempt),
    )
    first = rows[0] if rows else None
    if isinstance(first, LogEntry) and first.id > 1 and not place.is_broken:
        before = reader.read_entries_before(
            job.pk, place.wanted, before=first.id, limit=LINES_FOR_COLOURS, room=_ABOVE
        )
        look.pass_over(before.entries)
    return look


def began_at(job: Job, attempt: int) -> datetime | None:
    """Return when an attempt began its first step."""
    return (
        job.step_runs.filter(attempt=attempt)
        .order_by("started_at")
        .values_list("started_at", flat=True)
        .first()
    )
