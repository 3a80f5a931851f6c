"""Durations as rules and documents write them: ``90s``, ``15m``, ``2h``, ``1d``. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

MOST: Final = timedelta(days=365)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WRITTEN: Final = re.compile(r"([0-9]{1,9})([smhd])")


class NotADuration(ValueError):
    """The text is no duration, or one of 0 or more than ``MOST``."""


def parse(text: str) -> timedelta:
    """Return the duration that ``text`` writes, above 0 and at most ``MOST``.

    Raises:
        NotADuration: It writes none.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise NotADuration(f"{text!r} is not a duration; write 90s, 15m, 2h or 1d.")
    seconds = int(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= MOST.total_seconds():
        raise NotADuration(f"{text!r} is out of bounds; write a duration above 0 and up to 365d.")
    return timedelta(seconds=seconds)


def text(duration: timedelta) -> str:
    """Return ``duration``, a whole number of seconds, in the largest unit that fits."""
    seconds = int(duration.total_seconds())
    for unit in "dhm":
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
