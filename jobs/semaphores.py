"""Slots of semaphores: who asks first is served first, and a slot is free again when its holder ends, waits or dies.

Rows are locked in one order everywhere: the job's, then the semaphore's. So a grant to another job never touches that
job's row; the job is woken after commit, and by the daemon should that be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.functions import Now

from jobs import dispatch
from jobs.exceptions import SemaphoreDeadlock, StaleClaim
from jobs.lifecycle import Status
from jobs.models import Job, Semaphore, SemaphoreRequest
from rules.tree import ancestors

LONGEST_NAME: Final = 200
_MOST_NAMED: Final = 5
_WAKE: Final = """
UPDATE jobs_job SET due_at = clock_timestamp()
WHERE status = 'ready' AND due_at IS NULL AND (%(all)s OR id = ANY(%(jobs)s))
    AND NOT EXISTS (SELECT FROM jobs_semaphorerequest r WHERE r.job_id = jobs_job.id AND r.granted_at IS NULL)
"""


def ask(job_id: int, claim: UUID, path: str, name: str, now: datetime) -> bool:
    """Ask for a slot for an operation and return whether it has one; asking again keeps its place.

    Raises:
        StaleClaim: The runner's claim is gone.
        SemaphoreDeadlock: Waiting would never end.
    """
    with transaction.atomic():
        _lock_job(job_id, claim)
        # Before its semaphore is locked: the name is a template and may have changed since.
        _drop(SemaphoreRequest.objects.filter(job_id=job_id, path=path).exclude(semaphore__name=name))
        semaphore = _lock_semaphore(name)
        request, _ = SemaphoreRequest.objects.get_or_create(
            job_id=job_id, path=path, defaults={"semaphore": semaphore, "asked_at": now}
        )
        if request.granted_at is None:
            grant([semaphore])
            request.refresh_from_db()
        if request.granted_at is None and _never_ends(request):
            raise SemaphoreDeadlock(name)
        return request.granted_at is not None


def release(job_id: int, claim: UUID, path: str) -> None:
    """Give back the slot of an operation.

    Raises:
        StaleClaim: The runner's claim is gone, and its slots with it.
    """
    with transaction.atomic():
        _lock_job(job_id, claim)
        _drop(SemaphoreRequest.objects.filter(job_id=job_id, path=path))


def release_all(job: Job) -> None:
    """Give back all slots and places in queues of a locked job."""
    _drop(SemaphoreRequest.objects.filter(job=job))


def is_waiting(job: Job) -> bool:
    """Return whether a locked job waits for a slot."""
    return SemaphoreRequest.objects.filter(job=job, granted_at__isnull=True).exists()


def asks(job: Job) -> bool:
    """Return whether a job has or waits for a slot; most never do, and this costs less than to look for whom they wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM jobs_semaphorerequest WHERE job_id = %s)", [job.pk])
        row: tuple[bool] = cursor.fetchone()
        return row[0]


def waiting_requests(job: Job) -> list[SemaphoreRequest]:
    """Return the slots that a job waits for; branches of a ``parallel`` may wait for several."""
    found = SemaphoreRequest.objects.filter(job=job, granted_at__isnull=True)
    return list(found.select_related("semaphore", "job"))


def holders(request: SemaphoreRequest) -> list[str]:
    """Return the names of jobs of the same environment that hold the slots a request waits for.

    Whoever sees the job sees those, too; jobs of other environments are nobody's business here.
    """
    held = SemaphoreRequest.objects.filter(
        semaphore=request.semaphore_id,
        granted_at__isnull=False,
        job__environment=request.job.environment_id,
    )
    return list(held.order_by("job__name").values_list("job__name", flat=True).distinct()[:_MOST_NAMED])


def grant_freed() -> None:
    """Grant what is free and wake whoever was granted something: for slots that an administrator added, and lost wake-ups."""
    # Grants follow what frees a slot at once, so usually there is none here, and one query tells.
    waiting = SemaphoreRequest.objects.filter(semaphore=OuterRef("pk"), granted_at__isnull=True)
    held = Count("requests", filter=Q(requests__granted_at__isnull=False))
    free = Semaphore.objects.filter(Exists(waiting)).annotate(held=held).filter(held__lt=F("slots"))
    if names := list(free.values_list("pk", flat=True)):
        with transaction.atomic():
            grant(Semaphore.objects.select_for_update().filter(pk__in=names).order_by("pk"))
    wake(None)


def grant(semaphores: Iterable[Semaphore]) -> None:
    """Grant the free slots of locked semaphores to those who wait longest."""
    for semaphore in semaphores:
        requests = SemaphoreRequest.objects.filter(semaphore=semaphore)
        free = semaphore.slots - requests.filter(granted_at__isnull=False).count()
        if free <= 0:
            continue
        chosen = list(requests.filter(granted_at__isnull=True).order_by("pk")[:free])
        SemaphoreRequest.objects.filter(pk__in=[request.pk for request in chosen]).update(granted_at=Now())
        if chosen:
            transaction.on_commit(_waking([request.job_id for request in chosen]))


def wake(job_ids: list[int] | None) -> None:
    """Let workers take jobs that waited for a slot and have it now; of all jobs when ``None``."""
    with connection.cursor() as cursor:
        cursor.execute(_WAKE, {"all": job_ids is None, "jobs": job_ids or []})
        woken = cursor.rowcount
    if woken:
        dispatch.hint_work()


def _waking(job_ids: list[int]) -> Callable[[], None]:
    return lambda: wake(job_ids)


def _lock_job(job_id: int, claim: UUID) -> None:
    if not Job.objects.select_for_update().filter(pk=job_id, claim=claim).values("pk").exists():
        raise StaleClaim(job_id)


def _lock_semaphore(name: str) -> Semaphore:
    """Return the locked semaphore of a name, which is made when it is not there."""
    while True:
        Semaphore.objects.bulk_create([Semaphore(name=name)], ignore_conflicts=True)
        found = Semaphore.objects.select_for_update().filter(name=name).first()
        if found is not None:  # else it was deleted in between
            return found


def _drop(requests: Iterable[SemaphoreRequest]) -> None:
    """Delete requests and grant what that frees."""
    dropped = list(requests)
    if not dropped:
        return
    touched = {request.semaphore_id for request in dropped}
    semaphores = list(Semaphore.objects.select_for_update().filter(pk__in=touched).order_by("pk"))
    SemaphoreRequest.objects.filter(pk__in=[request.pk for request in dropped]).delete()
    grant(semaphores)


def _never_ends(asked: SemaphoreRequest) -> bool:
    """Return whether every holder of the slots, directly or not, waits for what the asking job holds.

    Jobs that run may still give their slots back, so only those count that stand and wait. A holder that is another
    branch of the same job goes on; one that is an operation around this one does not.
    """
    around = {path for path, _ in ancestors(asked.path)}
    rows = SemaphoreRequest.objects.values_list("job_id", "job__status", "semaphore_id", "path", "granted_at")
    holders: dict[int, set[int]] = {}
    wants: dict[int, int] = {}
    for job_id, status, semaphore_id, path, granted_at in rows:
        if granted_at is None:
            if status == Status.READY:
                wants[job_id] = semaphore_id
        elif job_id == asked.job_id and path not in around:
            if semaphore_id == asked.semaphore_id:
                return False
        else:
            holders.setdefault(semaphore_id, set()).add(job_id)
    wants[asked.job_id] = asked.semaphore_id
    stuck = set(wants)
    while freed := {job for job in stuck if not holders.get(wants[job], set()) <= stuck}:
        stuck -= freed
    return asked.job_id in stuck and bool(holders.get(asked.semaphore_id))
