"""Why a job waits: what it waits for, since when, until when, and who could change that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jobs import dispatch, selectors, semaphores, waits, workers
from jobs.lifecycle import RUNNER_STATUSES, Status, Step
from jobs.models import Job
from permissions import principals
from permissions.catalog import Right


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that a job waits for.

    Attributes:
        kind: ``schedule``, ``approval``, ``trap``, ``semaphore``, ``worker`` or ``daemon``.
        detail: A sentence.
        since: From when on it waits for this, ``None`` when nobody knows.
        until: When that ends by itself, ``None`` when nobody knows.
        who: Principals that can end it, ``group:ops`` or ``user:ana``.
    """

    kind: str
    detail: str
    since: datetime | None
    until: datetime | None = None
    who: tuple[str, ...] = ()


def blockers(job: Job, now: datetime) -> list[Blocker]:
    """Return what ``job`` waits for: nothing only while a worker has it, or nothing more will run."""
    return [found for kind in _KINDS for found in kind(job, now)]


def _schedule(job: Job, now: datetime) -> Iterator[Blocker]:
    if job.status == Status.READY and job.due_at is not None and job.due_at > now:
        who = tuple(principals.holders(Right.RESTART, job.environment))
        yield Blocker(
            "schedule", "RUN waits for its scheduled date.", _ready_since(job), job.scheduled_at, who
        )


def _approval(job: Job, now: datetime) -> Iterator[Blocker]:
    approval = waits.open_approval(job) if job.status == Status.PENDING_APPROVAL else None
    if approval is not None:
        signed = len(approval.signatures.all())
        detail = f"Waits for approval: {signed} of {approval.minimum} signatures."
        until = job.max_start_at if job.run_began_at is None and job.step in {Step.PRE, Step.RUN} else None
        named = principals.seeing(approval.approvers, job.environment)
        who = (*named, *principals.holders(Right.APPROVE_ALL, job.environment))
        yield Blocker("approval", detail, approval.began_at, until, tuple(dict.fromkeys(who)))


def _trap(job: Job, now: datetime) -> Iterator[Blocker]:
    trap = waits.open_trap(job)
    if trap is not None:
        who = tuple(principals.holders(Right.RESTART, job.environment))
        yield Blocker("trap", f"Trapped: {trap.error}", trap.began_at, trap.deadline, who)


def _semaphore(job: Job, now: datetime) -> Iterator[Blocker]:
    if job.status not in {Status.READY, Status.RUNNING} or _is_new(job) or not semaphores.asks(job):
        return
    for request in semaphores.waiting_requests(job):
        holders = semaphores.holders(request)
        detail = f"Waits for a slot of the semaphore {request.semaphore.name}"
        held = f", held by {', '.join(holders)}." if holders else "."
        yield Blocker("semaphore", detail + held, request.asked_at)


def _staff(job: Job, now: datetime) -> Iterator[Blocker]:
    """Say that a worker, or the daemon, which would call one, is missing; one query for both, and one more for drained ones."""
    is_due = _is_due(job, now)
    if not is_due and job.due_at is None:
        return
    signs = selectors.signs_of(dispatch.JOBS_QUEUE)
    if is_due:
        yield _worker(job, now, signs)
    if not selectors.is_recent(signs.daemon_at, now):
        detail = "The daemon has never run." if signs.daemon_at is None else "The daemon does not run."
        yield Blocker("daemon", detail, signs.daemon_at)


def _worker(job: Job, now: datetime, signs: selectors.Signs) -> Blocker:
    drained = workers.all_drained(dispatch.JOBS_QUEUE, now) if signs.is_any_drained else None
    if drained is not None:
        detail = "All workers are drained: none takes new work."
        return Blocker("worker", detail, max(drained, job.due_at or drained))
    sign = signs.worker_at
    if selectors.is_recent(sign, now):
        return Blocker("worker", "Waits for a free worker.", job.due_at)
    if sign is None:
        return Blocker("worker", "No worker was ever seen.", job.due_at)
    return Blocker("worker", "No worker is there.", max(sign, job.due_at or sign))


def _is_new(job: Job) -> bool:
    """Return whether none of the job's operations can have asked for anything: in INIT there is no waiting."""
    return job.attempt == 1 and job.started_at is None


def _is_due(job: Job, now: datetime) -> bool:
    """Return whether a worker may take the job, also one that another worker handed over."""
    waits = job.status == Status.READY or (job.status in RUNNER_STATUSES and job.claim is None)
    return waits and job.due_at is not None and job.due_at <= now


def _ready_since(job: Job) -> datetime:
    """Return when the step before this one ended."""
    ended = (
        job.step_runs.filter(attempt=job.attempt, finished_at__isnull=False).order_by("-finished_at").first()
    )
    return ended.finished_at if ended and ended.finished_at else job.created_at


_KINDS: Final[tuple[Callable[[Job, datetime], Iterator[Blocker]], ...]] = (
    _schedule,
    _approval,
    _trap,
    _semaphore,
    _staff,
)
