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
from jobs.models import (
    CreationRequest,
    DaemonState,
    Job,
    Schedule,
    ScheduleRun,
    SemaphoreRequest,
    WorkerDrain,
    WorkerSeen,
)
from permissions import policy
from permissions.models import User

MOST_LISTED: Final = 100
_STALLED_TICKS: Final = 5
_LONG_WAIT: Final = timedelta(seconds=30)
_QUEUES: Final = (dispatch.JOBS_QUEUE, dispatch.CREATE_QUEUE)
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
        runs: Runs of schedules that wait for a worker, those included that nobody has taken note of yet.
        oldest_run: Since when the first of them waits.
        busy: Semaphores in use, at most ``MOST_LISTED``.
        lost: Jobs whose lease ran out and that are not yet declared dead.
        taken: Queues that a worker serves which is there and not drained.
        drained: Queues that no worker serves because all are drained.
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
    runs: int
    oldest_run: datetime | None
    busy: list[Busy]
    lost: list[Held]
    taken: frozenset[str]
    drained: frozenset[str]
    sees_all: bool

    @property
    def takes_jobs(self) -> bool:
        """Whether a worker takes jobs."""
        return dispatch.JOBS_QUEUE in self.taken

    @property
    def creates_jobs(self) -> bool:
        """Whether a worker creates jobs, for people and for schedules."""
        return dispatch.CREATE_QUEUE in self.taken

    @property
    def all_drained(self) -> bool:
        """Whether no worker takes jobs because all are drained."""
        return dispatch.JOBS_QUEUE in self.drained

    @property
    def all_creators_drained(self) -> bool:
        """Whether no worker creates jobs because all that do are drained."""
        return dispatch.CREATE_QUEUE in self.drained

    @property
    def workers_level(self) -> Level:
        """How well the workers are: a problem when none takes jobs, or none creates them."""
        if not (self.takes_jobs and self.creates_jobs):
            return Level.PROBLEM
        return Level.WARNING if any(row.level is not Level.OK for row in self.workers) else Level.OK

    @property
    def broker_level(self) -> Level:
        """How well the broker is; without it jobs only start later."""
        return Level.OK if self.broker_answers else Level.WARNING

    @property
    def queue_level(self) -> Level:
        """How well the queue is: a warning when somebody waits long for a worker."""
        waits = [since for since in (self.oldest_due, self.oldest_run) if since is not None]
        return Level.WARNING if waits and self.now - min(waits) > _LONG_WAIT else Level.OK


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
    runs, oldest_run = _runs(user, now)
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
        runs=runs,
        oldest_run=oldest_run,
        busy=_busy(visible),
        lost=[each for each in held if each.ran_out],
        taken=frozenset(queue for queue in _QUEUES if workers.taking(queue, now)),
        drained=frozenset(queue for queue in _QUEUES if workers.all_drained(queue, now) is not None),
        sees_all=sees_all,
    )


def worker_named(user: User, name: str, now: datetime) -> WorkerRow | None:
    """Return one worker, with the jobs that it has and ``user`` may see; ``None`` when nobody knows it."""
    held = _held(selectors.visible_jobs(user).select_related(None), now)
    found = [row for row in _rows(held, now) if row.name == name and (row.seen or row.drain)]
    return found[0] if found else None


def left_without(row: WorkerRow, now: datetime) -> set[str]:
    """Return the queues that nobody serves once ``row`` is drained; that of creation only when ``row`` serves it now."""
    served = {dispatch.JOBS_QUEUE, *(row.seen.queues if row.seen is not None else ())}
    return {queue for queue in _QUEUES if queue in served and not workers.taking(queue, now) - {row.name}}


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


def _runs(user: User, now: datetime) -> tuple[int, datetime | None]:
    """Return how many runs of schedules wait, and since when: those noted down, and schedules that came and nobody looked."""
    environments = policy.environments_for(user)
    noted = ScheduleRun.objects.filter(look_at__lte=now, schedule__environment__in=environments)
    come = Schedule.objects.filter(next_run_at__lte=now, environment__in=environments)
    found = [
        noted.aggregate(n=Count("pk"), oldest=Min("look_at")),
        come.aggregate(n=Count("pk"), oldest=Min("next_run_at")),
    ]
    waits = [each["oldest"] for each in found if each["oldest"] is not None]
    return sum(each["n"] for each in found), min(waits, default=None)


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
