"""Every read of jobs starts here, so that nobody sees a job of an environment for which they lack the right."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from jobs.exceptions import JobNotFound
from jobs.models import Job
from permissions import policy
from permissions.catalog import Right
from permissions.policy import AnyUser

DATE_FIELDS: Final = {"created": "created_at", "scheduled": "scheduled_at", "started": "started_at", "finished": "finished_at"}
"""Names of the date filters (``created_after``) and the columns they look at."""

_MULTIPLE: Final = {
    "status": "status__in",
    "step": "step__in",
    "type": "type__in",
    "environment": "environment__code__in",
    "project": "project__code__in",
    "rule": "rule__slug__in",
    "created_by": "created_by__username__in",
}


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a list of jobs is narrowed by; the same for page, API and exports.

    Attributes:
        values: Accepted values by filter name: ``status``, ``step``, ``type``, ``environment``, ``project``, ``nature``, ``rule``, ``created_by``.
        text: Free text: part of the name or comment, a job number, a ref, the beginning of a commit.
        after: Lower bounds (inclusive) by ``created``, ``scheduled``, ``started``, ``finished``.
        before: Upper bounds (exclusive) by the same names.
    """

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""
    after: dict[str, datetime] = field(default_factory=dict)
    before: dict[str, datetime] = field(default_factory=dict)

    def condition(self) -> Q:
        """Return the filter as a condition on jobs."""
        found = Q()
        for name, lookup in _MULTIPLE.items():
            if self.values.get(name):
                found &= Q(**{lookup: self.values[name]})
        if self.values.get("nature"):
            found &= Q(pk__in=_jobs_with_natures(self.values["nature"]))
        for name, moment in self.after.items():
            found &= Q(**{f"{DATE_FIELDS[name]}__gte": moment})
        for name, moment in self.before.items():
            found &= Q(**{f"{DATE_FIELDS[name]}__lt": moment})
        return found & _text_condition(self.text) if self.text else found


def _jobs_with_natures(codes: tuple[str, ...]) -> QuerySet[Any, Any]:
    return Job.natures.through.objects.filter(nature__code__in=codes).values("job_id")


def _text_condition(text: str) -> Q:
    found = Q(name__icontains=text) | Q(comment__icontains=text) | Q(revisions__ref=text)
    if text.isdecimal() and len(text) < 19:
        found |= Q(pk=int(text))
    if 7 <= len(text) <= 40:
        found |= Q(revisions__sha__startswith=text.lower())
    return Q(pk__in=Job.objects.filter(found).values("pk"))


def visible_jobs(user: AnyUser) -> QuerySet[Job]:
    """Return the jobs of the environments whose monitor ``user`` may see, with what lists show of them."""
    allowed = policy.environment_filter(policy.rights_of(user), Right.VIEW_MONITOR, "environment_id")
    return Job.objects.filter(allowed).select_related("environment", "project", "rule", "rule_version", "created_by")


def visible_job(user: AnyUser, job_id: int) -> Job:
    """Return one job.

    Raises:
        JobNotFound: There is none, or ``user`` may not know of it.
    """
    found = visible_jobs(user).filter(pk=job_id).first()
    if found is None:
        raise JobNotFound(job_id)
    return found
