"""The operations of one attempt on a timeline: which of them are shown, and where their bars are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from jobs import timeline
from jobs.choices import OperationStatus
from jobs.lifecycle import ENDED, Status, Step
from jobs.models import Job, StepRun
from jobs.monitor import attempt_times
from jobs.monitor.attempt_times import AttemptTimes
from jobs.monitor.operation_rows import FOR_PEOPLE, Bar, Hidden, Row, StepGroup, Tick, Timeline
from jobs.monitor.scale import Scale, Span
from jobs.timeline import Place
from jobs.wording import translated
from rules.tree import ancestors

_NOT_RUN: Final = frozenset({OperationStatus.PENDING.value, OperationStatus.SKIPPED.value})
_HOLE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_WIDTH: Final = 100.0
_NARROWEST: Final = 0.4
_ROOM_OF_A_TICK: Final = 14.0
_OUTSTANDING: Final = frozenset(
    {OperationStatus.RUNNING, OperationStatus.WAITING, OperationStatus.FAILED, OperationStatus.IGNORED}
)

WHOLE: Final = 120
"""A step of at most so many operations is shown whole."""

FIRST: Final = 40
"""So many of a larger one are shown, and at most as many that stand out."""

PAGE: Final = 300
"""Operations on a page of one step."""

MOST_WAITS: Final = 12


@dataclass(frozen=True, slots=True)
class Window:
    """Which operations are wanted: those of one step from a place in it on, or the important ones of every step."""

    step: str = ""
    start: int = 0


def drawn(job: Job, attempt: int, now: datetime, steps: Sequence[StepRun], window: Window) -> Timeline:
    """Return the operations of an attempt; the number of queries and of rows does not grow with the operations.

    Args:
        job: The job.
        attempt: Which one.
        now: The present.
        steps: The step runs of the attempt.
        window: Which operations are wanted.
    """
    places = timeline.places(job, attempt)
    taken = attempt_times.times_of(job, attempt, places, steps, now)
    wanted = _wanted(places, window)
    shown = timeline.described(job, attempt, [places[index] for index in wanted])
    holding = {around for place in places for around, _ in ancestors(place.path)}
    draw = _Drawing(job, attempt, taken, frozenset(holding))
    rows = {index: draw.row(places[index], operation) for index, operation in zip(wanted, shown, strict=True)}
    groups = _groups(places, rows, attempt, steps, window)
    paging = _paging(places, window, attempt) if window.step else {}
    return Timeline(
        groups, taken.waits[:MOST_WAITS], max(0, len(taken.waits) - MOST_WAITS), *_axis(taken.scale), **paging
    )


def _wanted(places: Sequence[Place], window: Window) -> list[int]:
    """Return which of ``places`` are described: all of a small step, of a large one the first and those that stand out."""
    by_step: dict[str, list[int]] = {}
    for index, place in enumerate(places):
        by_step.setdefault(place.step, []).append(index)
    if window.step:
        return by_step.get(window.step, [])[window.start : window.start + PAGE]
    found: list[int] = []
    for indexes in by_step.values():
        if len(indexes) <= WHOLE:
            found += indexes
            continue
        first, rest = indexes[:FIRST], indexes[FIRST:]
        outstanding = [index for index in rest if places[index].status in _OUTSTANDING]
        found += first + outstanding[-FIRST:]
    return sorted(found)


def _groups(
    places: Sequence[Place], rows: Mapping[int, Row], attempt: int, steps: Sequence[StepRun], window: Window
) -> list[StepGroup]:
    runs = {run.step: run for run in steps}
    groups: dict[str, StepGroup] = {}
    within: dict[str, int] = {}
    for index, place in enumerate(places):
        if window.step not in {"", place.step}:
            continue
        run = runs.get(place.step)
        seconds = (run.finished_at - run.started_at).total_seconds() if run and run.finished_at else None
        group = groups.setdefault(
            place.step, StepGroup(place.step, [], run.started_at if run else None, seconds)
        )
        place_in_step = within[place.step] = within.get(place.step, -1) + 1
        row = rows.get(index)
        if row is not None:
            group.rows.append(row)
        elif not window.step:
            last = group.rows[-1] if group.rows else None
            if isinstance(last, Hidden):
                group.rows[-1] = Hidden(last.count + 1, last.query)
            else:
                group.rows.append(Hidden(1, _query(attempt, place.step, place_in_step)))
    return list(groups.values())


def _paging(places: Sequence[Place], window: Window, attempt: int) -> dict[str, Any]:
    count = sum(place.step == window.step for place in places)
    earlier = _query(attempt, window.step, max(0, window.start - PAGE)) if window.start else ""
    later = _query(attempt, window.step, window.start + PAGE) if window.start + PAGE < count else ""
    return {"step": window.step, "count": count, "earlier": earlier, "later": later}


def _query(attempt: int, step: str, start: int) -> str:
    return "?" + urlencode({"attempt": attempt, "step": step, "from": start})


def _axis(scale: Scale | None) -> tuple[list[tuple[Bar, int]], list[Tick]]:
    """Return the bands of folded waits, numbered, and the moments that there is room to name."""
    if scale is None:
        return [], []
    bands = [_bar("fold", piece.left, piece.right) for piece in scale.pieces if piece.is_folded]
    work = [piece for piece in scale.pieces if not piece.is_folded]
    ticks = [
        Tick(_percent(piece.left), datetime.fromtimestamp(piece.begin, UTC))
        for piece in work
        if piece.right - piece.left >= _ROOM_OF_A_TICK
    ]
    last = scale.pieces[-1]
    if last.right - last.left >= 2 * _ROOM_OF_A_TICK:
        ticks.append(Tick(_percent(last.right), datetime.fromtimestamp(last.end, UTC), is_last=True))
    return [(bar, number) for number, bar in enumerate(bands, start=1)], ticks


def _readable(operation: timeline.Operation) -> str:
    """Return an operation's name; of one that was not executed nobody filled in what the rule leaves open."""
    if operation.status not in _NOT_RUN:
        return operation.name
    return _HOLE.sub("…", operation.name)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Draws operations on the scale of their attempt."""

    job: Job
    attempt: int
    taken: AttemptTimes
    holding: frozenset[str]

    def row(self, place: Place, operation: timeline.Operation) -> Row:
        """Return the row of an operation."""
        work, stood = self._spans(place)
        return Row(
            path=operation.path,
            id=operation.identifier,
            name=_readable(operation),
            key=operation.key,
            turn=_turn(operation.path),
            error=translated(operation.error),
            depth=operation.depth,
            status=operation.status,
            started_at=operation.started_at,
            seconds=self._worked(operation, work, stood),
            waited=sum(end - begin for begin, end in stood),
            usual_seconds=operation.usual_seconds,
            usual_range=operation.usual_range,
            bars=self._bars(work, stood),
            usual_bar=self._usual(work, operation),
            is_over=_is_over(self.job, operation.step),
            ran_in=operation.ran_in,
            is_undone=operation.is_undone,
            branch=_branch(operation.path),
            holds_others=operation.path in self.holding,
            may_restart=place.has_begun
            and "/rollback/" not in place.path
            and self.attempt == self.job.attempt,
        )

    def _spans(self, place: Place) -> tuple[list[Span], list[Span]]:
        """Return when an operation worked and when the job stood at it, for this attempt alone."""
        if place.started_at is None:
            return [], []
        stood = list(self.taken.stood.get(place.path, ()))
        return attempt_times.work_of(place, stood, self.taken.now), stood

    def _worked(
        self, operation: timeline.Operation, work: Sequence[Span], stood: Sequence[Span]
    ) -> float | None:
        """Return how long an operation worked; of one that runs, how long so far, in whole seconds."""
        if operation.seconds is not None:
            return max(0.0, operation.seconds - sum(end - begin for begin, end in stood))
        if operation.status == OperationStatus.RUNNING and work:
            return float(int(sum(end - begin for begin, end in work)))
        return None

    def _bars(self, work: Sequence[Span], stood: Sequence[Span]) -> tuple[Bar, ...]:
        scale = self.taken.scale
        if scale is None:
            return ()
        waiting = [_bar("wait", scale.place(begin), scale.place(end)) for begin, end in stood]
        working = [_bar("work", scale.place(begin), scale.place(end)) for begin, end in work]
        return (*waiting, *working)

    def _usual(self, work: Sequence[Span], operation: timeline.Operation) -> Bar | None:
        scale = self.taken.scale
        if scale is None or not work or operation.usual_range is None or operation.key == FOR_PEOPLE:
            return None
        begin = scale.place(work[0][0])
        low, high = (min(_WIDTH, begin + seconds * scale.rate) for seconds in operation.usual_range)
        return _bar("usual", low, high)


def _bar(kind: str, left: float, right: float) -> Bar:
    """Return a bar that can be seen, however short it is, and stays on the line."""
    width = max(_NARROWEST, right - left)
    return Bar(kind, _percent(min(left, _WIDTH - width)), _percent(width))


def _percent(share: float) -> str:
    return f"{share:.2f}%"


def log_address(job: Job, attempt: int, identifier: str) -> str:
    """Return the address of the lines that an operation wrote."""
    query = urlencode({"attempt": attempt, "operation": identifier})
    return f"{reverse('monitor:log', args=[job.pk])}?{query}"


def _is_over(job: Job, step: str) -> bool:
    """Return whether nothing more begins in ``step``: the job has ended, or has gone on to a later step."""
    order = list(Step)
    return Status(job.status) in ENDED or order.index(Step(step)) < order.index(Step(job.step))


def _turn(path: str) -> str:
    """Return the number of the innermost loop turn, counted from 1, when the operation stands directly in a loop."""
    block = path.rsplit("/", 2)[-2] if path.count("/") > 1 else ""
    number = block.partition("[")[2].rstrip("]")
    return str(int(number) + 1) if number.isdecimal() else ""


def _branch(path: str) -> str:
    """Return the number of the branch of a ``parallel`` that an operation is, counted from 1."""
    _, _, rest = path.rpartition("/parallel/")
    return str(int(rest) + 1) if rest.isdecimal() and "/parallel/" in path else ""
