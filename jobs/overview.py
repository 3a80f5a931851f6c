"""How work goes: workers, daemon, broker, queue and locks at a moment, as one reader may know them.

Nothing here says anything of a job in an environment whose monitor the reader may not see, not even that it is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet

from jobs import dispatch, health, selectors, workers
from jobs.models import CreationRequest, DaemonState, Job, SemaphoreRequest, WorkerDrain, WorkerSeen
from permissions import policy
from permissions.models import User

MOST_LISTED: Final = 100
_STALLED_TICKS: Final = 5
_LONG_WAIT: Final = timedelta(seconds=30)
_UNDER_WAY: Final = (CreationRequest.State.ASKED, CreationRequest.State.CHECKING)


class Level(StrEnum):
    """How well something is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class WorkerState(StrEnum):
    """What a worker does."""

    WORKING = "working"
    IDLE = "idle"
    DRAINING = "draining"
    DRAINED = "drained"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a worker has.

    Attributes:
        job: With its number and name.
        process: The process of the pool.
        lease_left: Until its lease runs out; negative when it has.
    """

    job: Job
    process: str
    lease_left: timedelta

    @property
    def ran_out(self) -> bool:
        """Whether nobody renewed the lease in time."""
        return self.lease_left < timedelta()


@dataclass(slots=True)
class WorkerRow:
    """A worker as it was last seen; ``seen`` is ``None`` when only its name is known, from a drain or a job that it has."""

    name: str
    seen: WorkerSeen | None = None
    drain: WorkerDrain | None = None
    is_recent: bool = False
    held: list[Held] = field(default_factory=list)

    @property
    def takes_work(self) -> bool:
        """Whether it is there for more than the daemon's ticks."""
        queues = self.seen.queues if self.seen is not None else ()
        return dispatch.JOBS_QUEUE in queues or dispatch.CREATE_QUEUE in queues

    @property
    def state(self) -> WorkerState:
        """What it does."""
        if not self.is_recent:
            return WorkerState.GONE
        if self.drain is not None:
            return WorkerState.DRAINING if self.held else WorkerState.DRAINED
        return WorkerState.WORKING if self.held else WorkerState.IDLE

    @property
    def level(self) -> Level:
        """How well it is."""
        if self.state is WorkerState.GONE or any(held.ran_out for held in self.held):
            return Level.PROBLEM
        return Level.WARNING if self.drain is not None else Level.OK


@dataclass(frozen=True, slots=True)
class Busy:
    """A semaphore that somebody holds or waits for, counting the reader's jobs."""

    name: str
    slots: int
    held: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Overview:
    """How work goes.

    Attributes:
        now: The moment.
        workers: By name, at most ``MOST_LISTED``.
        daemon: Its state, ``None`` when it never ran.
        daemon_level: How well it is.
        database_milliseconds: How long the database took for the least question.
        broker_answers: Whether the broker does.
        hints: Messages that wait in the broker; ``None`` when it does not answer or the reader does not see all.
        due: Jobs that wait for a worker.
        oldest_due: Since when the first of them waits.
        requests: People and programs that wait for the creation of a job.
        busy: Semaphores in use, at most ``MOST_LISTED``.
        lost: Jobs whose lease ran out and that are not yet declared dead.
        all_drained: Whether no worker takes jobs because all are drained.
        sees_all: Whether the reader sees every environment, so that counts are of everything.
    """

    now: datetime
    workers: list[WorkerRow]
    daemon: DaemonState | None
    daemon_level: Level
    database_milliseconds: float
    broker_answers: bool
    hints: int | None
    due: int
    oldest_due: datetime | None
    requests: int
    busy: list[Busy]
    lost: list[Held]
    all_drained: bool
    sees_all: bool

    @property
    def workers_level(self) -> Level:
        """How well the workers are: a problem when none takes jobs."""
        taking = [row for row in self.workers if row.is_recent and row.drain is None and _serves_jobs(row)]
        if not taking:
            return Level.PROBLEM
        return Level.WARNING if any(row.level is not Level.OK for row in self.workers) else Level.OK

    @property
    def broker_level(self) -> Level:
        """How well the broker is; without it jobs only start later."""
        return Level.OK if self.broker_answers else Level.WARNING

    @property
    def queue_level(self) -> Level:
        """How well the queue is: a warning when somebody waits long for a worker."""
        waits_long = self.oldest_due is not None and self.now - self.oldest_due > _LONG_WAIT
        return Level.WARNING if waits_long else Level.OK


