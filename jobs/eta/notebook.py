"""What was said of a job's remaining work while a runner had it, beside what simple rivals would have said. Pure.

An estimate counts down with the clock by itself, so what is noted is each one that is news: it differs by more than a
second from what the last one says by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from statistics import fmean
from typing import Any, Final

from jobs.eta.forecast import Estimator, Forecast, Seeing, Seen
from jobs.eta.shape import STEPS
from jobs.eta.survival import Eta
from jobs.eta.worked import spent

_SAME: Final = 1
"""Seconds: what is shown is whole seconds, and rounding alone makes a difference of one."""


class Notebook:
    """The estimates of one claim on one job that are news, until they are written down."""

    def __init__(self, estimator: Estimator, seen: Mapping[str, Seen]) -> None:
        """Know nothing of what was said before.

        Args:
            estimator: What forecasts the job.
            seen: What is recorded of the attempt; whoever gives it may add to it.
        """
        self.estimator, self._known = estimator, seen
        self._said: Forecast | None = None
        self._pending: list[dict[str, Any]] = []

    @property
    def pending(self) -> list[dict[str, Any]]:
        """What is to be written, as plain data: ``step``, ``at``, ``p50``, ``p90`` and ``rivals``, in seconds."""
        return self._pending

    def written(self) -> None:
        """Forget what has been written."""
        self._pending = []

    def hear(
        self,
        said: Forecast,
        step: str,
        now: datetime,
        *,
        done: int,
        expected: int,
        seen: Seeing | None = None,
    ) -> None:
        """Keep what the job's row says from now on, when it is news.

        Args:
            said: It is on the row, or about to be.
            step: The one at hand.
            now: The present; somebody works at the job.
            done: Operations done so far.
            expected: Operations expected.
            seen: What is recorded of the step at hand, when that is newer than what was given at first.
        """
        eta = said.range(now, is_running=True)
        if not self._is_news(eta, now):
            return
        self._said = said
        middle, upper = said.bounds(now)
        row = {"step": step, "at": now.isoformat(), "p50": round(middle, 3), "p90": round(upper, 3)}
        so_far = spent(self.estimator.shapes, self._seeing(seen), now)
        self._pending.append({**row, "rivals": self._rivals(so_far, done, expected)})

    def _is_news(self, eta: Eta, now: datetime) -> bool:
        if self._said is None:
            return True
        known = self._said.range(now, is_running=True)
        # That nothing is left is no estimate.
        return eta.p90 > 0 and max(abs(eta.p50 - known.p50), abs(eta.p90 - known.p90)) > _SAME

    def _seeing(self, newer: Seeing | None) -> Seeing:
        def see(path: str) -> Seen | None:
            return (newer(path) if newer is not None else None) or self._known.get(path)

        return see

    def _rivals(self, so_far: float, done: int, expected: int) -> list[float]:
        """Return what the rivals say, in the order of ``jobs.eta.accuracy.RIVALS``."""
        pace = so_far / done if done else 0.0
        totals = self._totals
        return [
            max(0.0, fmean(totals) - so_far), max(0.0, totals[0] - so_far), pace * max(0, expected - done),
        ]  # fmt: skip

    @cached_property
    def _totals(self) -> list[float]:
        """How much work each of the last jobs was, newest first."""
        return self.estimator.stories(STEPS[0])
