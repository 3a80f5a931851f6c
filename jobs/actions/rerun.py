"""Putting a job back to ready at a step, in a new attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from jobs import planning, records, selectors, transitions
from jobs.actions.base import JobAction, register
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.lifecycle import RERUN_STEPS, Event, Outcome, Step
from jobs.models import Job
from jobs.transitions import Change
from permissions.catalog import Right
from rules import selectors as rules
from rules.exceptions import RuleError
from rules.tree import count_leaves

_RECORDED: Final = tuple(step.value for step in records.STEPS)


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
        fields: dict[str, Any] = (
            _expectation(job) if outcome is None else {**_expectation(job), "outcome": outcome}
        )
        if run_now or job.scheduled_at <= now:
            expiry = job.environment.expiry_urgent if job.urgent else job.environment.expiry
            dates = planning.plan(now, None, expiry=expiry, now=now)
            fields |= {"scheduled_at": dates.scheduled_at, "max_start_at": dates.max_start_at}
        transitions.apply(job, Change(Event.RERUN, now, asked_step=wanted, start=start, fields=fields))


def _expectation(job: Job) -> dict[str, Any]:
    """Return what progress is counted against from now on: the history may have grown since the job was made.

    What the job itself did before does not count, since it is no finished job any more. A rule that no longer reads keeps
    what was expected; its job is about to fail, and that is for the runner to say.
    """
    usual = selectors.usual_operations(job.rule_id, job.environment_id, but=job.pk)
    if usual is not None:
        return {"operations_expected": usual[0], "progress_basis": usual[1]}
    try:
        tree = rules.linked_tree(job.rule_version_id, job.rule_pins)
    except RuleError:
        return {}
    return {"operations_expected": count_leaves(tree, _RECORDED), "progress_basis": "tree"}


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
