"""Ending a job at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs import transitions
from jobs.actions.base import JobAction, register
from jobs.audit import Actor
from jobs.lifecycle import Event
from jobs.models import Job
from jobs.transitions import Change
from permissions.catalog import Right


@register
class CancelJob(JobAction):
    """Cancels a job.

    Its status changes at once; its runner ends the processes on its machine, and what they started elsewhere goes on.
    """

    key, right, event = "cancel", Right.CANCEL, Event.CANCEL

    def perform(self, job: Job, *, actor: Actor, now: datetime, comment: str = "", **params: Any) -> None:
        """Cancel it, which takes its runner's claim away."""
        reason = f"Cancelled by {actor.user.get_username()}" + (f": {comment}" if comment else ".")
        transitions.apply(job, Change(Event.CANCEL, now, reason=reason))
