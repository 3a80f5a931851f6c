"""Comparing the model with what the real job shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.dateparse import parse_datetime, parse_duration

from jobs.models import Job
from tests.model.model import DATES, Life

_SLACK: Final = timedelta(milliseconds=2)
_FIELDS: Final = ("step", "status", "attempt", "outcome", "rollback")


def compare_state(life: Life, job: Job) -> None:
    """Compare everything but dates."""
    expected = {name: getattr(life, name) for name in _FIELDS}
    found = {name: getattr(job, name) for name in _FIELDS}
    assert found == expected, f"the job is {found}, the model {expected}"
    assert (job.claim is not None) == (life.runner != "nobody"), f"claim: {job.claim}, runner: {life.runner}"


def open_wait(known: Mapping[str, str | None], table: str) -> dict[str, Any] | None:
    """Return the row of a table of waits that nobody has closed yet."""
    rows = json.loads(known[table] or "[]")
    found: list[dict[str, Any]] = [row for row in rows if row["closed_at"] is None]
    assert len(found) <= 1, found
    return found[0] if found else None


def dates_of(job: Job, known: Mapping[str, str | None], offset: timedelta) -> dict[str, Any]:
    """Return the real dates by the machine's clock."""
    found: dict[str, Any] = {name: _moved(getattr(job, name), offset) for name in DATES}
    trap = open_wait(known, "jobs_trap") or {"deadline": None, "remaining": None}
    deadline, remaining = trap["deadline"], trap["remaining"]
    found["deadline"] = _moved(parse_datetime(deadline), offset) if deadline else None
    found["remaining"] = parse_duration(remaining) if remaining else None
    return found


def _moved(moment: datetime | None, offset: timedelta) -> datetime | None:
    return None if moment is None else moment + offset


def compare_dates(life: Life, found: Mapping[str, Any], before: Mapping[str, Any], took: timedelta) -> None:
    """Compare dates: what the model left alone exactly, what it set anew within the time the real code took."""
    for name, expected in life.dates().items():
        real = found[name]
        assert (real is None) == (expected is None), f"{name} is {real}, the model says {expected}"
        if real is None or real == expected:
            continue
        assert expected != before.get(name), f"{name} has changed from {expected} to {real}"
        late = expected - real if name == "remaining" else real - expected
        assert -_SLACK <= late <= took + _SLACK, f"{name} is {real}, the model says {expected}"


def compare_waits(life: Life, known: Mapping[str, str | None]) -> None:
    """Compare what the job waits for."""
    names = ("operation", "retries", "max_retries", "on_timeout")
    trap = open_wait(known, "jobs_trap")
    found: Any = trap and tuple(trap[name] for name in names)
    expected: Any = None
    if life.trap is not None:
        policy = life.trap.operation.trap
        expected = (life.trap.operation.id, life.trap.retries, policy.max_retries, policy.on_timeout)
    assert found == expected, f"the trap is {found}, the model says {expected}"
    approval = open_wait(known, "jobs_approval")
    found = approval and (approval["operation"], _signatures(known, approval["id"]))
    expected = life.approval and (life.approval.operation.id, len(life.approval.signed_by))
    assert found == expected, f"the approval is {found}, the model says {expected}"


def _signatures(known: Mapping[str, str | None], approval: int) -> int:
    """Return how many have signed; who they are shows in who may not sign again."""
    rows = json.loads(known["jobs_approvalsignature"] or "[]")
    return sum(row["approval_id"] == approval for row in rows)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what is different between two looks at everything of a job."""
    return "; ".join(
        f"{name}: {before[name]} -> {after.get(name)}" for name in before if before[name] != after.get(name)
    )


def leave_out_last_words(*looks: dict[str, Any]) -> None:
    """Leave out what the runner of a cancelled job may still say: which processes it ended, in the log."""
    for look in looks:
        look["jobs_job"] = [
            {name: value for name, value in row.items() if name not in {"log_lines", "cancelled_claim"}}
            for row in json.loads(look["jobs_job"] or "[]")
        ]
        look.pop("jobs_logchunk")
