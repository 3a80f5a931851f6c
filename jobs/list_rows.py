"""Jobs as lists show them, read by one statement: for the API as JSON, for pages and files as rows.

Making objects of a job, its environment, project, rule, version, user, revisions and natures takes most of the time of a list,
and a list needs none of them. A test holds both to the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from jobs.eta.forecast import Forecast
from jobs.eta.survival import Eta
from jobs.lifecycle import ENDED, Status
from jobs.representation import given_of, instant

_OF: Final = """
FROM jobs_job job
JOIN rules_rule rule ON rule.id = job.rule_id
JOIN rules_ruleversion version ON version.id = job.rule_version_id
JOIN permissions_environment environment ON environment.id = job.environment_id
LEFT JOIN jobs_project project ON project.id = job.project_id
JOIN permissions_user creator ON creator.id = job.created_by_id
WHERE job.id = ANY(%s)
"""
_REVISIONS: Final = (
    "ARRAY(SELECT ARRAY[ref, sha]::text[] FROM jobs_jobrevision WHERE job_id = job.id ORDER BY position)"
)
_READ: Final = f"""
SELECT job.id, job.name, job.type, rule.slug, version.number, environment.code, project.code, {_REVISIONS},
    ARRAY(SELECT nature.code FROM jobs_jobnature own JOIN jobs_nature nature ON nature.id = own.nature_id
          WHERE own.job_id = job.id ORDER BY nature.code),
    job.status, job.step, job.outcome, job.attempt, job.urgent, job.comment, job.variables, creator.username,
    job.created_at, job.scheduled_at, job.max_start_at, job.started_at, job.finished_at, job.rollback,
    job.operations_done, job.operations_expected, job.percent, job.progress_basis, job.forecast
{_OF}"""
_READ_ROWS: Final = f"""
SELECT job.id, job.name, job.type, rule.slug, version.number, environment.code, environment.name, environment.colour,
    project.code, {_REVISIONS},
    ARRAY(SELECT ARRAY[nature.code, nature.name]::text[] FROM jobs_jobnature own
          JOIN jobs_nature nature ON nature.id = own.nature_id WHERE own.job_id = job.id ORDER BY nature.code),
    job.status, job.step, job.outcome, job.reason, job.attempt, job.urgent, job.comment, creator.username,
    job.created_at, job.scheduled_at, job.max_start_at, job.started_at, job.run_began_at, job.finished_at, job.rollback,
    job.percent, job.forecast
{_OF}"""

_ENDED: Final = frozenset(status.value for status in ENDED)


class Listed(NamedTuple):
    """A job as the rows of a page and of a file show it.

    Attributes:
        pk: Its number; what follows is as the job has it, with codes and names in place of what it refers to.
        revisions: Ref and commit of each, in their order.
        natures: Code and name of each, by code.
        forecast: As JSON, ``None`` when there is none.
    """

    pk: int
    name: str
    type: str
    rule: str
    rule_version: int
    environment: str
    environment_name: str
    environment_colour: str
    project: str | None
    revisions: list[list[str]]
    natures: list[list[str]]
    status: str
    step: str
    outcome: str | None
    reason: str
    attempt: int
    urgent: bool
    comment: str
    created_by: str
    created_at: datetime
    scheduled_at: datetime
    max_start_at: datetime
    started_at: datetime | None
    run_began_at: datetime | None
    finished_at: datetime | None
    rollback: str
    percent: int
    forecast: str | None

    def eta(self, now: datetime) -> Eta | None:
        """Return how long its remaining work takes, as ``Job.eta`` does."""
        return _remaining(self.forecast, self.status, now)


def listed(numbers: Sequence[int]) -> list[Listed]:
    """Return the jobs with these numbers in their order, whoever may see them; those that are gone are left out."""
    return [Listed._make(row) for row in _read(_READ_ROWS, numbers)]


def represented(numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return what the API shows of the jobs with these numbers, as ``listed`` does."""
    now = datetime.now(UTC)
    return [_represent(row, now) for row in _read(_READ, numbers)]


def _read(statement: str, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
    if not numbers:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(numbers)])
        found = {row[0]: row for row in cursor.fetchall()}
    return [found[number] for number in numbers if number in found]


def _represent(row: Iterable[Any], now: datetime) -> dict[str, Any]:
    (
        key, name, type_, rule, version, environment, project, revisions, natures, status, step, outcome, attempt, urgent,
        comment, variables, creator, created, scheduled, max_start, started, finished, rollback, done, expected, percent,
        basis, forecast,
    ) = row  # fmt: skip
    return {
        "id": key,
        "name": name,
        "type": type_,
        "rule": rule,
        "rule_version": version,
        "environment": environment,
        "project": project,
        "revisions": [{"ref": ref, "sha": sha} for ref, sha in revisions],
        "natures": natures,
        "status": status,
        "step": step,
        "outcome": outcome,
        "attempt": attempt,
        "urgent": urgent,
        "comment": comment,
        "variables": given_of(json.loads(variables)),
        "created_by": creator,
        "created_at": instant(created),
        "scheduled_at": instant(scheduled),
        "max_start_at": instant(max_start),
        "started_at": instant(started),
        "finished_at": instant(finished),
        "rollback": rollback,
        "progress": {
            "operations_done": done,
            "operations_expected": expected,
            "percent": percent,
            "basis": basis,
            "eta": _eta(forecast, status, now),
        },
    }


def _eta(forecast: str | None, status: str, now: datetime) -> dict[str, Any] | None:
    found = _remaining(forecast, status, now)
    return None if found is None else found._asdict()


def _remaining(forecast: str | None, status: str, now: datetime) -> Eta | None:
    if forecast is None or status in _ENDED:
        return None
    return Forecast.from_data(json.loads(forecast)).range(now, is_running=status == Status.RUNNING)
