"""Durations as people write them, ``90s``, ``15m``, ``2h``, ``1d``: what documents and rules take too. Pure.

``rules.durations`` is its twin: rules and permissions do not know each other, and nothing of ours lies below both. A test
holds the two against each other.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_WRITTEN: Final = re.compile(r"([0-9]{1,9})([smhd])")


class NotADuration(ValueError):
    """The text is no duration, or one of 0 or more than the most that is allowed."""


def parse(text: str, most: timedelta) -> timedelta:
    """Return the duration that ``text`` writes, above 0 and at most ``most``.

    Raises:
        NotADuration: It writes none.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise NotADuration(text)
    seconds = int(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= most.total_seconds():
        raise NotADuration(text)
    return timedelta(seconds=seconds)


def text(duration: timedelta) -> str:
    """Return ``duration``, a whole number of seconds, in the largest unit that writes it without a rest."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit, size in _UNITS.items() if size == 1 or (seconds and seconds % size == 0))
    return f"{seconds // _UNITS[unit]}{unit}"
