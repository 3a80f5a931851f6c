"""What happened to a job before: its attempts, its approvals and traps that are decided, its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from jobs import selectors
from jobs.models import Approval, AuditRecord, Job, Trap
from jobs.wording import ACTION_LABELS
from permissions.models import User

MOST_ATTEMPTS: Final = 8
"""So many of the last attempts have a link at once; the others are folded."""

ALL_ATTEMPTS: Final = 100
MOST_DECIDED: Final = 20
MOST_RECORDS: Final = 12
_BEGINNERS: Final = ("create", "rerun", "rollback")


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of a job, by number.

    Attributes:
        near: Those with a link at once.
        far: Earlier ones.
        began: The record of who began the one that is shown, ``None`` when it is not known.
        began_by: What they did, in words.
    """

    near: range
    far: range
    began: AuditRecord | None = None
    began_by: str = ""


def attempts_of(job: Job, shown: int) -> Attempts:
    """Return the attempts of a job; one query, none of a job with a single attempt."""
    first = max(1, job.attempt - MOST_ATTEMPTS + 1)
    near, far = range(first, job.attempt + 1), range(max(1, first - ALL_ATTEMPTS), first)
    if job.attempt == 1:
        return Attempts(near, far)
    began = selectors.audit_of(job).filter(attempt=shown, action__in=_BEGINNERS).order_by("id").first()
    label = str(ACTION_LABELS.get(began.action, began.action)) if began else ""
    return Attempts(near, far, began, label)


def approvals_of(job: Job) -> list[Approval]:
    """Return the last approvals of a job that were decided or became void, the newest first; three queries at most."""
    found = Approval.objects.filter(job=job, closed_at__isnull=False).order_by("-id")
    return list(found.prefetch_related("signatures__user")[:MOST_DECIDED])


def traps_of(job: Job) -> list[Trap]:
    """Return the last traps of a job that were answered or became void, the newest first; one query."""
    found = Trap.objects.filter(job=job, closed_at__isnull=False).defer("stash")
    return list(found.order_by("-id")[:MOST_DECIDED])


def records_of(job: Job) -> tuple[list[tuple[str, AuditRecord]], bool]:
    """Return the last records of a job with what each did, and whether there are more."""
    found = list(selectors.audit_of(job).order_by("-id")[: MOST_RECORDS + 1])
    return named(found[:MOST_RECORDS]), len(found) > MOST_RECORDS


def named(records: list[AuditRecord]) -> list[tuple[str, AuditRecord]]:
    """Return each record behind what was done, in words."""
    return [(str(ACTION_LABELS.get(record.action, record.action)), record) for record in records]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The jobs before and behind one, of the same project in the same environment; ``None`` where there is none."""

    before: Job | None
    after: Job | None


def neighbours_of(job: Job, user: User) -> Neighbours:
    """Return the neighbours of a job; two queries, none of a job without a project."""
    if job.project_id is None:
        return Neighbours(None, None)
    found: QuerySet[Job] = selectors.lean_jobs(user).filter(
        environment=job.environment_id, project=job.project_id
    )
    return Neighbours(
        found.filter(pk__lt=job.pk).order_by("-id").first(),
        found.filter(pk__gt=job.pk).order_by("id").first(),
    )
