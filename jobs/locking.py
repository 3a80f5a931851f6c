"""Jobs with their row locked, as ``transitions`` changes them: read in one statement, written with what has changed.

The statements are put together once a process: Django would do so for each lock, which costs more than reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.db import connection
from django.db.models import ForeignKey, Model

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
_WHOLE: Final = f"""
SELECT {{columns}}, {_KNOWN},
    EXISTS (SELECT FROM jobs_operationrun WHERE job_id = jobs_job.id AND attempt = jobs_job.attempt)
FROM jobs_job {{joins}} WHERE jobs_job.id = %s"""
_AGAIN: Final = f"SELECT {{columns}}, {_KNOWN} FROM jobs_job WHERE id = %s AND claim = %s FOR UPDATE"


def lock(job_id: int) -> Job:
    """Return the job with its row locked until the transaction ends, and the database's time as ``clock``.

    Raises:
        JobNotFound: It is gone.
    """
    job = _locked("FOR UPDATE OF jobs_job", [job_id])
    if job is None:
        raise JobNotFound(job_id)
    return job


def lock_claimed(job_id: int, claim: UUID) -> Job:
    """Return the locked job of a runner, as ``lock`` does.

    Raises:
        StaleClaim: The claim is gone; the runner must write nothing.
    """
    job = _locked("AND jobs_job.claim = %s FOR UPDATE OF jobs_job", [job_id, claim])
    if job is None:
        raise StaleClaim(job_id)
    return job


def lock_again(known: Job, claim: UUID) -> Job:
    """Return the locked job of a runner that read it before: what it refers to is not read again.

    Raises:
        StaleClaim: The claim is gone; the runner must write nothing.
    """
    own = _reading().own
    with connection.cursor() as cursor:
        cursor.execute(_reading().again, [known.pk, claim])
        row = cursor.fetchone()
    if row is None:
        raise StaleClaim(known.pk)
    job = cast(Job, own.of(row))
    job.clock, job.asks_slots, job.is_told, job.has_secrets = row[own.after :]
    for name in _SHOWN:
        field = cast("ForeignKey[Any, Any]", Job._meta.get_field(name))
        if field.is_cached(known) and getattr(known, field.attname) == getattr(job, field.attname):
            field.set_cached_value(job, field.get_cached_value(known))
    return _noted(job)


def lock_if_free(job_id: int) -> Job | None:
    """Return the locked job, ``None`` when somebody else holds its row or it is gone."""
    return _locked("FOR UPDATE OF jobs_job SKIP LOCKED", [job_id])


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


def _locked(guard: str, values: list[Any]) -> Job | None:
    reading = _reading()
    with connection.cursor() as cursor:
        cursor.execute(reading.whole + guard, values)
        row = cursor.fetchone()
    if row is None:
        return None
    job = cast(Job, reading.own.of(row))
    for name, part in reading.others:
        Job._meta.get_field(name).set_cached_value(job, part.of(row))  # type: ignore[union-attr]
    known = row[reading.others[-1][1].after :]
    job.clock, job.asks_slots, job.is_told, job.has_secrets, job.has_records = known
    return _noted(job)


@dataclass(frozen=True, slots=True)
class _Part:
    """The columns of one model in a row, and what makes an object of them.

    Attributes:
        model: Which.
        first: Place of its first column.
        names: Attributes in the order of the columns.
        columns: As the statement writes them.
        converters: Place and function of each column that is not kept as it comes.
        key: Place of the primary key; no object is there without it.
    """

    model: type[Model]
    first: int
    names: list[str]
    columns: list[str]
    converters: list[tuple[int, Callable[[Any], Any]]]
    key: int

    @property
    def after(self) -> int:
        """The place behind its last column."""
        return self.first + len(self.names)

    def of(self, row: Sequence[Any]) -> Model | None:
        """Return the object in a row, ``None`` where there is none."""
        values = list(row[self.first : self.after])
        if values[self.key] is None:
            return None
        for place, convert in self.converters:
            values[place] = convert(values[place])
        return self.model.from_db("default", self.names, values)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The statements of this module, and what becomes of their rows."""

    own: _Part
    others: list[tuple[str, _Part]]
    whole: str
    again: str


@lru_cache(maxsize=1)
def _reading() -> _Reading:
    own = _part(Job, "jobs_job", 0)
    others: list[tuple[str, _Part]] = []
    joins = []
    place = own.after
    for name in _SHOWN:
        field = cast("ForeignKey[Any, Any]", Job._meta.get_field(name))
        model = field.related_model
        others.append((name, _part(model, name, place)))
        place = others[-1][1].after
        joins.append(f'LEFT JOIN "{model._meta.db_table}" AS {name} ON {name}.id = jobs_job.{field.column}')
    columns = [*own.columns, *(column for _, part in others for column in part.columns)]
    whole = _WHOLE.format(columns=", ".join(columns), joins=" ".join(joins))
    return _Reading(own, others, f"{whole} ", _AGAIN.format(columns=", ".join(own.columns)))


def _part(model: type[Model], alias: str, first: int) -> _Part:
    fields = [field for field in model._meta.concrete_fields if field.attname not in _LONG]
    converters = [
        (place, _converting(convert))
        for place, field in enumerate(fields)
        for convert in field.get_db_converters(connection)
    ]
    columns = [f'{alias}."{field.column}"' for field in fields]
    key = next(place for place, field in enumerate(fields) if field.primary_key)
    return _Part(model, first, [field.attname for field in fields], columns, converters, key)


def _converting(convert: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a converter of Django's, which knows no expression, for a plain column."""
    return lambda value: convert(value, None, connection)
