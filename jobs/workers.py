"""Draining: a worker that was told so takes no new work, until somebody lets it work again.

The database is the truth. Whoever takes work for a worker holds a lock on its name, shared, and looks whether it is drained;
whoever drains it holds the same lock alone. So once draining is committed nothing begins there any more, wherever the
worker is and whether or not the broker is there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import connection, transaction

from jobs import audit, dispatch, selectors
from jobs.audit import Author
from jobs.exceptions import UnknownWorker
from jobs.models import WorkerDrain, WorkerSeen

# Two statements in one round trip: what one sees is fixed before it waits for the lock.
_SHARED: Final = """
SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0));
SELECT EXISTS (SELECT 1 FROM jobs_workerdrain WHERE name = %s)
"""
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def name_of(process: str) -> str:
    """Return the name of the worker whose pool a process belongs to: what ``fleet.process_name`` begins with."""
    return process.rpartition("/")[0] or process


def may_take(process: str) -> bool:
    """Within a transaction, return whether ``process`` may take new work, and keep it so until the transaction ends."""
    name = name_of(process)
    with connection.cursor() as cursor:
        cursor.execute(_SHARED, [_key(name), name])
        cursor.nextset()
        (is_drained,) = cursor.fetchone()
    return not is_drained


def is_drained(name: str) -> bool:
    """Return whether the worker was told to take no new work."""
    return WorkerDrain.objects.filter(name=name).exists()


@transaction.atomic
def drain(name: str, author: Author, *, now: datetime) -> bool:
    """Let a worker take no new work; return whether it did until now. The job it runs is handed over within seconds.

    Raises:
        UnknownWorker: No worker of this name was seen.
    """
    _lock(name)
    if not (WorkerSeen.objects.filter(name=name).exists() or is_drained(name)):
        raise UnknownWorker(name)
    made = WorkerDrain.objects.get_or_create(
        name=name, defaults={"requested_at": now, "requested_by": author.name}
    )[1]
    if made:
        audit.record_setting(author, "drain_worker", now=now, comment=name)
    return made


@transaction.atomic
def resume(name: str, author: Author, *, now: datetime) -> bool:
    """Let a drained worker take work again; return whether it was drained."""
    _lock(name)
    gone = WorkerDrain.objects.filter(name=name).delete()[0] > 0
    if gone:
        audit.record_setting(author, "resume_worker", now=now, comment=name)
        dispatch.hint_work()
    return gone


def taking(queue: str, now: datetime) -> set[str]:
    """Return the names of the workers of ``queue`` that are there and not drained."""
    return {*selectors.workers_of(queue, now)} - {*WorkerDrain.objects.values_list("name", flat=True)}


def all_drained(queue: str, now: datetime) -> datetime | None:
    """Return since when all workers of ``queue`` that are there are drained, ``None`` when one takes work or none is there."""
    drained = dict(WorkerDrain.objects.values_list("name", "requested_at"))
    names = selectors.workers_of(queue, now) if drained else []
    return max(drained[name] for name in names) if names and drained.keys() >= {*names} else None


def _lock(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE, [_key(name)])


def _key(name: str) -> str:
    return f"clarive worker {name}"
