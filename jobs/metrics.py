"""Figures for Prometheus: a fixed number of queries, whose cost grows with the jobs under way and not with history.

They are sums over all environments and name none of them; still they are not for everybody, since they tell how much goes
on in environments that a reader may not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Min, Q

from jobs import dispatch, health
from jobs.choices import StatusChoice
from jobs.lifecycle import ACTIVE, ENDED
from jobs.models import CreationRequest, DaemonState, Job, SemaphoreRequest, WorkerDrain, WorkerSeen
from jobs.selectors import is_recent

WINDOW: Final = timedelta(hours=1)
"""Over which ended jobs are counted."""

_ACTIVE: Final = sorted(status.value for status in ACTIVE)
_NEWEST_NUMBER: Final = "SELECT pg_sequence_last_value(pg_get_serial_sequence('jobs_job', 'id')::regclass)"


@dataclass(frozen=True, slots=True)
class Family:
    """One figure, or several that differ in a label.

    Attributes:
        name: As Prometheus has it, with its unit.
        kind: ``gauge`` or ``counter``.
        about: A sentence.
        label: Name of the label, empty for a single figure.
        values: By the label's value, which is a word of ours and never of a user.
    """

    name: str
    kind: str
    about: str
    label: str
    values: Mapping[str, float]


def families(now: datetime) -> list[Family]:
    """Return all figures at ``now``."""
    return [*_jobs(now), *_ended(now), *_daemon(now), *_workers(now), *_queues()]


def text(found: Iterable[Family]) -> str:
    """Return figures in the text format of Prometheus, version 0.0.4."""
    lines: list[str] = []
    for family in found:
        lines += [f"# HELP {family.name} {family.about}", f"# TYPE {family.name} {family.kind}"]
        for value, figure in family.values.items():
            labels = f'{{{family.label}="{value}"}}' if family.label else ""
            lines.append(f"{family.name}{labels} {figure:.15g}")
    return "\n".join([*lines, ""])


def _gauge(name: str, about: str, figure: float) -> Family:
    return Family(name, "gauge", about, "", {"": figure})


def _jobs(now: datetime) -> Iterator[Family]:
    """Yield what is under way, from one pass over the active jobs."""
    due = Q(status="ready", due_at__lte=now, claim=None)
    found: dict[str, Any] = Job.objects.filter(status__in=_ACTIVE).aggregate(
        **{f"is_{status}": Count("pk", filter=Q(status=status)) for status in _ACTIVE},
        worker=Count("pk", filter=due),
        schedule=Count("pk", filter=Q(status="ready", due_at__gt=now)),
        lost=Count("pk", filter=Q(claim__isnull=False, lease_expires_at__lt=now)),
        oldest=Min("due_at", filter=due),
    )
    semaphore = SemaphoreRequest.objects.filter(granted_at=None).count()
    yield Family(
        "clarive_jobs",
        "gauge",
        "Active jobs by status.",
        "status",
        {status: found[f"is_{status}"] for status in _ACTIVE},
    )
    yield Family(
        "clarive_jobs_waiting",
        "gauge",
        "Jobs that wait, by what for.",
        "for",
        {
            "approval": found["is_pending_approval"],
            "schedule": found["schedule"],
            "semaphore": semaphore,
            "trap": found["is_trapped"] + found["is_trap_paused"],
            "worker": found["worker"],
        },
    )
    waited = max(0.0, (now - found["oldest"]).total_seconds()) if found["oldest"] else 0.0
    yield _gauge(
        "clarive_jobs_oldest_due_seconds", "How long a job has waited for a worker, at most.", waited
    )
    yield _gauge("clarive_jobs_lease_expired", "Running jobs whose worker is not heard of.", found["lost"])


def _ended(now: datetime) -> Iterator[Family]:
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_NUMBER)
        newest = cursor.fetchone()[0] or 0
    yield Family(
        "clarive_jobs_created_total",
        "counter",
        "Jobs created, by the last number given out.",
        "",
        {"": newest},
    )
    lately = Job.objects.filter(finished_at__gt=now - WINDOW, status__in=[status.value for status in ENDED])
    counted = dict(lately.order_by().values_list("status").annotate(Count("pk")))
    ended = [status for status in StatusChoice.values if status not in _ACTIVE]
    yield Family(
        "clarive_jobs_ended_last_hour",
        "gauge",
        "Jobs that ended within the last hour, by status.",
        "status",
        {status: counted.get(status, 0) for status in ended},
    )


def _daemon(now: datetime) -> Iterator[Family]:
    state = DaemonState.objects.first()
    age = (now - state.ticked_at).total_seconds() if state is not None else float("inf")
    yield _gauge("clarive_daemon_tick_age_seconds", "Since the daemon ticked last.", max(0.0, age))
    yield _gauge(
        "clarive_daemon_tick_seconds",
        "How long its last tick took.",
        state.seconds if state is not None else 0,
    )
    under_way = (CreationRequest.State.ASKED, CreationRequest.State.CHECKING)
    creations = CreationRequest.objects.filter(state__in=under_way).count()
    yield _gauge("clarive_creations", "Jobs that are being created, in CHECK.", creations)


def _workers(now: datetime) -> Iterator[Family]:
    drained = set(WorkerDrain.objects.values_list("name", flat=True))
    counted = dict.fromkeys(("up", "drained", "gone"), 0)
    for name, seen_at in WorkerSeen.objects.values_list("name", "seen_at"):
        state = "gone" if not is_recent(seen_at, now) else "drained" if name in drained else "up"
        counted[state] += 1
    yield Family("clarive_workers", "gauge", "Workers by what they do.", "state", counted)


def _queues() -> Iterator[Family]:
    answers = health.check_broker().ok
    yield _gauge("clarive_broker_up", "Whether the broker answers.", int(answers))
    hints = dispatch.waiting_hints() if answers else None
    if hints is not None:
        yield Family(
            "clarive_queue_messages",
            "gauge",
            "Hints that wait in the broker.",
            "queue",
            {dispatch.JOBS_QUEUE: hints},
        )
