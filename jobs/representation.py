"""A job, and what it waits for, as JSON: the same in the API and in notices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobs.models import Approval, Job


def instant(moment: datetime | None) -> str | None:
    """Return ``moment`` in ISO 8601, UTC, with ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def represent_job(job: Job) -> dict[str, Any]:
    """Return what lists show of a job, which comes with revisions and natures read already."""
    eta = job.eta(datetime.now(UTC))
    # Only the contents of a project have either.
    revisions = job.revisions.all() if job.project_id is not None else ()
    natures = job.natures.all() if job.project_id is not None else ()
    return {
        "id": job.pk,
        "name": job.name,
        "type": job.type,
        "rule": job.rule.slug,
        "rule_version": job.rule_version.number,
        "environment": job.environment.code,
        "project": job.project.code if job.project else None,
        "revisions": [{"ref": revision.ref, "sha": revision.sha} for revision in revisions],
        "natures": [nature.code for nature in natures],
        "status": job.status,
        "step": job.step,
        "outcome": job.outcome,
        "attempt": job.attempt,
        "urgent": job.urgent,
        "comment": job.comment,
        "variables": given_variables(job),
        "created_by": job.created_by.get_username(),
        "created_at": instant(job.created_at),
        "scheduled_at": instant(job.scheduled_at),
        "max_start_at": instant(job.max_start_at),
        "started_at": instant(job.started_at),
        "finished_at": instant(job.finished_at),
        "rollback": job.rollback,
        "progress": {
            "operations_done": job.operations_done,
            "operations_expected": job.operations_expected,
            "percent": job.percent,
            "basis": job.progress_basis,
            "eta": eta._asdict() if eta else None,
        },
    }


def given_variables(job: Job) -> dict[str, Any]:
    """Return the variables given at creation, secrets hidden; a job keeps all of its variables, each with its origin."""
    return given_of(job.variables)


def given_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables given at creation out of all that a job keeps, secrets hidden."""
    return {
        name: each.get("shown", each["value"]) for name, each in variables.items() if each["origin"] == "job"
    }


def represent_approval(approval: Approval | None) -> dict[str, Any] | None:
    """Return the approval that a job waits for."""
    if approval is None:
        return None
    return {
        "operation": approval.operation,
        "name": approval.name,
        "approvers": approval.approvers,
        "min": approval.minimum,
        "exclude_creator": approval.exclude_creator,
        "requested_at": instant(approval.began_at),
        "approved_by": [
            {
                "user": signature.user.get_username(),
                "at": instant(signature.at),
                "comment": signature.comment,
            }
            for signature in approval.signatures.all()
        ],
    }
