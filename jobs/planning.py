"""Dates of a job: when RUN may begin, when it is too late, when a worker may take the job. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jobs.lifecycle import Status, Step


@dataclass(frozen=True, slots=True)
class Dates:
    """``scheduled_at``: RUN may begin from here on. ``max_start_at``: past it, a RUN that has not begun expires. Aware, UTC."""

    scheduled_at: datetime
    max_start_at: datetime


MOST_AHEAD: Final = timedelta(days=3660)
"""How far ahead a job may be planned, or behind. It also keeps every date within what each time zone can show."""


class TooFarAhead(ValueError):
    """A date lies more than ``MOST_AHEAD`` from now; ``field`` says which was asked for."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class MaxStartBeforeSchedule(ValueError):
    """``max_start_at`` lies before ``scheduled_at``: the job would expire before it may run."""


def plan(
    scheduled_at: datetime | None, max_start_at: datetime | None, *, expiry: timedelta, now: datetime
) -> Dates:
    """Return the dates of a new job.

    Args:
        scheduled_at: What was asked for, ``None`` for now.
        max_start_at: What was asked for, ``None`` for ``scheduled_at`` + ``expiry``.
        expiry: The environment's expiry, the urgent one for urgent jobs.
        now: The present.

    Raises:
        MaxStartBeforeSchedule: The two contradict each other.
        TooFarAhead: One of them is years away.

    Source: product document, "Fechas de un pase"; contract, section 2.
    """
    begins = scheduled_at or now
    if abs(begins - now) > MOST_AHEAD:
        raise TooFarAhead("scheduled_at")
    if max_start_at is not None and abs(max_start_at - now) > MOST_AHEAD:
        raise TooFarAhead("max_start_at")
    latest = max_start_at or begins + expiry
    if latest < begins:
        raise MaxStartBeforeSchedule
    return Dates(begins, latest)


def due_at(
    step: Step,
    status: Status,
    *,
    claimed: bool,
    scheduled_at: datetime,
    run_begun: bool,
    now: datetime,
    blocked: bool = False,
) -> datetime | None:
    """Return from when on a worker may take the job, ``None`` when none may.

    Ready jobs of PRE and POST, and a RUN that has begun and was handed over, are due at once; a RUN that has not begun is due at
    its date. A running job without a claim was handed over by a worker that was told to stop. A job that is blocked waits for the
    slot of a semaphore, whoever grants it says so.
    """
    if status is Status.READY and blocked:
        return None
    if status is Status.READY:
        waits_for_date = step is Step.RUN and not run_begun
        return scheduled_at if waits_for_date else now
    if status in {Status.RUNNING, Status.ROLLBACK} and not claimed:
        return now
    return None
