"""Answering a trap: retry, skip, abort, pause, resume."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs import answers, transitions, waits
from jobs.actions.base import Asker, JobAction, register
from jobs.audit import Actor
from jobs.exceptions import NoRetriesLeft
from jobs.lifecycle import Event
from jobs.models import Job, Trap
from jobs.transitions import Change
from permissions.catalog import Right


class _Answer(JobAction):
    """What all answers share: a trap that is open."""

    right = Right.RESTART

    def trap_of(self, job: Job) -> Trap:
        """Return the trap of a job that the table says is in one.

        Raises:
            TransitionNotAllowed: There is none to answer. A runner makes both at once, so this is a job made by hand.
        """
        trap = waits.open_trap(job)
        if trap is None:
            raise self.not_allowed(job)
        return trap


@register
class RetryTrap(_Answer):
    """Does the trapped operation again; a group as a whole."""

    key, event = "retry", Event.RETRY

    def refusal(self, job: Job, asker: Asker, *, now: datetime) -> Exception | None:
        """Return why it may not be done, also when the rule allows no more retries."""
        refused = super().refusal(job, asker, now=now)
        trap = waits.open_trap(job) if refused is None else None
        if trap is not None and not answers.retries_left(trap):
            return NoRetriesLeft(job.name, trap.max_retries)
        return refused

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Let it be tried again."""
        answers.answer_trap(job, self.trap_of(job), Trap.Answer.RETRY, now)


@register
class SkipTrap(_Answer):
    """Goes on after the trapped operation; of a group the rest is left."""

    key, event = "skip", Event.SKIP

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Let the job go on."""
        answers.answer_trap(job, self.trap_of(job), Trap.Answer.SKIP, now)


@register
class AbortTrap(_Answer):
    """Lets the step fail."""

    key, event = "abort", Event.FAIL

    def refused_by_table(self, job: Job) -> Exception | None:
        """Return why not: a running step fails as well, but nobody can ask for that."""
        return super().refused_by_table(job) if waits.open_trap(job) else self.not_allowed(job)

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Fail."""
        answers.answer_trap(job, self.trap_of(job), Trap.Answer.ABORT, now)


@register
class PauseTrap(_Answer):
    """Stops the clock of the trap."""

    key, event = "pause", Event.PAUSE

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Stop it."""
        waits.pause(self.trap_of(job), now)
        transitions.apply(job, Change(Event.PAUSE, now))


@register
class ResumeTrap(_Answer):
    """Lets the clock of the trap go on with the time that was left."""

    key, event = "resume", Event.RESUME

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Start it."""
        waits.resume(self.trap_of(job), now)
        transitions.apply(job, Change(Event.RESUME, now))
