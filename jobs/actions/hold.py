"""Keeping a job from every retention policy, until somebody releases it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs.actions.base import JobAction, register_apart
from jobs.audit import Actor
from jobs.models import Job, JobHold
from permissions.catalog import Right


@register_apart
class HoldJob(JobAction):
    """Puts a job on hold; one that is on hold already gets the new reason."""

    key, right, event = "hold", Right.DELETE, None

    def perform(self, job: Job, *, actor: Actor, now: datetime, comment: str = "", **params: Any) -> None:
        """Hold it."""
        values = {"held_at": now, "held_by": actor.user.get_username(), "comment": comment}
        JobHold.objects.update_or_create(job=job, defaults=values)


@register_apart
class ReleaseJob(JobAction):
    """Lets policies decide about a job again."""

    key, right, event = "release", Right.DELETE, None

    def refused_by_table(self, job: Job) -> Exception | None:
        """Return why there is nothing to release."""
        return None if JobHold.objects.filter(job=job).exists() else self.not_allowed(job)

    def perform(self, job: Job, *, actor: Actor, now: datetime, **params: Any) -> None:
        """Release it."""
        JobHold.objects.filter(job=job).delete()
