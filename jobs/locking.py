"""Jobs with their row locked, as ``transitions`` changes them: read in one statement, written with what has changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, Exists, ForeignKey, Func, OuterRef, Q, QuerySet

from jobs.bundle import Bundle
from jobs.exceptions import JobNotFound, StaleClaim
from jobs.models import Job, OperationRun, Secret, SemaphoreRequest, Subscription

_SHOWN: Final = ("environment", "project", "rule", "rule_version", "created_by")
_AGAIN: Final = """
SELECT {columns}, clock_timestamp(),
    EXISTS (SELECT FROM jobs_semaphorerequest WHERE job_id = jobs_job.id),
    EXISTS (SELECT FROM jobs_subscription WHERE enabled),
    EXISTS (SELECT FROM jobs_secret
            WHERE (environment_id IS NULL OR environment_id = jobs_job.environment_id)
            AND (project_id IS NULL OR project_id = jobs_job.project_id))
FROM jobs_job WHERE id = %s AND claim = %s FOR UPDATE
"""


_SECRETS: Final = Secret.objects.filter(
    Q(environment=None) | Q(environment=OuterRef("environment")),
    Q(project=None) | Q(project=OuterRef("project")),
)


def lock(job_id: int) -> Job:
    """Return the job with its row locked until the transaction ends, and the database's time as ``clock``.

    Raises:
        JobNotFound: It is gone.
    """
    job = _locked().filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(job_id)
    return _noted(job)


def lock_claimed(job_id: int, claim: UUID) -> Job:
    """Return the locked job of a runner, as ``lock`` does.

    Raises:
        StaleClaim: The claim is gone; the runner must write nothing.
    """
    job = _locked().filter(pk=job_id, claim=claim).first()
    if job is None:
        raise StaleClaim(job_id)
    return _noted(job)


def lock_again(known: Job, claim: UUID) -> Job:
    """Return the locked job of a runner that read it before: what it refers to is not read again.

    Raises:
        StaleClaim: The claim is gone; the runner must write nothing.
    """
    statement, names, converters = _reading()
    with connection.cursor() as cursor:
        cursor.execute(statement, [known.pk, claim])
        row = cursor.fetchone()
    if row is None:
        raise StaleClaim(known.pk)
    values = list(row[: len(names)])
    for place, convert in converters:
        values[place] = convert(values[place])
    job = Job.from_db("default", names, values)
    job.clock, job.asks_slots, job.is_told, job.has_secrets = row[len(names) :]
    for name in _SHOWN:
        field = cast("ForeignKey[Any, Any]", Job._meta.get_field(name))
        if field.is_cached(known) and getattr(known, field.attname) == getattr(job, field.attname):
            field.set_cached_value(job, field.get_cached_value(known))
    return _noted(job)


def lock_if_free(job_id: int) -> Job | None:
    """Return the locked job, ``None`` when somebody else holds its row or it is gone."""
    job = _locked(skip_locked=True).filter(pk=job_id).first()
    return _noted(job) if job is not None else None


def save(job: Job, bundle: Bundle | None = None) -> None:
    """Write what has changed of a job since it was locked, or add it to a bundle; of one that was not locked, everything."""
    before: dict[str, Any] | None = getattr(job, "as_locked", None)
    if before is None:
        job.save()
        return
    changed = [name for name, value in before.items() if getattr(job, name) != value]
    before.update((name, getattr(job, name)) for name in changed)
    own = bundle or Bundle()
    own.update(job, changed)
    if bundle is None:
        own.send()


def _noted(job: Job) -> Job:
    """Note how the job is in the database. Whoever changes plain data of it puts new data in its place."""
    job.as_locked = {field.attname: job.__dict__[field.attname] for field in Job._meta.concrete_fields}
    return job


def _locked(*, skip_locked: bool = False) -> QuerySet[Job]:
    # Leases and dates are judged by the database's clock, so they are set by it: clocks of machines differ.
    known: dict[str, Any] = {
        "clock": Func(function="clock_timestamp", output_field=DateTimeField()),
        "asks_slots": Exists(SemaphoreRequest.objects.filter(job=OuterRef("pk"))),
        "is_told": Exists(Subscription.objects.filter(enabled=True)),
        "has_secrets": Exists(_SECRETS),
        "has_records": Exists(OperationRun.objects.filter(job=OuterRef("pk"), attempt=OuterRef("attempt"))),
    }
    jobs = Job.objects.select_for_update(of=("self",), skip_locked=skip_locked)
    return jobs.select_related(*_SHOWN).annotate(**known).order_by("pk")


@lru_cache(maxsize=1)
def _reading() -> tuple[str, list[str], list[tuple[int, Callable[[Any], Any]]]]:
    """Return the statement of ``lock_again``, the attributes that it reads, and what turns a column into an attribute."""
    fields = Job._meta.concrete_fields
    converters = [
        (place, _converting(convert))
        for place, field in enumerate(fields)
        for convert in field.get_db_converters(connection)
    ]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    return _AGAIN.format(columns=columns), [field.attname for field in fields], converters


def _converting(convert: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a converter of Django's, which knows no expression, for a plain column."""
    return lambda value: convert(value, None, connection)
