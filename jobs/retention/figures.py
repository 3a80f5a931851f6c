"""What policies would remove now, counted: the dry run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import connection

from jobs.models import RetentionPolicy
from jobs.retention.choosing import Choice, Chooser, end_of_window
from jobs.retention.rulebook import Removes, Rulebook

_WINDOW: Final = 1000
_LOGS: Final = """
SELECT job_id, sum(line_count), sum(pg_column_size(data)) FROM jobs_logchunk
WHERE job_id = ANY(%s) GROUP BY job_id
"""
_DISK: Final = """
SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits WHERE inhparent = 'jobs_logchunk'::regclass
"""


@dataclass(slots=True)
class Figures:
    """What one policy would remove.

    Attributes:
        policy: Which.
        jobs: Of how many jobs something goes.
        lines: Lines of their logs, as far as those go.
        log_bytes: What these take in the database, compressed.
        oldest: When the oldest of the jobs ended; ``None`` without any.
    """

    policy: RetentionPolicy
    jobs: int = 0
    lines: int = 0
    log_bytes: int = 0
    oldest: datetime | None = None


@dataclass(slots=True)
class DryRun:
    """What all policies would remove.

    Attributes:
        policies: In the order in which they are shown.
        looked_at: Number of the last job that was looked at.
        is_complete: Whether that was the last job of all.
        log_disk: Bytes that all logs take on disk now.
    """

    policies: list[Figures] = field(default_factory=list)
    looked_at: int = 0
    is_complete: bool = False
    log_disk: int = 0


def dry_run(now: datetime, *, seconds: float | None = None) -> DryRun:
    """Count what policies would remove, and remove nothing.

    Args:
        now: The present.
        seconds: Stop then, with the oldest jobs counted; ``None`` to look at all of them.
    """
    until = None if seconds is None else time.monotonic() + seconds
    rulebook = Rulebook.read()
    by_key = {policy.pk: Figures(policy) for policy in rulebook.policies}
    found = DryRun(list(by_key.values()), log_disk=log_disk())
    chooser = Chooser(rulebook, now)
    while not rulebook.removes_nothing and (until is None or time.monotonic() < until):
        end = end_of_window(found.looked_at, _WINDOW)
        if end is None:
            found.is_complete = True
            return found
        _count(by_key, chooser.choose_between(found.looked_at, end))
        found.looked_at = end
    found.is_complete = rulebook.removes_nothing
    return found


def log_disk() -> int:
    """Return how many bytes all logs take on disk."""
    with connection.cursor() as cursor:
        cursor.execute(_DISK)
        return int(cursor.fetchone()[0])


def _count(by_key: dict[int, Figures], choices: list[Choice]) -> None:
    with_log = [choice.job.id for choice in choices if {Removes.JOB, Removes.LOG} & choice.policies.keys()]
    logs = _logs(with_log)
    for choice in choices:
        for removes, policy in choice.policies.items():
            figures = by_key[policy.pk]
            figures.jobs += 1
            if removes != Removes.FILES:
                lines, size = logs.get(choice.job.id, (0, 0))
                figures.lines += lines
                figures.log_bytes += size
            ended = choice.job.finished_at
            figures.oldest = ended if figures.oldest is None else min(figures.oldest, ended)


def _logs(jobs: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return lines and bytes of the logs of some jobs."""
    with connection.cursor() as cursor:
        cursor.execute(_LOGS, [list(jobs)])
        return {job: (int(lines), int(size)) for job, lines, size in cursor.fetchall()}
