"""What is left of something that has lasted for a while, and the range that a few samples give. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from statistics import median
from typing import Final, NamedTuple

FEWEST: Final = 3
"""Samples it takes to say anything."""

_SHARE: Final = 0.9
_BEYOND: Final = (0.1, 0.3, 1.0)
"""What has outlasted all samples goes on for these parts of what it has lasted: the longer, the longer."""

_NOTHING: Final = 0.05
"""Seconds that nobody sees."""


class Eta(NamedTuple):
    """Seconds of remaining work: as likely more as less than ``p50``, and less than ``p90`` nine times of ten."""

    p50: int
    p90: int


def survive(samples: Sequence[float], elapsed: float) -> list[float]:
    """Return what is left, in seconds, after ``elapsed`` seconds, as many numbers as there are samples.

    A sample that was over by then says nothing any more; its place takes one of those that were not.
    """
    if elapsed <= 0:
        return list(samples)
    left = [sample - elapsed for sample in samples if sample > elapsed]
    if len(left) < FEWEST:
        left += [elapsed * part for part in _BEYOND]
    others = cycle(left)
    return [sample - elapsed if sample > elapsed else next(others) for sample in samples]


def bounds_of(samples: Sequence[float]) -> tuple[float, float]:
    """Return the middle and the upper end of at least one number of seconds.

    The upper end is the number below which the next one falls with that probability, when it comes from where these come
    from; with fewer than nine samples that is beyond the highest one.
    """
    ordered = sorted(samples)
    middle, count = median(ordered), len(ordered)
    place = _SHARE * (count + 1)
    highest = ordered[-1]
    enough = place <= count
    upper = ordered[math.ceil(place) - 1] if enough else highest + (highest - middle) * (place - count)
    return middle, max(middle, upper)


def range_of(samples: Sequence[float]) -> Eta:
    """Return the same in whole seconds, as people read it: what is less than the upper end is less than what is said."""
    middle, upper = bounds_of(samples)
    return Eta(round(middle), max(round(middle), math.ceil(upper - _NOTHING)))