def overview(user: User, now: datetime) -> Overview:
    """Return how work goes, as ``user`` may know it. The broker is waited for as long as ``health`` does."""
    begun = time.perf_counter()
    health.check_database()
    took = (time.perf_counter() - begun) * 1000
    sees_all = policy.rights_of(user).sees_all
    visible = selectors.visible_jobs(user).select_related(None)
    held = _held(visible, now)
    broker_answers = health.check_broker().ok
    due = visible.filter(due_at__lte=now).aggregate(n=Count("pk"), oldest=Min("due_at"))
    daemon = DaemonState.objects.filter(pk=1).first()
    return Overview(
        now=now,
        workers=_workers(held, now),
        daemon=daemon,
        daemon_level=_level_of(daemon, now),
        database_milliseconds=took,
        broker_answers=broker_answers,
        hints=dispatch.waiting_hints() if broker_answers and sees_all else None,
        due=due["n"],
        oldest_due=due["oldest"],
        requests=_requests(user, now, sees_all=sees_all),
        busy=_busy(visible),
        lost=[each for each in held if each.ran_out],
        all_drained=workers.all_drained(dispatch.JOBS_QUEUE, now) is not None,
        sees_all=sees_all,
    )


def worker_named(user: User, name: str, now: datetime) -> WorkerRow | None:
    """Return one worker, with the jobs that it has and ``user`` may see; ``None`` when nobody knows it."""
    held = _held(selectors.visible_jobs(user).select_related(None), now)
    found = [row for row in _rows(held, now) if row.name == name and (row.seen or row.drain)]
    return found[0] if found else None


def others_take_work(name: str, now: datetime) -> bool:
    """Return whether a worker of jobs other than ``name`` is there and not drained."""
    drained = set(WorkerDrain.objects.values_list("name", flat=True))
    return bool({*selectors.workers_of(dispatch.JOBS_QUEUE, now)} - drained - {name})


def _serves_jobs(row: WorkerRow) -> bool:
    return row.seen is not None and dispatch.JOBS_QUEUE in row.seen.queues


def _held(visible: QuerySet[Job], now: datetime) -> list[Held]:
    claimed = (
        visible.filter(claim__isnull=False).only("name", "claimed_by", "lease_expires_at").order_by("id")
    )
    return [
        Held(job, job.claimed_by, job.lease_expires_at - now)
        for job in claimed[: 10 * MOST_LISTED]
        if job.lease_expires_at is not None
    ]


def _workers(held: Iterable[Held], now: datetime) -> list[WorkerRow]:
    return _rows(held, now)[:MOST_LISTED]


def _rows(held: Iterable[Held], now: datetime) -> list[WorkerRow]:
    rows = {
        seen.name: WorkerRow(seen.name, seen, is_recent=selectors.is_recent(seen.seen_at, now))
        for seen in WorkerSeen.objects.all()
    }
    for drain in WorkerDrain.objects.all():
        rows.setdefault(drain.name, WorkerRow(drain.name)).drain = drain
    for each in held:
        name = workers.name_of(each.process)
        rows.setdefault(name, WorkerRow(name)).held.append(each)
    return sorted(rows.values(), key=lambda row: row.name)


def _level_of(daemon: DaemonState | None, now: datetime) -> Level:
    if daemon is None or not selectors.is_recent(daemon.ticked_at, now):
        return Level.PROBLEM
    late = now - daemon.ticked_at > timedelta(seconds=_STALLED_TICKS * settings.CLARIVE_TICK_SECONDS)
    return Level.WARNING if late else Level.OK


def _requests(user: User, now: datetime, *, sees_all: bool) -> int:
    waiting = CreationRequest.objects.filter(state__in=_UNDER_WAY, deadline__gt=now)
    if sees_all:
        return waiting.count()
    keys = set(policy.environments_for(user).values_list("pk", flat=True))
    return sum(key in keys for key in waiting.values_list("wish__environment_id", flat=True))


def _busy(visible: QuerySet[Job]) -> list[Busy]:
    rows = (
        SemaphoreRequest.objects.filter(job__in=visible.values("pk"))
        .order_by("semaphore__name")
        .values_list("semaphore__name", "semaphore__slots")
        .annotate(
            held=Count("pk", filter=Q(granted_at__isnull=False)),
            waiting=Count("pk", filter=Q(granted_at__isnull=True)),
        )
    )
    return [Busy(*row) for row in rows[:MOST_LISTED]]
