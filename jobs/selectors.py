"""Every read of jobs starts here, so that nobody sees a job of an environment whose monitor is not theirs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db.models import Exists, Max, Model, OuterRef, Q, QuerySet

from clarive_monitor import prepared
from jobs.choices import JobType, StatusChoice, StepChoice
from jobs.exceptions import JobNotFound
from jobs.models import AuditRecord, DaemonState, Job, JobNature, JobRevision, Nature, Project, WorkerSeen
from jobs.search_words import split
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import AnyUser
from permissions.rights import Rights
from rules.models import Rule

DATE_FIELDS: Final = {
    "created": "created_at",
    "scheduled": "scheduled_at",
    "started": "started_at",
    "finished": "finished_at",
}
"""Names of the date filters (``created_after``) and the columns they look at."""

NO_VALUE: Final = "-"
"""Of a filter that leaves out every value: no job has it."""

LARGEST_ID: Final = 2**63 - 1
SIGNS_MISSED: Final = 3
"""After so many leases without a sign of life a worker or the daemon counts as gone."""

_SHOWN_WITH: Final = ("environment", "project", "rule", "rule_version", "created_by")
_NOT_LISTED: Final = (
    "rule_pins",
    "stash",
    "environment__variables",
    "project__repository",
    "project__variables",
    "rule_version__source",
    "rule_version__description",
    "rule_version__comment",
)
"""Columns that may be large and that no list shows."""

_MULTIPLE: Final = {
    "status": "status__in",
    "step": "step__in",
    "type": "type__in",
    "environment": "environment__code__in",
    "project": "project__code__in",
    "rule": "rule__slug__in",
    "created_by": "created_by__username__in",
}
_CODES: Final[dict[str, type[Model]]] = {
    "environment": Environment,
    "project": Project,
    "rule": Rule,
    "created_by": User,
}
"""Whose codes filters name."""

_ALL_VALUES: Final = {
    "status": tuple(StatusChoice.values),
    "step": tuple(StepChoice.values),
    "type": tuple(JobType.values),
}


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a list of jobs is narrowed by; the same for page, API and exports.

    Attributes:
        values: Accepted values by filter name: ``status``, ``step``, ``type``, ``environment``, ``project``,
            ``nature``, ``rule``, ``created_by``.
        without: Values that are not wanted, by the same names. A job without a project is without any of them.
        text: Free text; each word is part of the name or comment, a job number, a ref, or the beginning of a commit.
        after: Lower bounds (inclusive) by ``created``, ``scheduled``, ``started``, ``finished``.
        before: Upper bounds (exclusive) by the same names.
    """

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""
    after: dict[str, datetime] = field(default_factory=dict)
    before: dict[str, datetime] = field(default_factory=dict)

    def condition(self, *, but_for: Collection[str] = ()) -> Q:
        """Return the filter as a condition on jobs.

        Args:
            but_for: Names of filters, also of dates, that somebody else takes care of.
        """
        found = Q()
        for name, lookup in _MULTIPLE.items():
            if self.values.get(name) and name not in but_for:
                found &= Q(**{lookup: self.values[name]})
        if self.values.get("nature") and "nature" not in but_for:
            found &= Q(pk__in=_jobs_with_natures(self.values["nature"]))
        for name, values in self.without.items():
            if name not in but_for:
                found &= _without(name, values)
        for bounds, lookup in ((self.after, "gte"), (self.before, "lt")):
            for name, moment in bounds.items():
                if name not in but_for:
                    found &= Q(**{f"{DATE_FIELDS[name]}__{lookup}": moment})
        for word in split(self.text):
            found &= _text_condition(word)
        return found

    def only(self, name: str) -> JobFilter:
        """Return what the filter says of the values under one name."""
        values = {name: self.values[name]} if name in self.values else {}
        without = {name: self.without[name]} if name in self.without else {}
        return JobFilter(values, without)

    def positive(self) -> JobFilter:
        """Return the same filter, which names what is wanted of fixed values and not what is not."""
        values, without = dict(self.values), dict(self.without)
        for name, all_values in _ALL_VALUES.items():
            if left_out := without.pop(name, ()):
                kept = self.values.get(name, all_values)
                values[name] = tuple(value for value in kept if value not in left_out) or (NO_VALUE,)
        return replace(self, values=values, without=without)


