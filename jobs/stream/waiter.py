"""Somebody who waits until a job is in a status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from permissions.standing import Standing


@dataclass(eq=False, slots=True)
class Waiter:
    """A request that waits. Lives in the event loop alone.

    Attributes:
        standing: Who waits.
        job_id: For which job.
        statuses: Until it is in one of these.
        deadline: Until then at most, by the monotonic clock.
        reached: Whether it was seen in one of them, though perhaps it has gone on since.
        wake: Set when it is worth looking again.
    """

    standing: Standing
    job_id: int
    statuses: frozenset[str]
    deadline: float
    reached: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def hear(self, told: Iterable[str | None]) -> None:
        """Take note of statuses of the job; ``None`` means that it is gone."""
        for status in told:
            self.reached = self.reached or status in self.statuses
            if status is None or self.reached:
                self.wake.set()
