"""When a schedule comes: by cron in a time zone, or by an interval from a fixed moment. Pure.

Cron is as Debian has it, also where clocks change: what is to run at a fixed hour runs once on a day whose hour comes twice, and
as soon as the clocks have moved on a day whose hour is left out. Intervals are real time and do not drift.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

ALIASES: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SHORTEST: Final = timedelta(minutes=1)
MOST_MADE_UP: Final = 10
"""How many missed runs are made up for at most."""
ON_TIME: Final = timedelta(minutes=2)
"""A run that comes no later than this was not missed."""

_FIELDS: Final = 5
_MOST_COUNTED: Final = 1000
_LOOKED_BACK: Final = timedelta(days=7)
_INSTANT: Final = timedelta(microseconds=1)
_ANY_MOMENT: Final = datetime(2024, 1, 1, tzinfo=UTC)


class NotACron(ValueError):
    """The text is no cron expression, or one that never comes; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule comes.

    Attributes:
        cron: Expression of five fields or alias; empty when ``interval`` is given.
        interval: Time between two runs.
        zone: Name of the time zone that the expression speaks of.
        anchor: From where intervals are counted when there is no ``starts_at``; no run comes then.
        starts_at: No run comes before; the first run of an interval.
        ends_at: No run comes after.
    """

    cron: str
    interval: timedelta | None
    zone: str
    anchor: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What has come due.

    Attributes:
        first: The oldest.
        newest: The newest ones in their order, ``MOST_MADE_UP`` and one more at most.
        count: How many there are; ``None`` when there are too many to count.
        next_at: The first one that is still to come, ``None`` when the schedule is over.
    """

    first: datetime
    newest: tuple[datetime, ...]
    count: int | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What is made of it.

    Attributes:
        runs: Those that run.
        missed: The newest one that does not, ``None`` when all run.
        missed_count: How many do not; ``None`` when they are too many to count.
    """

    runs: tuple[datetime, ...]
    missed: datetime | None
    missed_count: int | None


def fields_of(cron: str) -> str:
    """Return the five fields that ``cron`` writes, an alias spelt out.

    Raises:
        NotACron: It cannot be read, or never comes.
    """
    written = " ".join(cron.split())
    found = ALIASES.get(written.lower(), written)
    if found.startswith("@"):
        raise NotACron(f"Unknown alias; write one of {', '.join(ALIASES)}.")
    if len(found.split()) != _FIELDS:
        raise NotACron("Write five fields: minute, hour, day of the month, month, day of the week.")
    try:
        next(CronSim(found, _ANY_MOMENT))
    except CronSimError as error:
        if _is_no_day_of_its_month(found):
            raise NotACron("It never comes.") from error
        raise NotACron(f"The field {str(error).removeprefix('Bad ')} cannot be read.") from error
    except StopIteration:
        raise NotACron("It never comes.") from None
    return found


def _is_no_day_of_its_month(fields: str) -> bool:
    """Return whether each field of a refused expression can be read alone: the simulator refuses 31 February as unreadable."""
    minute, hour, day, month, weekday = fields.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", _ANY_MOMENT)
        CronSim(f"{minute} {hour} * {month} {weekday}", _ANY_MOMENT)
    except CronSimError:
        return False
    return True


def times(timing: Timing, after: datetime) -> Iterator[datetime]:
    """Yield in UTC when the schedule comes after the moment ``after``, each time once, in order."""
    # Python reckons with two moments of the same zone by the wall clock, which leaps where clocks change.
    after = after.astimezone(UTC)
    if timing.starts_at is not None:
        after = max(after, timing.starts_at.astimezone(UTC) - _INSTANT)
    found = _by_cron(timing, after) if timing.interval is None else _by_interval(timing, after)
    for moment in found:
        if timing.ends_at is not None and moment > timing.ends_at:
            return
        yield moment


def next_runs(timing: Timing, after: datetime, count: int = 5) -> list[datetime]:
    """Return the next ``count`` times in UTC, fewer when the schedule ends before."""
    return list(islice(times(timing, after), count))


def due(timing: Timing, first: datetime, until: datetime) -> Due:
    """Return what has come due from ``first``, which has, up to ``until``.

    However long nobody looked, this ends soon: where there is too much to count, the last days are looked at.
    """
    newest: deque[datetime] = deque(maxlen=MOST_MADE_UP + 1)
    count: int | None = 0
    coming = chain([first], times(timing, first))
    for number, moment in enumerate(coming, start=1):
        if moment > until:
            return Due(first, tuple(newest), count, moment)
        newest.append(moment)
        count = number
        if number == _MOST_COUNTED:
            break
    else:
        return Due(first, tuple(newest), count, None)
    for moment in times(timing, max(newest[-1], until - _LOOKED_BACK)):
        if moment > until:
            return Due(first, tuple(newest), None, moment)
        newest.append(moment)
    return Due(first, tuple(newest), None, None)


def choose(found: Due, policy: str, now: datetime) -> Choice:
    """Return which of the due runs run.

    Args:
        found: What has come due.
        policy: ``none``: only what is on time; ``latest``: the newest; ``all``: the newest ``MOST_MADE_UP``.
        now: The present.
    """
    newest = found.newest
    if policy == "all":
        runs = newest[-MOST_MADE_UP:]
    elif policy == "latest" or now - newest[-1] <= ON_TIME:
        runs = newest[-1:]
    else:
        runs = ()
    left = newest[: len(newest) - len(runs)]
    return Choice(runs, left[-1] if left else None, None if found.count is None else found.count - len(runs))


def _by_interval(timing: Timing, after: datetime) -> Iterator[datetime]:
    assert timing.interval is not None
    begin, least = (timing.anchor, 1) if timing.starts_at is None else (timing.starts_at, 0)
    begin = begin.astimezone(UTC)
    number = max(least, (after - begin) // timing.interval + 1)
    while True:
        yield begin + number * timing.interval
        number += 1


def _by_cron(timing: Timing, after: datetime) -> Iterator[datetime]:
    last = after
    for found in CronSim(fields_of(timing.cron), after.astimezone(ZoneInfo(timing.zone))):
        moment = found.astimezone(UTC)
        # In a repeated hour the simulator begins anew at its first pass, and several fields may fall together in a gap.
        if moment > last:
            yield moment
            last = moment
