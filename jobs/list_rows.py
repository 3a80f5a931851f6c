"""Jobs as lists show them, read by one statement: what ``representation.represent_job`` makes of fifty objects.

Making objects of a job, its environment, project, rule, version, user, revisions and natures takes most of the time of a list,
and a list needs none of them. A test holds both to the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from jobs.eta.forecast import Forecast
from jobs.lifecycle import ENDED, Status
from jobs.representation import given_of, instant

_READ: Final = """
SELECT job.id, job.name, job.type, rule.slug, version.number, environment.code, project.code,
    ARRAY(SELECT ARRAY[ref, sha]::text[] FROM jobs_jobrevision WHERE job_id = job.id ORDER BY position),
    ARRAY(SELECT nature.code FROM jobs_jobnature own JOIN jobs_nature nature ON nature.id = own.nature_id
          WHERE own.job_id = job.id ORDER BY nature.code),
    job.status, job.step, job.outcome, job.attempt, job.urgent, job.comment, job.variables, creator.username,
    job.created_at, job.scheduled_at, job.max_start_at, job.started_at, job.finished_at, job.rollback,
    job.operations_done, job.operations_expected, job.percent, job.progress_basis, job.forecast
FROM jobs_job job
JOIN rules_rule rule ON rule.id = job.rule_id
JOIN rules_ruleversion version ON version.id = job.rule_version_id
JOIN permissions_environment environment ON environment.id = job.environment_id
LEFT JOIN jobs_project project ON project.id = job.project_id
JOIN permissions_user creator ON creator.id = job.created_by_id
WHERE job.id = ANY(%s)
"""

_ENDED: Final = frozenset(status.value for status in ENDED)


def represented(numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return the jobs with these numbers in their order, whoever may see them; those that are gone are left out."""
    if not numbers:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_READ, [list(numbers)])
        found = {row[0]: row for row in cursor.fetchall()}
    now = datetime.now(UTC)
    return [_represent(found[number], now) for number in numbers if number in found]


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
    if forecast is None or status in _ENDED:
        return None
    known = Forecast.from_data(json.loads(forecast))
    return known.range(now, is_running=status == Status.RUNNING)._asdict()
