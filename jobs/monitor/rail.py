"""The step rail: CHECK INIT PRE RUN POST END, and how each is in one attempt of a job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from jobs.choices import RollbackState
from jobs.lifecycle import ENDED, Status, Step
from jobs.models import Job, StepRun

_STATES: Final[dict[str, Promise | str]] = {
    "done": pgettext_lazy("step", "done"),
    "failed": pgettext_lazy("step", "failed"),
    "stopped": pgettext_lazy("step", "stopped"),
    "current": pgettext_lazy("step", "in progress"),
    "waiting": pgettext_lazy("step", "waiting"),
    "skipped": pgettext_lazy("step", "not run"),
    "pending": pgettext_lazy("step", "to come"),
    "undone": pgettext_lazy("step", "undone"),
}
_RESULTS: Final = {
    StepRun.Result.COMPLETED.value: "done",
    StepRun.Result.FAILED.value: "failed",
    StepRun.Result.STOPPED.value: "stopped",
}
_ICONS: Final = {
    "done": "i-done", "failed": "i-failed", "stopped": "i-failed", "current": "i-running",
    "waiting": "i-waiting", "skipped": "i-skipped", "pending": "i-pending", "undone": "i-skipped",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stop:
    """One step on the rail."""

    step: str
    state: str
    is_here: bool
    started_at: datetime | None = None
    seconds: float | None = None

    @property
    def label(self) -> Promise | str:
        """How it is, in words."""
        return _STATES[self.state]

    @property
    def icon(self) -> str:
        """The icon's id in the sprite."""
        return _ICONS[self.state]


def rail(job: Job, runs: Iterable[StepRun]) -> list[Stop]:
    """Return the steps of the job's present attempt.

    Args:
        job: The job.
        runs: Its step runs in that attempt.
    """
    found = {run.step: run for run in runs}
    return [_stop(job, step, found.get(step.value)) for step in Step]


def _stop(job: Job, step: Step, run: StepRun | None) -> Stop:
    seconds = (run.finished_at - run.started_at).total_seconds() if run and run.finished_at else None
    return Stop(
        step.value, _state(job, step, run), job.step == step, run.started_at if run else None, seconds
    )


def _state(job: Job, step: Step, run: StepRun | None) -> str:
    order = list(Step)
    here = order.index(Step(job.step))
    place = order.index(step)
    if place == here:
        return _state_here(job)
    if place > here:
        return "skipped" if Status(job.status) in ENDED else "pending"
    if job.rollback_asked and step is not Step.CHECK and step is not Step.INIT:
        return _state_undone(job, step)
    if run is not None and run.result in _RESULTS:
        return _RESULTS[run.result]
    return _state_passed(job, step)


def _state_here(job: Job) -> str:
    status = Status(job.status)
    if status is Status.FINISHED:
        return "done"
    if status in {Status.ERROR, Status.ABEND, Status.REJECTED}:
        return "failed"
    if status in ENDED:
        return "stopped"
    return "current" if status in {Status.RUNNING, Status.ROLLBACK} else "waiting"


def _state_undone(job: Job, step: Step) -> str:
    """Return how a step behind the present one is in an attempt that only undoes, beginning at the last that ran."""
    if step is Step.POST or (step is Step.RUN and job.last_ran != Step.RUN):
        return "skipped"
    results = {RollbackState.SUCCEEDED.value: "undone", RollbackState.FAILED.value: "failed"}
    return results.get(job.rollback, "done")


def _state_passed(job: Job, step: Step) -> str:
    """Return how a step behind the present one is that has no run in this attempt: reused, or never begun."""
    if step is Step.PRE and job.started_at is None:
        return "skipped"
    if step is Step.RUN and job.run_began_at is None:
        return "skipped"
    if step is Step.POST and job.started_at is None:
        return "skipped"
    if step is Step.INIT and job.started_at is None and job.step == Step.END:
        return "failed"
    return "done"
