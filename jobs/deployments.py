"""What is deployed where, at any instant: environment × project → what was brought there, and by which job.

That is what the last job brought that finished there, unless it was undone since, or a later job of type ``demote`` that
finished backs one of its revisions out; then it is what was brought before. It is read from ``Deployment``, to which the
database adds a row when a job finishes or is undone, and in which nothing changes: what is said of an instant that has passed is
said ever after, also when a job of then is rerun, undone or deleted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection

from permissions import policy
from permissions.policy import AnyUser

_COLUMNS: Final = "brought.job_number, brought.job_name, brought.revisions, brought.at, brought.id"
# Of the same instant the one written later is the later one.
_FOUND: Final = """
SELECT {columns} FROM jobs_deployment brought
WHERE brought.environment_id = {environment} AND brought.project_id = {project} AND brought.kind = 'brought' {until} {more}
AND NOT EXISTS (
    SELECT FROM jobs_deployment undone
    WHERE undone.environment_id = {environment} AND undone.project_id = {project} AND undone.kind = 'undone'
    AND undone.job_number = brought.job_number
    AND undone.at >= brought.at AND (undone.at, undone.id) > (brought.at, brought.id) {undone_until}
)
AND NOT EXISTS (
    SELECT FROM jobs_deployment back
    WHERE back.environment_id = {environment} AND back.project_id = {project} AND back.kind = 'backed_out'
    AND back.shas && brought.shas
    AND back.at >= brought.at AND (back.at, back.id) > (brought.at, brought.id) {back_until}
    AND NOT EXISTS (
        SELECT FROM jobs_deployment undone
        WHERE undone.environment_id = {environment} AND undone.project_id = {project} AND undone.kind = 'undone'
        AND undone.job_number = back.job_number
        AND undone.at >= back.at AND (undone.at, undone.id) > (back.at, back.id) {undone_until}
    )
)
ORDER BY brought.at DESC, brought.id DESC LIMIT {most}
"""
_PLACES: Final = """
SELECT environment.code, project.code, found.*
FROM permissions_environment environment CROSS JOIN jobs_project project CROSS JOIN LATERAL ({found}) found
WHERE environment.id = ANY(%(visible)s)
AND (%(environments)s::text[] IS NULL OR environment.code = ANY(%(environments)s::text[]))
AND (%(projects)s::text[] IS NULL OR project.code = ANY(%(projects)s::text[])) {beyond}
ORDER BY environment.code {way}, project.code {way} LIMIT %(count)s
"""
_PRESENT: Final = """
SELECT found.revisions FROM permissions_environment environment CROSS JOIN LATERAL ({found}) found
"""
_NEWEST: Final = """
SELECT found.job_number FROM (
    SELECT DISTINCT environment_id, project_id FROM jobs_job WHERE id = ANY(%(jobs)s) AND project_id IS NOT NULL
) place CROSS JOIN LATERAL ({found}) found
"""
_WITHOUT: Final = "AND NOT brought.shas && %(without)s::varchar[] AND brought.job_number <> %(besides)s"
_ONCE: Final = """AND NOT EXISTS (
    SELECT FROM jobs_deployment again WHERE again.job_number = brought.job_number AND again.kind = 'brought'
    AND (again.at, again.id) > (brought.at, brought.id))"""
_BEYOND: Final = "AND (environment.code, project.code) {sign} (%(environment)s, %(project)s)"


@dataclass(frozen=True, slots=True)
class Brought:
    """What is in one place.

    Attributes:
        job: Number of the job that brought it, which may be gone.
        job_name: Its name.
        revisions: What it brought, ref and commit each, at least one.
        since: When the job finished.
        row: Key of the row that says so: of the same instant, a higher one came later.
        follows: Commits that are known to lead to one of its commits.
        precedes: By its commits, those that are known to follow.
    """

    job: int
    job_name: str
    revisions: tuple[tuple[str, str], ...]
    since: datetime
    row: int
    follows: frozenset[str] = frozenset()
    precedes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def shas(self) -> tuple[str, ...]:
        """The commits, in the order of the revisions."""
        return tuple(sha for _ref, sha in self.revisions)


@dataclass(frozen=True, slots=True)
class Place:
    """An environment and a project, by code, with what is deployed there.

    As text it tells places apart: no code holds a blank.
    """

    environment: str
    project: str
    brought: Brought

    def __str__(self) -> str:
        return f"{self.environment} {self.project}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of deployments is narrowed by.

    Attributes:
        environments: Codes; ``None`` for all.
        projects: Codes; ``None`` for all.
        at: What was deployed then; ``None`` for now.
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
    found = _found("environment.id", "project.id", has_end=wanted.at is not None)
    beginning = _BEYOND.format(sign=sign) if beyond else ""
    query = _PLACES.format(found=found, beyond=beginning, way="DESC" if backward else "ASC")
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [Place(row[0], row[1], _brought(row[2:])) for row in cursor.fetchall()]


def newer_elsewhere(found: Collection[Place]) -> dict[str, str]:
    """Return by place, as text, the environment that has the newest of what is newer of the project; the others are left out.

    Newer is what follows in the repository, whenever it was deployed. Of what went apart there, and where nobody knows, newer is
    what was deployed later.

    Args:
        found: All places of their projects among which to look.
    """
    of_project: dict[str, list[Place]] = defaultdict(list)
    for place in found:
        of_project[place.project].append(place)
    newest = {}
    for place in found:
        newer = [each for each in of_project[place.project] if _is_newer(each.brought, place.brought)]
        if newer:
            newest[str(place)] = max(newer, key=lambda one: _rank(one, newer)).environment
    return newest


def _rank(place: Place, among: Sequence[Place]) -> tuple[int, datetime, int]:
    """Return what the newest of several has the most of."""
    beaten = sum(_is_newer(place.brought, other.brought) for other in among)
    return beaten, place.brought.since, place.brought.row


def _is_newer(one: Brought, other: Brought) -> bool:
    if set(one.shas) == set(other.shas):
        return False
    follows, precedes = _follows(one, other), _follows(other, one)
    if follows or precedes:
        return not precedes
    return (one.since, one.row) > (other.since, other.row)


def _follows(one: Brought, other: Brought) -> bool:
    """Return whether everything of ``other`` is known to lead to something of ``one``."""
    return all(
        sha in one.shas or sha in one.follows or other.precedes.get(sha, frozenset()) & set(one.shas)
        for sha in other.shas
    )


def present(project_id: int) -> set[str]:
    """Return the commits of a project that are deployed anywhere now."""
    found = _found("environment.id", "%(project)s")
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT.format(found=found), {"project": project_id})
        return {each["sha"] for (revisions,) in cursor.fetchall() for each in json.loads(revisions)}


def deployed(
    environment_id: int, project_id: int, *, without: Collection[str] = (), besides: int = 0
) -> Brought | None:
    """Return what is in one place now, ``None`` when nothing is there.

    Args:
        environment_id: Where.
        project_id: Of what.
        without: As if nobody had brought one of these commits.
        besides: As if the job of this number had never been.
    """
    more = _WITHOUT if without or besides else ""
    values: dict[str, Any] = {
        "environment": environment_id,
        "project": project_id,
        "without": list(without),
        "besides": besides,
    }
    with connection.cursor() as cursor:
        cursor.execute(_found("%(environment)s", "%(project)s", more=more), values)
        row = cursor.fetchone()
    return None if row is None else _brought(row)


def newest_of(job_ids: Collection[int], deep: int) -> set[int]:
    """Return the jobs that brought what is, and what was, in the places of some jobs.

    Args:
        job_ids: Whose environments and projects are meant.
        deep: How many of each place: 1 for what is there now, 2 also for what was there before.
    """
    found = _found("place.environment_id", "place.project_id", more=_ONCE, most=deep)
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST.format(found=found), {"jobs": list(job_ids)})
        return {row[0] for row in cursor.fetchall()}


def _found(environment: str, project: str, *, has_end: bool = False, more: str = "", most: int = 1) -> str:
    """Return the query of what is in a place.

    Args:
        environment: SQL of its environment's key.
        project: SQL of its project's key.
        has_end: What happened after the parameter ``at`` does not count.
        more: Another condition.
        most: So many, the newest first.
    """
    until = {name: f"AND {name}.at <= %(at)s" if has_end else "" for name in ("brought", "undone", "back")}
    return _FOUND.format(
        columns=_COLUMNS,
        environment=environment,
        project=project,
        until=until["brought"],
        undone_until=until["undone"],
        back_until=until["back"],
        more=more,
        most=most,
    )


def _brought(row: Sequence[Any]) -> Brought:
    number, name, revisions, since, key = row
    brought = json.loads(revisions)
    pairs = tuple((each["ref"], each["sha"]) for each in brought)
    follows = frozenset(sha for each in brought for sha in each.get("follows") or ())
    precedes = {each["sha"]: frozenset(each.get("precedes") or ()) for each in brought}
    return Brought(number, name, pairs, since, key, follows, precedes)
