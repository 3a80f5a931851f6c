"""Writing into the log of a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs.actions.base import JobAction, register
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.log.codec import Level
from jobs.log.writer import append_entry
from jobs.models import Job
from permissions.catalog import Right


@register
class CommentJob(JobAction):
    """Adds a line of a person to the log."""

    key, right, event = "comment", Right.VIEW_MONITOR, None
    comment_param = "text"

    def perform(
        self, job: Job, *, actor: Actor, now: datetime, text: str = "", level: str = "comment", **params: Any
    ) -> None:
        """Write it.

        Args:
            job: Locked.
            actor: Who says it.
            now: The present.
            text: What; not empty.
            level: Of the line.
            params: None.

        Raises:
            InvalidInput: The text or the level is not usable.
        """
        levels = [each.code for each in Level]
        if level not in levels:
            raise InvalidInput({"level": [f"Write one of {', '.join(levels)}."]})
        if not text.strip():
            raise InvalidInput({"text": ["Write something."]})
        append_entry(job.pk, job.attempt, job.step, level, text, username=actor.user.get_username(), at=now)

    def note(self, job: Job, actor: Actor, comment: str, now: datetime) -> None:
        """Do nothing: the line itself is in the log."""