def _without(name: str, values: tuple[str, ...]) -> Q:
    """Return the condition that leaves ``values`` out.

    Of fixed values it names the others: an index serves what is, and none what is not. So ``-status:finished`` reads the few
    other jobs and not a million finished ones.
    """
    if name == "step" and StepChoice.END in values:
        # END is where finished jobs and those in error are, and nothing else: the status has an index, the step none.
        ended = (StatusChoice.FINISHED, StatusChoice.ERROR)
        others = [value for value in _ALL_VALUES[name] if value not in values]
        return Q(step__in=others, status__in=[value for value in StatusChoice.values if value not in ended])
    if name in _ALL_VALUES:
        return Q(**{_MULTIPLE[name]: [value for value in _ALL_VALUES[name] if value not in values]})
    if name == "nature":
        # EXISTS, so that NOT stops at the first row of each job.
        return Q(~Exists(JobNature.objects.filter(job_id=OuterRef("pk"), nature__code__in=values)))
    # Looked up once: joined to each job they would be compared one by one.
    codes = (
        _CODES[name]._default_manager.filter(**{f"{_MULTIPLE[name].partition('__')[2]}": values}).order_by()
    )
    return ~Q(**{f"{name}__in": codes.values("pk")})


_FLIPPED: Final = {"rule": "slug", "created_by": "username"}
"""Every job has one of these."""

_FEWEST_LEFT_OUT: Final = 5
_MOST_LEFT: Final = 5


def flipped(wanted: JobFilter) -> JobFilter:
    """Return the same filter, which names what is wanted where only a few rules or users are left."""
    values, without = dict(wanted.values), dict(wanted.without)
    for name, code in _FLIPPED.items():
        left_out = without.get(name, ())
        if len(left_out) < _FEWEST_LEFT_OUT or name in values:
            continue
        others = _CODES[name]._default_manager.exclude(**{f"{code}__in": left_out}).order_by()
        left = list(others.values_list(code, flat=True)[: _MOST_LEFT + 1])
        if len(left) <= _MOST_LEFT:
            values[name] = tuple(left) or (NO_VALUE,)
            del without[name]
    return replace(wanted, values=values, without=without)


def _jobs_with_natures(codes: tuple[str, ...]) -> QuerySet[Any, Any]:
    return JobNature.objects.filter(nature__code__in=codes).values("job_id")


def _text_condition(text: str) -> Q:
    """Return the condition on one word: looked at job by job, so that a walk along a list stops when its page is full."""
    revision = Q(ref=text)
    if 7 <= len(text) <= 40:
        revision |= Q(sha__startswith=text.lower())
    found = Q(name__icontains=text) | Q(comment__icontains=text)
    if text.isdecimal() and len(text) < 19:
        found |= Q(pk=int(text))
    return found | Q(Exists(JobRevision.objects.filter(revision, job_id=OuterRef("pk"))))


def may_create(rights: Rights) -> bool:
    """Return whether who holds ``rights`` may create a job in any environment. One small query, or none."""
    return Environment.objects.filter(policy.environment_filter(rights, Right.CREATE, "pk")).exists()


def visible_jobs(user: AnyUser) -> QuerySet[Job]:
    """Return the jobs of the environments whose monitor ``user`` may see, with what they refer to."""
    allowed = policy.environment_filter(policy.rights_of(user), Right.VIEW_MONITOR, "environment_id")
    return Job.objects.filter(allowed).select_related(*_SHOWN_WITH)


def lean_jobs(user: AnyUser) -> QuerySet[Job]:
    """Return the visible jobs without their large columns."""
    return visible_jobs(user).defer(*_NOT_LISTED)


def listed_jobs(user: AnyUser, wanted: JobFilter) -> QuerySet[Job]:
    """Return the visible jobs that ``wanted`` keeps, with all that a list shows of them and nothing large."""
    return lean_jobs(user).filter(wanted.condition()).prefetch_related("revisions", "natures")


def seen_environments(user: AnyUser) -> list[int] | None:
    """Return the keys of the environments whose monitor ``user`` may see, ``None`` for all there are and will be."""
    rights = policy.rights_of(user)
    if rights.sees_all:
        return None
    return [key for key in rights.by_environment if rights.has(Right.VIEW_MONITOR, key)]


def jobs_as_listed(job_ids: Iterable[int]) -> dict[int, Job]:
    """Return jobs by id with all that a list shows of them, whoever may see them: for callers that know who does."""
    found = Job.objects.filter(pk__in=set(job_ids)).select_related(*_SHOWN_WITH).defer(*_NOT_LISTED)
    return {job.pk: job for job in found.prefetch_related("revisions", "natures")}


def statuses(job_ids: Iterable[int]) -> dict[int, str]:
    """Return the statuses of jobs by id, whoever may see them."""
    return dict(Job.objects.filter(pk__in=set(job_ids)).values_list("pk", "status"))


def require_visible(user: AnyUser, job_id: int) -> None:
    """Do nothing when ``user`` may know of the job.

    Raises:
        JobNotFound: There is none, or the user may not know of it. Both cost the same.
    """
    allowed = policy.environment_filter(policy.rights_of(user), Right.VIEW_MONITOR, "environment_id")
    if job_id > LARGEST_ID or not Job.objects.filter(allowed, pk=job_id).exists():
        raise JobNotFound(job_id)


