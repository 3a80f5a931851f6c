"""Undoing what a job did, when a person asks for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q

from jobs import records, transitions
from jobs.actions.base import JobAction, register
from jobs.audit import Actor
from jobs.choices import RollbackState
from jobs.exceptions import InvalidInput, LaterJobs
from jobs.lifecycle import ENDED, Event, Status
from jobs.models import Job, OperationRun
from jobs.transitions import Change
from permissions.catalog import Right

MOST_NAMED: Final = 20


@register
class RollBackJob(JobAction):
    """Runs the rollback of every completed operation, the last one first."""

    key, right, event = "rollback", Right.RESTART, Event.ASK_ROLLBACK

    def perform(
        self,
        job: Job,
        *,
        actor: Actor,
        now: datetime,
        force: bool = False,
        comment: str = "",
        **params: Any,
    ) -> None:
        """Let a worker undo it.

        Args:
            job: Locked.
            actor: Who asks.
            now: The present.
            force: Also while later jobs stand on what it did.
            comment: Why; needed with ``force``.
            params: None.

        Raises:
            LaterJobs: Later jobs stand on it, and nobody forces it.
            InvalidInput: It is forced without a comment.
        """
        if force and not comment.strip():
            raise InvalidInput({"comment": ["Say why: forcing a rollback needs a comment."]})
        if not force and (later := later_jobs(job)):
            raise LaterJobs(job.name, [(found.pk, found.name) for found in later])
        transitions.apply(job, Change(Event.ASK_ROLLBACK, now))


def later_jobs(job: Job) -> list[Job]:
    """Return jobs of the same project and environment that ended after ``job`` and whose work is still there.

    Newest first, at most ``MOST_NAMED``. Those that were cancelled, rolled back, or failed with nothing to undo do not count.
    """
    if job.project_id is None or job.finished_at is None:
        return []
    undoable = OperationRun.objects.filter(records.UNDOABLE, job=OuterRef("pk"), attempt=OuterRef("attempt"))
    later = Job.objects.filter(
        Q(status=Status.FINISHED) | Exists(undoable),
        project=job.project_id,
        environment=job.environment_id,
        status__in=ENDED - {Status.CANCELLED},
        finished_at__gt=job.finished_at,
    )
    later = later.exclude(rollback=RollbackState.SUCCEEDED).exclude(pk=job.pk)
    return list(later.only("pk", "name").order_by("-finished_at", "-pk")[:MOST_NAMED])
