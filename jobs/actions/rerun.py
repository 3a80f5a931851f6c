"""Putting a job back to ready at a step, in a new attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs import planning, records, transitions
from jobs.actions.base import JobAction, register
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.lifecycle import RERUN_STEPS, Event, Outcome, Step
from jobs.models import Job
from jobs.transitions import Change
from permissions.catalog import Right


@register
class RerunJob(JobAction):
    """Runs a step again, and all that follow it. Results of earlier steps and the variables are kept."""

    key, right, event = "rerun", Right.RESTART, Event.RERUN
    asked_step = Step.PRE

    def perform(
        self,
        job: Job,
        *,
        actor: Actor,
        now: datetime,
        step: str = "",
        run_now: bool = False,
        outcome: str | None = None,
        from_operation: str | None = None,
        comment: str = "",
        **params: Any,
    ) -> None:
        """Let it begin again.

        Args:
            job: Locked.
            actor: Who asks.
            now: The present.
            step: PRE, RUN or POST.
            run_now: Of RUN: do not wait for the scheduled date.
            outcome: Of POST: the result of PRE and RUN that it is to go by.
            from_operation: Path or ``id`` of the operation of the step that runs first; results before it are reused.
            comment: Why.
            params: None.

        Raises:
            InvalidInput: A parameter is not usable, or not for this step.
        """
        wanted = _step(step, run_now, outcome)
        start = records.place_of(job, wanted, from_operation) if from_operation else ""
        fields: dict[str, Any] = {} if outcome is None else {"outcome": outcome}
        if run_now or job.scheduled_at <= now:
            expiry = job.environment.expiry_urgent if job.urgent else job.environment.expiry
            dates = planning.plan(now, None, expiry=expiry, now=now)
            fields |= {"scheduled_at": dates.scheduled_at, "max_start_at": dates.max_start_at}
        transitions.apply(job, Change(Event.RERUN, now, asked_step=wanted, start=start, fields=fields))


def _step(step: str, run_now: bool, outcome: str | None) -> Step:
    """Return the step, when what else is asked for fits it.

    Raises:
        InvalidInput: It does not.
    """
    errors: dict[str, list[str]] = {}
    if step not in RERUN_STEPS:
        errors["step"] = [f"Write one of {', '.join(RERUN_STEPS)}."]
    if run_now and step != Step.RUN:
        errors["run_now"] = ["Only RUN waits for a date, so only its rerun can be run now."]
    if outcome is not None and step != Step.POST:
        errors["outcome"] = ["Only a rerun of POST takes an outcome: PRE and RUN make their own."]
    elif outcome is not None and outcome not in list(Outcome):
        errors["outcome"] = [f"Write one of {', '.join(Outcome)}."]
    if errors:
        raise InvalidInput(errors)
    return Step(step)
