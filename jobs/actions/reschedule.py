"""Changing the dates of a job whose RUN has not begun."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs import planning, transitions
from jobs.actions.base import Asker, JobAction, register
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.lifecycle import Event, Status, Step
from jobs.models import Job
from jobs.transitions import Change
from permissions.catalog import Right


@register
class RescheduleJob(JobAction):
    """Gives a job another date; one that has expired becomes what it was before."""

    key, right, event = "reschedule", Right.RESTART, Event.RESCHEDULE

    def perform(
        self,
        job: Job,
        *,
        actor: Actor,
        now: datetime,
        scheduled_at: datetime | None = None,
        max_start_at: datetime | None = None,
        comment: str = "",
        **params: Any,
    ) -> None:
        """Set the dates.

        Args:
            job: Locked.
            actor: Who asks.
            now: The present.
            scheduled_at: From when on RUN may begin.
            max_start_at: Past it, RUN expires; as far from ``scheduled_at`` as before when it is not given.
            comment: Why; it goes on top of what the job's comment says already.
            params: None.

        Raises:
            InvalidInput: The dates contradict each other, are too far away, or over.
        """
        dates = _dates(job, scheduled_at, max_start_at, now)
        fields: dict[str, Any] = {"scheduled_at": dates.scheduled_at, "max_start_at": dates.max_start_at}
        if comment:
            fields["comment"] = f"{comment}\n{job.comment}".rstrip()
        transitions.apply(job, Change(Event.RESCHEDULE, now, fields=fields))


def _dates(
    job: Job, scheduled_at: datetime | None, max_start_at: datetime | None, now: datetime
) -> planning.Dates:
    """Return the dates that are asked for.

    Raises:
        InvalidInput: They contradict each other, are too far away, or over.
    """
    if scheduled_at is None:
        raise InvalidInput({"scheduled_at": ["Say when."]})
    distance = job.max_start_at - job.scheduled_at
    try:
        dates = planning.plan(scheduled_at, max_start_at, expiry=distance, now=now)
    except planning.MaxStartBeforeSchedule as error:
        message = "It lies before the scheduled date: the job would expire before it may run."
        raise InvalidInput({"max_start_at": [message]}) from error
    except planning.TooFarAhead as error:
        message = "The date is too far away: at most ten years from now."
        raise InvalidInput({error.field: [message]}) from error
    if dates.max_start_at < now:
        field = "scheduled_at" if max_start_at is None else "max_start_at"
        raise InvalidInput({field: ["The job would have expired already."]})
    return dates


@register
class RunJobNow(JobAction):
    """Lets a job that waits for its date begin."""

    key, right, event = "run_now", Right.RESTART, Event.RESCHEDULE

    def refusal(self, job: Job, asker: Asker, *, now: datetime) -> Exception | None:
        """Return why it may not be done: only a ready job waits for its date, and none that is too late."""
        refused = super().refusal(job, asker, now=now)
        waits_for_date = job.status == Status.READY and job.step in {Step.PRE, Step.RUN}
        if refused is None and (not waits_for_date or now > job.max_start_at):
            return self.not_allowed(job)
        return refused

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Set the date."""
        transitions.apply(job, Change(Event.RESCHEDULE, now, fields={"scheduled_at": now}))
