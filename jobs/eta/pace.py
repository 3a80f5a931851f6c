"""How fast a job is beside those before it, by what it has done so far: a large delivery is slow everywhere. Pure.

How much of that holds for what is still to come, the jobs before it tell: where their operations are slow together the pace of
those that are done says much about the others, and where each is slow by itself it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from heapq import nlargest
from statistics import fmean, median
from typing import Final, NamedTuple

Taken = Mapping[str, float | None]
"""Seconds by label."""

LEAST_SECONDS: Final = 0.5
"""What is quicker than this says more about the machine than about the job."""

MOST_UNITS: Final = 40
"""So many units are compared, the longest: a rule may have thousands."""

_MOST_OFF: Final = 1.5
"""How far off, in logarithms, one unit may be at most: outliers should not decide."""


class Spread(NamedTuple):
    """How durations scatter from job to job, as variances of their logarithms.

    Attributes:
        shared: Of what all units of one job have in common.
        single: Of what each has beside that.
    """

    shared: float
    single: float


def spread_of(jobs: Sequence[Taken]) -> Spread:
    """Return how the units of some jobs scatter, together and by themselves."""
    usual = _usual(jobs)
    # One unit alone cannot tell what it shares with others.
    off = [found for job in jobs if len(found := _off(job, usual)) > 1]
    if len(off) < 3:
        return Spread(0.0, 1.0)
    means = [fmean(found) for found in off]
    within = sum((each - mean) ** 2 for found, mean in zip(off, means, strict=True) for each in found)
    single = within / sum(len(found) - 1 for found in off)
    middle = fmean(means)
    between = sum((mean - middle) ** 2 for mean in means) / (len(means) - 1)
    return Spread(max(0.0, between - single * fmean(1 / len(found) for found in off)), single)


def paces(jobs: Sequence[Taken], done: Taken, spread: Spread) -> list[float]:
    """Return for each of some jobs how many times as long what is left may take now.

    Args:
        jobs: What their units took.
        done: What those that are over took this time.
        spread: Of these jobs.
    """
    usable = {label: seconds for label, seconds in done.items() if _counts(seconds) and seconds is not None}
    longest = nlargest(MOST_UNITS, usable, key=usable.__getitem__)
    return [_pace(job, {label: usable[label] for label in longest}, spread) for job in jobs]


def _pace(job: Taken, done: Mapping[str, float], spread: Spread) -> float:
    off = [
        _within(math.log(seconds / theirs))
        for label, seconds in done.items()
        if _counts(theirs := job.get(label)) and theirs is not None
    ]
    if not off or not spread.shared:
        return 1.0
    return math.exp(median(off) * spread.shared / (spread.shared + spread.single / len(off)))


def _usual(jobs: Sequence[Taken]) -> dict[str, float]:
    """Return the logarithm of what the longest units usually take."""
    found: dict[str, list[float]] = {}
    for job in jobs:
        for label, seconds in job.items():
            if _counts(seconds) and seconds is not None:
                found.setdefault(label, []).append(math.log(seconds))
    usual = {label: median(logs) for label, logs in found.items() if len(logs) >= 3}
    return {label: usual[label] for label in nlargest(MOST_UNITS, usual, key=usual.__getitem__)}


def _off(job: Taken, usual: Mapping[str, float]) -> list[float]:
    """Return how far off the units of a job were."""
    return [
        _within(math.log(seconds) - middle)
        for label, middle in usual.items()
        if _counts(seconds := job.get(label)) and seconds is not None
    ]


def _counts(seconds: float | None) -> bool:
    return seconds is not None and seconds >= LEAST_SECONDS


def _within(off: float) -> float:
    return max(-_MOST_OFF, min(_MOST_OFF, off))
