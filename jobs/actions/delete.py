"""Taking a job out of the monitor."""

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
class DeleteJob(JobAction):
    """Deletes a job with its log and results; the audit of it stays."""

    key, right, event = "delete", Right.DELETE, Event.DELETE

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Delete it."""
        transitions.apply(job, Change(Event.DELETE, now))

    def note(self, job: Job, actor: Actor, comment: str, now: datetime) -> None:
        """Do nothing: the log is gone."""
