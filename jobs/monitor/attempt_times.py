"""When an attempt worked and when it waited: the scale of its timeline, its waits, and each operation's share of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from jobs.choices import OperationStatus
from jobs.lifecycle import ENDED, Status, Step
from jobs.models import Approval, Job, StepRun, Trap
from jobs.monitor import scale
from jobs.monitor.scale import Scale, Span
from jobs.timeline import Place
from rules.tree import ancestors

MOST_WAITS_READ: Final = 200
_SLACK: Final = 1.0
"""Seconds by which two records of the same moment may differ."""

_KINDS: Final[dict[str, Promise]] = {
    "approval": pgettext_lazy("wait", "Approval"),
    "trap": pgettext_lazy("wait", "Trap"),
    "date": pgettext_lazy("wait", "Scheduled date"),
    "semaphore": pgettext_lazy("wait", "Semaphore"),
    "other": pgettext_lazy("wait", "Nothing ran"),
}


@dataclass(frozen=True, slots=True)
class Waited:
    """A stretch in which nothing of the attempt worked.

    Attributes:
        kind: ``approval``, ``trap``, ``date``, ``semaphore`` or ``other``.
        name: The operation at which it stood; empty where it stood at none.
        began_at: Since when.
        ended_at: Until when, ``None`` while it lasts.
        seconds: How long, so far.
        number: By which the scale names it when it is folded, from 1; ``None`` when it is drawn at its length.
        middle: Where the middle of its band is, of 100.
    """

    kind: str
    name: str
    began_at: datetime
    ended_at: datetime | None
    seconds: float
    number: int | None
    middle: float

    @property
    def label(self) -> Promise:
        """What it waited for, in words."""
        return _KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class Stood:
    """How long the attempt stood at an operation, and what for."""

    kind: str
    path: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class AttemptTimes:
    """The times of one attempt.

    Attributes:
        scale: Where moments are drawn; ``None`` while nothing has begun.
        waits: In order.
        stood: By path, the spans in which the attempt stood at that operation.
        now: Until when something that has not ended goes on, in seconds since the epoch.
    """

    scale: Scale | None
    waits: list[Waited]
    stood: Mapping[str, list[Span]]
    now: float


def times_of(
    job: Job, attempt: int, places: Sequence[Place], steps: Iterable[StepRun], now: datetime
) -> AttemptTimes:
    """Return the times of an attempt; two queries.

    Args:
        job: The job.
        attempt: Which one.
        places: Its operations.
        steps: Its step runs.
        now: The present.
    """
    is_over = attempt != job.attempt or Status(job.status) in ENDED
    until = _until(job, attempt, places, now)
    stood = [*_stood(job, Approval, attempt, "approval", until), *_stood(job, Trap, attempt, "trap", until)]
    stood += _waited_for_slots(places)
    by_path: dict[str, list[Span]] = defaultdict(list)
    for each in stood:
        by_path[each.path].append(each.span)
    begun = [place for place in places if place.started_at is not None]
    if not begun:
        return AttemptTimes(None, [], by_path, until)
    worked = _worked(begun, by_path, until)
    first = min(_seconds(place.started_at) for place in begun if place.started_at)
    last = max(
        [until] if not is_over else [first, *(end for _, end in worked), *(each.span[1] for each in stood)]
    )
    idle = scale.gaps((first, last), worked)
    drawn = scale.scale_of((first, last), idle)
    tellers = _Tellers(job, stood, begun, list(steps), until)
    open_until = None if is_over else until
    return AttemptTimes(drawn, _waits(idle, drawn, tellers, open_until), by_path, until)


def _until(job: Job, attempt: int, places: Sequence[Place], now: datetime) -> float:
    """Return when what has no end of its own ended: now, or when the job or the last operation of an old attempt did."""
    if attempt == job.attempt:
        return float(int((job.finished_at or now).timestamp() + (0 if job.finished_at is None else 1)))
    ends = [_seconds(place.finished_at) for place in places if place.finished_at]
    begins = [_seconds(place.started_at) for place in places if place.started_at]
    return max([*ends, *begins], default=now.timestamp())


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _stood(job: Job, model: type[Approval | Trap], attempt: int, kind: str, until: float) -> list[Stood]:
    rows = model._default_manager.filter(job=job, attempt=attempt).order_by("id")
    columns = rows.values_list("path", "name", "began_at", "closed_at")[:MOST_WAITS_READ]
    return [
        Stood(kind, path, name, (_seconds(began), max(_seconds(began), _seconds(ended) if ended else until)))
        for path, name, began, ended in columns
    ]


def _waited_for_slots(places: Sequence[Place]) -> list[Stood]:
    """Return the waits for slots that are over: an operation asks for its slot when it begins."""
    found = []
    for place in places:
        if place.slot_seconds > 0 and place.started_at is not None and place.node is not None:
            begin, name = _seconds(place.started_at), place.node.options.name or place.node.key
            found.append(Stood("semaphore", place.path, name, (begin, begin + place.slot_seconds)))
    return found


def _worked(begun: Sequence[Place], stood: Mapping[str, list[Span]], until: float) -> list[Span]:
    """Return when operations worked: those that hold no others, without the time that they stood."""
    holding = {around for place in begun for around, _ in ancestors(place.path)}
    found: list[Span] = []
    for place in begun:
        if place.path not in holding and not _waits_for_a_slot(place, stood):
            found += [part for part in work_of(place, stood.get(place.path, ()), until) if part[0] < part[1]]
    return found


def _waits_for_a_slot(place: Place, stood: Mapping[str, list[Span]]) -> bool:
    return place.status == OperationStatus.WAITING and place.path not in stood


def work_of(place: Place, stood: Sequence[Span], until: float) -> list[Span]:
    """Return when a begun operation worked.

    Args:
        place: The operation.
        stood: When the attempt stood at it.
        until: When it ended if it never did.
    """
    assert place.started_at is not None
    begin = _seconds(place.started_at)
    end = _seconds(place.finished_at) if place.finished_at else max(begin, until)
    return scale.without((begin, end), stood)


@dataclass(frozen=True, slots=True)
class _Tellers:
    """What there is to tell what an attempt waited for."""

    job: Job
    stood: Sequence[Stood]
    begun: Sequence[Place]
    steps: Sequence[StepRun]
    until: float

    def reason(self, gap: Span) -> tuple[str, str]:
        """Return the kind of a wait and the name of the operation at which it was."""
        for each in self.stood:
            if min(each.span[1], gap[1]) - max(each.span[0], gap[0]) > (gap[1] - gap[0]) / 2:
                return each.kind, each.name
        if self._is_before_run(gap):
            return "date", ""
        for place in self.begun:
            asks = place.node is not None and place.node.options.semaphore is not None
            if asks and self._is_within(gap, place):
                assert place.node is not None
                return "semaphore", place.node.options.name or place.node.key
        return "other", ""

    def _is_before_run(self, gap: Span) -> bool:
        """Return whether RUN had not begun, and its date was still to come when the wait began."""
        begins = {run.step: _seconds(run.started_at) for run in self.steps}
        run = begins.get(Step.RUN.value)
        has_pre = Step.PRE.value in begins and gap[0] >= begins[Step.PRE.value]
        is_before = gap[1] <= run + _SLACK if run is not None else self.job.step == Step.RUN
        return has_pre and is_before and _seconds(self.job.scheduled_at) > gap[0]

    def _is_within(self, gap: Span, place: Place) -> bool:
        if place.started_at is None:
            return False
        end = _seconds(place.finished_at) if place.finished_at else self.until
        return _seconds(place.started_at) <= gap[0] + _SLACK and end >= gap[1] - _SLACK


def _waits(idle: Sequence[Span], drawn: Scale, tellers: _Tellers, open_until: float | None) -> list[Waited]:
    bands = [(piece.begin, piece.end) for piece in drawn.pieces if piece.is_folded]
    found = []
    for gap in idle:
        kind, name = tellers.reason(gap)
        number = bands.index(gap) + 1 if gap in bands else None
        began, ended = (datetime.fromtimestamp(moment, UTC) for moment in gap)
        is_open = open_until is not None and gap[1] >= open_until
        middle = (drawn.place(gap[0]) + drawn.place(gap[1])) / 2
        found.append(Waited(kind, name, began, None if is_open else ended, gap[1] - gap[0], number, middle))
    return found
