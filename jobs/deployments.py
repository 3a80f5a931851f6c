"""What is deployed where: environment × project → the job that brought it.

That is the last job that finished there and brought revisions, unless it was rolled back, or a later job of type ``demote``
that finished backs one of its revisions out; then it is the one before. It is read from the jobs that are there, so a job that
was deleted, rerun or rolled back since counts for no moment.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from jobs.models import Job
from permissions import policy
from permissions.policy import AnyUser

_FOUND: Final = """
SELECT job.id FROM jobs_job job
WHERE job.environment_id = {environment} AND job.project_id = {project}
AND job.status = 'finished' AND job.type <> 'demote' AND job.rollback <> 'succeeded' {job_at}
AND EXISTS (SELECT FROM jobs_jobrevision revision WHERE revision.job_id = job.id)
AND NOT EXISTS (
    SELECT FROM jobs_job back
    JOIN jobs_jobrevision gone ON gone.job_id = back.id
    JOIN jobs_jobrevision brought ON brought.sha = gone.sha
    WHERE back.environment_id = {environment} AND back.project_id = {project}
    AND back.status = 'finished' AND back.type = 'demote' AND back.rollback <> 'succeeded' {back_at}
    AND back.finished_at > job.finished_at AND brought.job_id = job.id
)
ORDER BY job.finished_at DESC, job.id DESC LIMIT {most}
"""
_PLACES: Final = """
SELECT environment.code, project.code, found.id
FROM permissions_environment environment CROSS JOIN jobs_project project CROSS JOIN LATERAL ({found}) found
WHERE environment.id = ANY(%(visible)s)
AND (%(environments)s::text[] IS NULL OR environment.code = ANY(%(environments)s::text[]))
AND (%(projects)s::text[] IS NULL OR project.code = ANY(%(projects)s::text[])) {beyond}
ORDER BY environment.code {way}, project.code {way} LIMIT %(count)s
"""
_NEWEST: Final = """
SELECT found.id FROM (
    SELECT DISTINCT environment_id, project_id FROM jobs_job WHERE id = ANY(%(jobs)s) AND project_id IS NOT NULL
) place CROSS JOIN LATERAL ({found}) found
"""
_WITHOUT: Final = "AND NOT EXISTS (SELECT FROM jobs_jobrevision own WHERE own.job_id = job.id AND own.sha = ANY(%(without)s))"
_BEYOND: Final = "AND (environment.code, project.code) {sign} (%(environment)s, %(project)s)"


@dataclass(frozen=True, slots=True)
class Place:
    """An environment and a project, by code, with the key of the job that brought what is deployed there.

    As text it tells places apart: no code holds a blank.
    """

    environment: str
    project: str
    job_id: int

    def __str__(self) -> str:
        return f"{self.environment} {self.project}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of deployments is narrowed by.

    Attributes:
        environments: Codes; ``None`` for all.
        projects: Codes; ``None`` for all.
        at: What was deployed then, as the jobs that are there tell; ``None`` for now.
    """

    environments: Collection[str] | None = None
    projects: Collection[str] | None = None
    at: datetime | None = None


def places(
    user: AnyUser,
    wanted: Wanted,
    *,
    beyond: tuple[str, str] | None,
    backward: bool,
    inclusive: bool,
    count: int,
) -> list[Place]:
    """Return places that ``user`` may see, in the order of their codes. One query.

    Args:
        user: Who asks.
        wanted: Which of them.
        beyond: Codes at which to begin; ``None`` for the beginning.
        backward: Walk from the last to the first.
        inclusive: The place ``beyond`` itself is among the answer.
        count: At most so many.
    """
    sign = ("<" if backward else ">") + ("=" if inclusive else "")
    environment, project = beyond or ("", "")
    values = {
        "visible": list(policy.environments_for(user).values_list("pk", flat=True)),
        "environments": None if wanted.environments is None else list(wanted.environments),
        "projects": None if wanted.projects is None else list(wanted.projects),
        "at": wanted.at,
        "environment": environment,
        "project": project,
        "count": count,
    }
    beginning = _BEYOND.format(sign=sign) if beyond else ""
    query = _query(wanted, beginning, way="DESC" if backward else "ASC")
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [Place(*row) for row in cursor.fetchall()]


def _query(wanted: Wanted, beginning: str, *, way: str) -> str:
    """Return the statement for places from ``beginning`` on, a condition or empty, in the order ``way``."""
    found = _FOUND.format(
        environment="environment.id",
        project="project.id",
        job_at="" if wanted.at is None else "AND job.finished_at <= %(at)s",
        back_at="" if wanted.at is None else "AND back.finished_at <= %(at)s",
        most=1,
    )
    return _PLACES.format(found=found, beyond=beginning, way=way)


def deployed(environment_id: int, project_id: int, *, without: Collection[str] = ()) -> int | None:
    """Return the key of the job that brought what is in one place now, ``None`` when nothing is there.

    Args:
        environment_id: Where.
        project_id: Of what.
        without: As if jobs that brought one of these commits had never been.
    """
    query = _FOUND.format(
        environment="%(environment)s",
        project="%(project)s",
        job_at=_WITHOUT if without else "",
        back_at="",
        most=1,
    )
    values: dict[str, int | list[str]] = {
        "environment": environment_id,
        "project": project_id,
        "without": list(without),
    }
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def newest_of(job_ids: Collection[int], deep: int) -> set[int]:
    """Return the jobs that brought what is, and what was, in the places of some jobs.

    Args:
        job_ids: Whose environments and projects are meant.
        deep: How many of each place: 1 for what is there now, 2 also for what was there before.
    """
    found = _FOUND.format(
        environment="place.environment_id", project="place.project_id", job_at="", back_at="", most=deep
    )
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST.format(found=found), {"jobs": list(job_ids)})
        return {row[0] for row in cursor.fetchall()}


def jobs_of(found: Sequence[Place]) -> list[Job]:
    """Return the jobs of places in their order, with their revisions; what was deleted meanwhile is left out."""
    jobs = (
        Job.objects.select_related("environment", "project")
        .defer("stash", "rule_pins", "environment__variables", "project__repository", "project__variables")
        .prefetch_related("revisions")
        .in_bulk([place.job_id for place in found])
    )
    return [jobs[place.job_id] for place in found if place.job_id in jobs]
