"""Moments and durations as people read them, in the zone and language of the request."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from html import escape

from django.utils import formats, timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

MINUTE, HOUR, DAY = 60, 3600, 86400


def short(moment: datetime, now: datetime) -> str:
    """Return a moment as a table has room for: ``today 10:22``, ``21 Nov 10:22``."""
    local, today = timezone.localtime(moment), timezone.localdate(now)
    return f"{_day(local.date(), today)} {local:%H:%M}"


class Calendar:
    """Writes many moments, each as ``<time>``, in the zone and language of the request, which it looks up once.

    Args:
        now: The present moment.
    """

    def __init__(self, now: datetime) -> None:
        self._zone, self._today = timezone.get_current_timezone(), timezone.localdate(now)
        self._days: dict[date, str] = {}

    def element(self, moment: datetime | None) -> str:
        """Return what the tag ``moment`` returns of a moment, and an empty text of none."""
        if moment is None:
            return ""
        local = moment.astimezone(self._zone)
        day = local.date()
        if day not in self._days:
            # Where there is little room the time goes on a line of its own, and the day stays in one piece.
            self._days[day] = escape(_day(day, self._today).replace(" ", "\N{NO-BREAK SPACE}"))
        title = f"{local:%Y-%m-%d %H:%M:%S %Z} · {original(moment)}"
        return f'<time datetime="{moment.isoformat()}" title="{title}">{self._days[day]} {local:%H:%M}</time>'


def _day(day: date, today: date) -> str:
    near = {-1: _("yesterday"), 0: _("today"), 1: _("tomorrow")}.get((day - today).days)
    if near is not None:
        return near
    text = formats.date_format(day, "j M" if day.year == today.year else "j M Y")
    # Only English writes months with a capital letter.
    return text if (get_language() or "").startswith("en") else text.lower()


def full(moment: datetime) -> str:
    """Return a moment to the second with its zone."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def original(moment: datetime) -> str:
    """Return a moment as it is stored."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def zone(now: datetime) -> str:
    """Return the zone of the request and how far it is from UTC at ``now``: ``Europe/Madrid (UTC+01:00)``."""
    name, offset = timezone.get_current_timezone_name(), timezone.localtime(now).isoformat()[-6:]
    return "UTC" if name == "UTC" else f"{name} (UTC{offset})"


def distance(moment: datetime, now: datetime) -> str:
    """Return how far away a moment is: ``in 3 min``, ``2 h ago``."""
    seconds = (moment - now).total_seconds()
    span = rough(abs(seconds))
    return _("in %(span)s") % {"span": span} if seconds > 0 else _("%(span)s ago") % {"span": span}


def rough(seconds: float) -> str:
    """Return a span in its largest unit."""
    if seconds < MINUTE:
        return _("%(n)d s") % {"n": int(seconds)}
    if seconds < HOUR:
        return _("%(n)d min") % {"n": int(seconds // MINUTE)}
    if seconds < 2 * DAY:
        return _("%(n)d h") % {"n": int(seconds // HOUR)}
    days = int(seconds // DAY)
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def exact(seconds: float) -> str:
    """Return a duration as one compares them: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 10:
        return _("%(n)s s") % {"n": formats.number_format(round(seconds, 1), 1)}
    whole = round(seconds)
    if whole < MINUTE:
        return _("%(n)d s") % {"n": whole}
    if whole < HOUR:
        return _("%(n)d min %(m)02d s") % {"n": whole // MINUTE, "m": whole % MINUTE}
    return _("%(n)d h %(m)02d min") % {"n": whole // HOUR, "m": whole % HOUR // MINUTE}


def exact_range(low: float, high: float) -> str:
    """Return two durations as one compares them, with their unit once where it is the same: ``4–9 s``."""
    first, last = exact(low), exact(high)
    if first == last:
        return last
    (number, _space, unit), (other, _space, other_unit) = (text.partition(" ") for text in (first, last))
    return f"{number}–{other} {unit}" if unit == other_unit and " " not in unit else f"{first} – {last}"


def left(seconds: float) -> str:
    """Return how much time is left, to the second only where seconds count: ``2 h 05 min``, ``14 min``, ``95 s``."""
    whole = max(0, int(seconds))
    if whole < 2 * MINUTE:
        return _("%(n)d s") % {"n": whole}
    if whole < HOUR:
        return _("%(n)d min") % {"n": whole // MINUTE}
    if whole < 2 * DAY:
        return _("%(n)d h %(m)02d min") % {"n": whole // HOUR, "m": whole % HOUR // MINUTE}
    return rough(whole)


def between(low: float, high: float) -> str:
    """Return a range of seconds in the unit that its upper end is read in: ``3–7 min``; seconds only in fives."""
    unit, text = 5, _("%(range)s s")
    if high >= 2 * DAY:
        unit, text = DAY, _("%(range)s days")
    elif high >= 2 * HOUR:
        unit, text = HOUR, _("%(range)s h")
    elif high >= 2 * MINUTE:
        unit, text = MINUTE, _("%(range)s min")
    step = unit if unit < MINUTE else 1
    first, last = round(low / unit) * step, math.ceil(high / unit) * step
    return text % {"range": f"{first}–{last}" if first < last else f"{last}"}