def visible_job(user: AnyUser, job_id: int) -> Job:
    """Return one job.

    Raises:
        JobNotFound: There is none, or ``user`` may not know of it.
    """
    found = visible_jobs(user).filter(pk=job_id).first() if job_id <= LARGEST_ID else None
    if found is None:
        raise JobNotFound(job_id)
    return found


def audit_of(job: Job) -> QuerySet[AuditRecord]:
    """Return what people and the daemon decided about ``job``."""
    return AuditRecord.objects.filter(job_id=job.pk)


def sees_anything(user: AnyUser) -> bool:
    """Return whether ``user`` may see at least one environment, or all there will be."""
    return policy.rights_of(user).sees_all or policy.environments_for(user).exists()


def visible_projects(user: AnyUser) -> QuerySet[Project]:
    """Return all projects for whoever may see at least one environment; others need no names."""
    return Project.objects.all() if sees_anything(user) else Project.objects.none()


def visible_rules(user: AnyUser) -> QuerySet[Rule]:
    """Return all rules for whoever may see at least one environment."""
    return Rule.objects.all() if sees_anything(user) else Rule.objects.none()


def visible_natures(user: AnyUser) -> QuerySet[Nature]:
    """Return all natures for whoever may see at least one environment."""
    return Nature.objects.all() if sees_anything(user) else Nature.objects.none()


def last_worker_sign(queue: str) -> datetime | None:
    """Return when a worker that serves ``queue`` was last seen."""
    found: datetime | None = WorkerSeen.objects.filter(queues__contains=[queue]).aggregate(at=Max("seen_at"))[
        "at"
    ]
    return found


def workers_of(queue: str, now: datetime) -> list[str]:
    """Return the names of the workers that serve ``queue`` and were seen lately."""
    since = now - SIGNS_MISSED * timedelta(seconds=settings.CLARIVE_LEASE_SECONDS)
    found = WorkerSeen.objects.filter(queues__contains=[queue], seen_at__gte=since)
    return list(found.values_list("name", flat=True))


class Signs(NamedTuple):
    """The last signs of life.

    Attributes:
        worker_at: Of any worker of a queue.
        is_any_drained: Whether any worker at all is drained.
        daemon_at: Of the daemon.
    """

    worker_at: datetime | None
    is_any_drained: bool
    daemon_at: datetime | None


_SIGNS: Final = """
SELECT (SELECT max(seen_at) FROM jobs_workerseen WHERE queues @> %s), EXISTS (SELECT FROM jobs_workerdrain),
    (SELECT ticked_at FROM jobs_daemonstate ORDER BY id LIMIT 1)
"""


def signs_of(queue: str) -> Signs:
    """Return the last signs of life of who serves ``queue``, and of the daemon."""
    with prepared.cursor() as cursor:
        cursor.execute(_SIGNS, [json.dumps([queue])])
        return Signs(*cursor.fetchone())


def last_tick() -> datetime | None:
    """Return when the daemon ticked last."""
    return DaemonState.objects.values_list("ticked_at", flat=True).first()


def is_recent(sign: datetime | None, now: datetime) -> bool:
    """Return whether a sign of life is recent enough to count on."""
    return sign is not None and now - sign <= SIGNS_MISSED * timedelta(seconds=settings.CLARIVE_LEASE_SECONDS)


USUAL: Final = """
SELECT ceil(percentile_cont(0.5) WITHIN GROUP (ORDER BY operations_done))::int FROM (
    SELECT operations_done FROM jobs_job
    WHERE rule_id = %s AND status = 'finished' AND (%s::bigint IS NULL OR environment_id = %s) AND id <> %s
    ORDER BY id DESC LIMIT 20
) AS newest
"""
"""The usual number of operations of a rule, in an environment or anywhere; values: rule, environment twice, a job left out."""


def usual_operations(rule_id: int, environment_id: int, *, but: int = 0) -> tuple[int, str] | None:
    """Return how many operations finished jobs of a rule have done, and by which: those of the environment, or of the rule.

    Args:
        rule_id: The rule.
        environment_id: Where; jobs elsewhere count when none has finished there.
        but: A job that does not count, since it is about to run again.

    Returns:
        The median of the last 20, rounded up; ``None`` when no job has finished.
    """
    with prepared.cursor() as cursor:
        for basis, place in (("environment", environment_id), ("rule", None)):
            cursor.execute(USUAL, [rule_id, place, place, but])
            row = cursor.fetchone()
            if row is not None and row[0] is not None:
                return int(row[0]), basis
    return None
