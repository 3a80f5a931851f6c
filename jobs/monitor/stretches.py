"""Stretches of time, each under one heading: later, today, yesterday, a weekday, last week, a month, older."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import formats, timezone
from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Stretch:
    """The days of one group.

    Attributes:
        key: In addresses: ``today``, ``day-2026-03-01``, ``month-2026-02``.
        heading: For people.
        first: Its first day, ``None`` when it has none.
        end: The day after its last, ``None`` when it has none.
    """

    key: str
    heading: str
    first: date | None
    end: date | None

    @property
    def begins_at(self) -> datetime | None:
        """Its first moment in the reader's zone."""
        return _midnight(self.first)

    @property
    def ends_at(self) -> datetime | None:
        """The first moment after it in the reader's zone."""
        return _midnight(self.end)

    def has(self, day: date) -> bool:
        """Return whether ``day`` is in it."""
        return (self.first is None or self.first <= day) and (self.end is None or day < self.end)


def stretches(now: datetime) -> list[Stretch]:
    """Return the stretches from the days to come to the oldest; each day is in exactly one.

    Args:
        now: The present moment; the day is the reader's.
    """
    today = timezone.localdate(now)
    found = [
        Stretch("later", _("Later"), today + timedelta(days=1), None),
        Stretch("today", _("Today"), today, today + timedelta(days=1)),
        Stretch("yesterday", _("Yesterday"), today - timedelta(days=1), today),
    ]
    for age in range(2, 7):
        day = today - timedelta(days=age)
        heading = formats.date_format(day, "l").capitalize()
        found.append(Stretch(f"day-{day}", heading, day, day + timedelta(days=1)))
    end = today - timedelta(days=6)
    last_week = min(end, today - timedelta(days=today.weekday() + 7))
    if last_week < end:
        found.append(Stretch("last-week", _("Last week"), last_week, end))
    oldest = min(today.replace(month=1, day=1), _month_before(today.replace(day=1)))
    month = last_week.replace(day=1) if last_week.day > 1 else _month_before(last_week)
    end = last_week
    while month >= oldest:
        found.append(
            Stretch(f"month-{month:%Y-%m}", formats.date_format(month, "F").capitalize(), month, end)
        )
        month, end = _month_before(month), month
    found.append(Stretch("older", _("Older"), None, end))
    return found


def _month_before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _midnight(day: date | None) -> datetime | None:
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day, time.min))
