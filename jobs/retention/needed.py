"""Jobs that something else still needs, whatever policies say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db import connection

from jobs import deployments
from jobs.durations import KEPT

DEEP: Final = 2
"""What is deployed, and what would be if that were rolled back."""

_BACKS_OUT: Final = """
SELECT back.id FROM jobs_job back
WHERE back.id = ANY(%(jobs)s) AND back.type = 'demote' AND back.status = 'finished' AND EXISTS (
    SELECT FROM jobs_jobrevision gone
    JOIN jobs_jobrevision brought ON brought.sha = gone.sha AND brought.job_id <> gone.job_id
    JOIN jobs_job job ON job.id = brought.job_id
    WHERE gone.job_id = back.id AND brought.environment_id = back.environment_id
    AND brought.project_id = back.project_id
    AND job.status = 'finished' AND job.type <> 'demote' AND job.finished_at < back.finished_at)
"""
_NEWEST: Final = """
SELECT id FROM jobs_job WHERE rule_id = %(rule)s AND environment_id = %(environment)s AND status = ANY(%(statuses)s)
ORDER BY id DESC OFFSET %(before)s LIMIT 1
"""


def by_deployments(jobs: Collection[int]) -> set[int]:
    """Return which jobs are the reason for what is deployed where.

    These are the job that brought what is there, the one before it, and those that back out what another job brought, as long
    as that one is there. What is where would be known without them; what they did, and how to undo it, would not.
    """
    if not jobs:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_BACKS_OUT, {"jobs": list(jobs)})
        backing_out = {row[0] for row in cursor.fetchall()}
    return backing_out | (deployments.newest_of(jobs, DEEP) & set(jobs))


def nth_newest(environment_id: int, rule_id: int, statuses: Iterable[str], number: int) -> int | None:
    """Return the number of the ``number``-th newest job with one of the statuses, ``None`` when there are fewer."""
    values: dict[str, Any] = {
        "environment": environment_id,
        "rule": rule_id,
        "statuses": list(statuses),
        "before": number - 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, values)
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def for_progress(environment_id: int, rule_id: int) -> int | None:
    """Return the oldest of the finished jobs by which the progress of new ones is measured, ``None`` when all are."""
    return nth_newest(environment_id, rule_id, ["finished"], KEPT)
