"""Forecasting the remaining work of a job from the last jobs like it. Pure.

Each of those jobs tells one story of what is still to come: what the remaining units took in it, added up along the
branches of the rule. What the stories say together is the range. So what goes together in reality, such as all operations
of a large delivery taking long, goes together here, and a branch that is taken every third time counts every third time.
Once something is done, each story is told at the pace at which this job goes beside the one of the story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from statistics import median
from typing import Any, Final, NamedTuple

from jobs.eta.pace import Spread, paces, spread_of
from jobs.eta.shape import STEPS, Shape, Unit, units
from jobs.eta.survival import FEWEST, Eta, bounds_of, range_of, survive

_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BY_CHOICE: Final = frozenset({"then", "else", "catch"})
_BY_PEOPLE: Final = frozenset({"approval"})


class Seen(NamedTuple):
    """What is recorded of an operation.

    Attributes:
        has_ended: Whether it is over, whatever became of it.
        began_at: Since when it works, ``None`` while it waits for somebody.
        stood: Seconds that it waited for somebody since then.
        branch: Which block an ``if`` chose.
        seconds: How long it worked; ``None`` when that is not known or it has not ended.
        ended_at: Since when it is over.
    """

    has_ended: bool
    began_at: datetime | None = None
    stood: float = 0.0
    branch: str | None = None
    seconds: float | None = None
    ended_at: datetime | None = None


Seeing = Callable[[str], Seen | None]
"""Says what is recorded of the operation under a static path."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the units of one finished job took.

    Attributes:
        labels: Seconds by label; ``None`` for what ran and nobody knows how long, a unit that did not run is absent.
        places: The same by path and key.
    """

    labels: Mapping[str, float | None]
    places: Mapping[tuple[str, str], float | None]

    @classmethod
    def from_data(cls, data: Mapping[str, Sequence[Any]]) -> Sample:
        """Return a sample from what ``taken`` made."""
        return cls(
            {label: seconds for label, _key, seconds in data.values()},
            {(path, key): seconds for path, (_label, key, seconds) in data.items()},
        )


def taken(shapes: Mapping[str, tuple[Shape, ...]], seen: Seeing) -> dict[str, list[Any]]:
    """Return, as plain data, what the units of a finished job took: ``{path: [label, key, seconds]}``."""
    found: dict[str, list[Any]] = {}
    for step in STEPS:
        for unit in units(shapes[step]):
            record = seen(unit.path)
            if record is not None and record.has_ended:
                seconds = None if record.seconds is None else round(max(0.0, record.seconds), 2)
                found[unit.path] = [unit.label, unit.key, seconds]
    return found


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is still to come, one story a place in both lists.

    Attributes:
        at: When it was made; what is at hand has gone on since.
        current: Seconds that what is at hand still took then.
        rest: Seconds of all that comes after.
    """

    at: datetime
    current: tuple[float, ...]
    rest: tuple[float, ...]

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        shown = {"current": self.current, "rest": self.rest}
        return {
            "at": self.at.isoformat(),
            **{name: [round(n, 1) for n in all_] for name, all_ in shown.items()},
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Forecast:
        """Return it from what ``to_data`` made."""
        return cls(datetime.fromisoformat(data["at"]), tuple(data["current"]), tuple(data["rest"]))

    def range(self, now: datetime, *, is_running: bool) -> Eta:
        """Return the range at ``now``; while nobody works at the job it stays what it was."""
        return range_of(self._left(now, is_running=is_running))

    def bounds(self, now: datetime) -> tuple[float, float]:
        """Return the range at ``now``, while somebody works at the job, as it is before it is rounded."""
        return bounds_of(self._left(now, is_running=True))

    def _left(self, now: datetime, *, is_running: bool) -> list[float]:
        elapsed = (now - self.at).total_seconds() if is_running else 0.0
        left = survive(self.current, elapsed)
        return [now_ + later for now_, later in zip(left, self.rest, strict=True)]


@dataclass(frozen=True, slots=True)
class Estimator:
    """Forecasts jobs of one rule in one environment.

    Attributes:
        shapes: What takes time in each step, as ``shape_of`` returned it.
        samples: The last finished jobs, newest first.
    """

    shapes: Mapping[str, tuple[Shape, ...]]
    samples: tuple[Sample, ...]
    _spread: list[Spread] = field(default_factory=list, init=False, repr=False, compare=False)

    def stories(self, step: str) -> list[float]:
        """Return how many seconds of work each of the last jobs took from the beginning of ``step`` on."""
        found = self.forecast(step, lambda path: None, _ANY_TIME)
        return [now + later for now, later in zip(found.current, found.rest, strict=True)] if found else []

    def forecast(self, step: str, seen: Seeing, now: datetime) -> Forecast | None:
        """Return what is still to come, ``None`` with too few samples.

        Args:
            step: The one the job is at; those before it are over.
            seen: Says what is recorded in this attempt; it is not asked for what is in loops.
            now: The present.
        """
        if len(self.samples) < FEWEST or step not in STEPS:
            return None
        left = _Remaining(self.samples, seen, now, self._paces(step, seen))
        parts = [
            left.of(shape, certain=True) for name in STEPS[STEPS.index(step) :] for shape in self.shapes[name]
        ]
        found = left.one_after_the_other(parts)
        return Forecast(now, tuple(found.current), tuple(found.rest))

    def _paces(self, step: str, seen: Seeing) -> list[float]:
        """Return at what pace each story is to be told, by what is done up to ``step``."""
        done = {}
        for name in STEPS[: STEPS.index(step) + 1]:
            for unit in units(self.shapes[name]):
                record = seen(unit.path)
                if record is not None and record.has_ended and record.seconds is not None:
                    done[unit.label] = record.seconds
        if not done:
            return [1.0] * len(self.samples)
        known = [sample.labels for sample in self.samples]
        if not self._spread:
            self._spread.append(spread_of(known))
        return paces(known, done, self._spread[0])


class _Part(NamedTuple):
    """Remaining seconds of one part of a rule in each story: of what is at hand, and of what follows it."""

    current: list[float]
    rest: list[float]


class _Remaining:
    """What is left of each part of a rule."""

    def __init__(
        self, samples: tuple[Sample, ...], seen: Seeing, now: datetime, paces: Sequence[float]
    ) -> None:
        self._samples, self._seen, self._now, self._paces = samples, seen, now, paces

    def of(self, shape: Shape, *, certain: bool) -> _Part | None:
        """Return what is left of a part, ``None`` for nothing.

        Args:
            shape: The part.
            certain: Whether it runs; otherwise a story that does not have it says that it was left out there.
        """
        record = self._seen(shape.path)
        if record is not None and record.has_ended:
            return None
        if isinstance(shape, Unit):
            if shape.key in _BY_PEOPLE:
                return None
            seconds = self._seconds(shape, certain=certain or record is not None)
            if record is not None and record.began_at is not None:
                elapsed = (self._now - record.began_at).total_seconds() - record.stood
                seconds = survive(seconds, elapsed)
            return _Part(seconds, [0.0] * len(seconds))
        runs = record is not None or (certain and not shape.may_be_skipped)
        chosen = record.branch if record is not None else None
        parts = [
            self.of(part, certain=runs and (block not in _BY_CHOICE or block == chosen))
            for block, held in shape.blocks.items()
            if chosen in {None, block}
            for part in held
        ]
        return self._at_the_same_time(parts) if shape.is_parallel else self.one_after_the_other(parts)

    def one_after_the_other(self, parts: Iterable[_Part | None]) -> _Part:
        """Return what parts that follow each other leave: in each story the first with anything left is at hand."""
        current, rest = [0.0] * len(self._samples), [0.0] * len(self._samples)
        for part in parts:
            if part is None:
                continue
            for story, (mine, after) in enumerate(zip(*part, strict=True)):
                if current[story] > 0:
                    rest[story] += mine + after
                else:
                    current[story], rest[story] = mine, rest[story] + after
        return _Part(current, rest)

    def _at_the_same_time(self, parts: Iterable[_Part | None]) -> _Part:
        """Return what branches leave: in each story the longest."""
        current, rest = [0.0] * len(self._samples), [0.0] * len(self._samples)
        for part in parts:
            if part is None:
                continue
            for story, (mine, after) in enumerate(zip(*part, strict=True)):
                if mine + after > current[story] + rest[story]:
                    current[story], rest[story] = mine, after
        return _Part(current, rest)

    def _seconds(self, unit: Unit, *, certain: bool) -> list[float]:
        """Return what a unit took in each story."""
        found: list[float | None] = []
        for sample in self._samples:
            if unit.label in sample.labels:
                found.append(sample.labels[unit.label])
            elif (unit.path, unit.key) in sample.places:
                found.append(sample.places[unit.path, unit.key])
            else:
                found.append(None if certain else 0.0)
        known = [seconds for seconds in found if seconds is not None]
        others = cycle(known or [self._usual(unit.key)])
        taken = [next(others) if seconds is None else seconds for seconds in found]
        return [seconds * pace for seconds, pace in zip(taken, self._paces, strict=True)]

    def _usual(self, key: str) -> float:
        """Return what a unit that is new in the rule may take: what others of its kind do, or else any."""
        alike = self._all(lambda other: other == key) or self._all(lambda other: True)
        return median(alike) if alike else 0.0

    def _all(self, wanted: Callable[[str], bool]) -> list[float]:
        return [
            seconds
            for sample in self._samples
            for (_path, key), seconds in sample.places.items()
            if seconds is not None and wanted(key)
        ]
