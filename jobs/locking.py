"""Jobs with their row locked, as ``transitions`` changes them: read in one statement, written with what has changed.

The statements are put together once a process: Django would do so for each lock, which costs more than reading.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, cast
from uuid import UUID

from django.db.models import ForeignKey

from clarive_monitor import prepared
from clarive_monitor.prepared import Reading
from jobs.bundle import Bundle
from jobs.exceptions import JobNotFound, StaleClaim
from jobs.models import Job

_SHOWN: Final = ("environment", "project", "rule", "rule_version", "created_by")
_LONG: Final = frozenset({"source"})
"""Columns of what a job refers to that are read only when somebody asks for them."""

# Leases and dates are judged by the database's clock, so they are set by it: clocks of machines differ.
_KNOWN: Final = """clock_timestamp(),
    EXISTS (SELECT FROM jobs_semaphorerequest WHERE job_id = jobs_job.id),
    EXISTS (SELECT FROM jobs_subscription WHERE enabled),
    EXISTS (SELECT FROM jobs_secret
            WHERE (environment_id IS NULL OR environment_id = jobs_job.environment_id)
            AND (project_id IS NULL OR project_id = jobs_job.project_id))"""
_RECORDED: Final = (
    "EXISTS (SELECT FROM jobs_operationrun WHERE job_id = jobs_job.id AND attempt = jobs_job.attempt)"
)

_ONE: Final = "jobs_job.id = %s FOR UPDATE OF jobs_job"
_CLAIMED: Final = "jobs_job.id = %s AND jobs_job.claim = %s FOR UPDATE OF jobs_job"
# The time at which the statement came, which the index is searched by: a clock that goes on is asked for each job with a date.
_IS_DUE: Final = """
jobs_job.due_at <= statement_timestamp() AND NOT (jobs_job.status = 'ready' AND jobs_job.step = 'RUN'
    AND jobs_job.run_began_at IS NULL AND jobs_job.max_start_at < statement_timestamp())
"""
NEXT: Final = f"""
SELECT id FROM jobs_job WHERE {_IS_DUE}
ORDER BY jobs_job.urgent DESC, jobs_job.due_at, jobs_job.id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_shown: Final = Reading(Job, *_SHOWN, but=_LONG)
_alone: Final = Reading(Job)


def lock(job_id: int) -> Job:
    """Return the job with its row locked until the transaction ends, and the database's time as ``clock``.

    Raises:
        JobNotFound: It is gone.
    """
    job = _locked(_ONE, [job_id])
    if job is None:
        raise JobNotFound(job_id)
    return job


def lock_claimed(job_id: int, claim: UUID) -> Job:
    """Return the locked job of a runner, as ``lock`` does.

    Raises:
        StaleClaim: The claim is gone; the runner must write nothing.
    """
    job = _locked(_CLAIMED, [job_id, claim])
    if job is None:
        raise StaleClaim(job_id)
    return job


def lock_again(known: Job, claim: UUID) -> Job:
    """Return the locked job of a runner that read it before: what it refers to is not read again.

    Raises:
        StaleClaim: The claim is gone; the runner must write nothing.
    """
    with prepared.cursor() as cursor:
        cursor.execute(_again(), [known.pk, claim])
        row = cursor.fetchone()
    if row is None:
        raise StaleClaim(known.pk)
    job = _alone.of(row)
    job.clock, job.asks_slots, job.is_told, job.has_secrets = row[_alone.after :]
    for name in _SHOWN:
        field = cast("ForeignKey[Any, Any]", Job._meta.get_field(name))
        if field.is_cached(known) and getattr(known, field.attname) == getattr(job, field.attname):
            field.set_cached_value(job, field.get_cached_value(known))
    return _noted(job)


def lock_due() -> Job | None:
    """Return the locked job that is next for a worker, urgent ones first, ``None`` when none is due that nobody else holds."""
    # Two statements: what is recorded of a job is seen as it is once the job is locked, not as it was when it was looked for.
    with prepared.cursor() as cursor:
        cursor.execute(NEXT)
        row = cursor.fetchone()
    return None if row is None else lock(row[0])


def is_any_due() -> bool:
    """Return whether a job waits for a worker; perhaps one that another worker is about to take."""
    with prepared.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM jobs_job WHERE {_IS_DUE})")
        return bool(cursor.fetchone()[0])


def lock_if_free(job_id: int) -> Job | None:
    """Return the locked job, ``None`` when somebody else holds its row or it is gone."""
    return _locked(f"{_ONE} SKIP LOCKED", [job_id])


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


def _locked(condition: str, values: list[Any]) -> Job | None:
    with prepared.cursor() as cursor:
        cursor.execute(f"{_whole()} WHERE {condition}", values)
        row = cursor.fetchone()
    if row is None:
        return None
    job = _shown.of(row)
    job.clock, job.asks_slots, job.is_told, job.has_secrets, job.has_records = row[_shown.after :]
    return _noted(job)


@cache
def _whole() -> str:
    return f"SELECT {_shown.columns}, {_KNOWN}, {_RECORDED} FROM {_shown.tables}"


@cache
def _again() -> str:
    return f"SELECT {_alone.columns}, {_KNOWN} FROM {_alone.tables} WHERE id = %s AND claim = %s FOR UPDATE"
