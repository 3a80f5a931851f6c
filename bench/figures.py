"""What is measured: figures, and how they are taken. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Final

WARM_UP: Final = 2


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: What was measured, ``suite: what``.
        size: How much there was: jobs in the database, lines of a log, readers. 0 where it does not matter.
        n: How many times.
        median_ms: Milliseconds.
        p95_ms: Milliseconds that 95 of 100 stayed below.
        floor_ms: The median of what it cannot be quicker than, measured in the same run; ``None`` where there is none.
        goal: In words that a program can read: ``ratio <= 1.5`` or ``median_ms <= 500``; empty where nobody set one.
        met: Whether the goal is met; ``None`` without one.
    """

    name: str
    size: int
    n: int
    median_ms: float
    p95_ms: float
    floor_ms: float | None = None
    goal: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor."""
        return self.median_ms / self.floor_ms if self.floor_ms else None

    def as_data(self) -> dict[str, Any]:
        """Return it as ``results.json`` has it."""
        return {
            "name": self.name,
            "size": self.size,
            "n": self.n,
            "median_ms": round(self.median_ms, 3),
            "p95_ms": round(self.p95_ms, 3),
            "floor_ms": None if self.floor_ms is None else round(self.floor_ms, 3),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "goal": self.goal,
            "met": self.met,
        }


def figure(
    name: str,
    size: int,
    samples: Sequence[float],
    floor: Sequence[float] = (),
    *,
    at_most_ratio: float | None = None,
    at_most_ms: float | None = None,
) -> Figure:
    """Return the figure of what was measured.

    Args:
        name: ``suite: what``.
        size: See ``Figure``.
        samples: Milliseconds, at least one.
        floor: Milliseconds of its floor.
        at_most_ratio: The goal as a multiple of the floor's median.
        at_most_ms: The goal in milliseconds of the median.

    Raises:
        ValueError: A ratio is asked for where there is no floor.
    """
    middle = median(samples)
    base = median(floor) if floor else None
    goal, met = "", None
    if at_most_ratio is not None:
        if not base:
            raise ValueError(f"{name}: a ratio to which floor?")
        goal, met = f"ratio <= {at_most_ratio:g}", middle / base <= at_most_ratio
    elif at_most_ms is not None:
        goal, met = f"median_ms <= {at_most_ms:g}", middle <= at_most_ms
    return Figure(name, size, len(samples), middle, _p95(samples), base, goal, met)


def timed(function: Callable[[], object], n: int, *, warm_up: int = WARM_UP) -> list[float]:
    """Return how long each of ``n`` calls took, in milliseconds; some calls before them are not counted."""
    for _ in range(warm_up):
        function()
    return [_once(function) for _ in range(n)]


def alternately(
    ours: Callable[[], object], floor: Callable[[], object], n: int, *, warm_up: int = WARM_UP
) -> tuple[list[float], list[float]]:
    """Return the milliseconds of both, taken in turns, so that what the machine does beside them befalls both."""
    for _ in range(warm_up):
        ours()
        floor()
    pairs = [(_once(ours), _once(floor)) for _ in range(n)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def rows(figures: Iterable[Figure], before: Iterable[dict[str, Any]] = ()) -> list[tuple[str, ...]]:
    """Return the lines of the table, the heading first.

    Args:
        figures: What was measured.
        before: What ``results.json`` held before; ``change`` compares ratios where both have one, else medians.
    """
    kept = {(line["name"], line["size"]): line for line in before}
    table: list[tuple[str, ...]] = [
        ("figure", "size", "n", "median ms", "p95 ms", "floor ms", "ratio", "goal", "met", "change")
    ]
    for one in figures:
        table.append(
            (
                one.name,
                f"{one.size:,}" if one.size else "",
                str(one.n),
                f"{one.median_ms:,.2f}",
                f"{one.p95_ms:,.2f}",
                "" if one.floor_ms is None else f"{one.floor_ms:,.2f}",
                "" if one.ratio is None else f"{one.ratio:.2f}",
                one.goal,
                {True: "yes", False: "NO", None: ""}[one.met],
                _change(one, kept.get((one.name, one.size))),
            )
        )
    return table


def _change(now: Figure, before: dict[str, Any] | None) -> str:
    if before is None:
        return "new"
    new, old = now.as_data(), before
    key = "ratio" if new["ratio"] and old.get("ratio") else "median_ms"
    return f"{(new[key] / old[key] - 1) * 100:+.0f} %" if old.get(key) else ""


def _once(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return (time.perf_counter() - begun) * 1000


def _p95(samples: Sequence[float]) -> float:
    return quantiles(samples, n=20, method="inclusive")[-1] if len(samples) > 1 else samples[0]
