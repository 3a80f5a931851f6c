"""How good estimates were, against what simple rivals would have said. Pure."""

from __future__ import annotations

from statistics import fmean, median
from typing import Final, NamedTuple

RIVALS: Final = ("mean of all", "last run", "operation count")
"""Mean of all jobs and the last one, each less what was done by then; what was done, at the same pace for the rest."""

ENOUGH: Final = 20
"""Of fewer answers a share says nothing: with two of them it is 0, 50 or 100 percent."""


class Answer(NamedTuple):
    """What was said, and how it was."""

    p50: float
    p90: float
    actual: float
    rivals: tuple[float, float, float]


class Score(NamedTuple):
    """How good the answers were.

    Attributes:
        answers: How many there were.
        covered: Share of them that ``p90`` was enough for.
        middle: Share of them that ``p50`` was enough for.
        error: Median of how far ``p50`` was off, as part of what was left.
        rivals: The same of the rivals, by name.
        seconds: Median of how far ``p50`` was off, in seconds.
        rivals_seconds: The same of the rivals.
    """

    answers: int
    covered: float
    middle: float
    error: float
    rivals: dict[str, float]
    seconds: float
    rivals_seconds: dict[str, float]

    @property
    def is_judged(self) -> bool:
        """Whether there are enough answers to judge by."""
        return self.answers >= ENOUGH


def score(answers: list[Answer]) -> Score:
    """Return how good at least one answer was."""

    def off(values: list[float], *, in_parts: bool) -> float:
        pairs = zip(values, answers, strict=True)
        return median(
            abs(value - each.actual) / (max(each.actual, 1.0) if in_parts else 1.0) for value, each in pairs
        )

    said = [each.p50 for each in answers]
    theirs = {name: [each.rivals[index] for each in answers] for index, name in enumerate(RIVALS)}
    return Score(
        len(answers),
        fmean(each.actual <= each.p90 for each in answers),
        fmean(each.actual <= each.p50 for each in answers),
        off(said, in_parts=True),
        {name: off(values, in_parts=True) for name, values in theirs.items()},
        off(said, in_parts=False),
        {name: off(values, in_parts=False) for name, values in theirs.items()},
    )


def table(found: Score) -> str:
    """Return the score as people read it."""
    if not found.is_judged:
        noun = "answer" if found.answers == 1 else "answers"
        return f"{found.answers} {noun}: too few to judge. There have to be {ENOUGH}."
    lines = [
        f"{found.answers} answers",
        f"p90 was enough for {found.covered:.1%}, p50 for {found.middle:.1%}",
        "",
        f"{'median error':<18} {'of what was left':>18} {'in seconds':>12}",
        f"{'p50':<18} {found.error:>18.1%} {found.seconds:>12.1f}",
    ]
    lines += [
        f"{name:<18} {found.rivals[name]:>18.1%} {found.rivals_seconds[name]:>12.1f}" for name in RIVALS
    ]
    return "\n".join(lines)
