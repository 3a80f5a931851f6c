"""Each invariant that lives in the database, seen to refuse."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from jobs.models import AuditRecord, DaemonState, Job, JobRevision, LogChunk, OperationRun, StepRun
from permissions.models import Environment
from tests.factories import EnvironmentFactory, JobFactory, NatureFactory, ProjectFactory

pytestmark = pytest.mark.django_db


def refused_by(constraint: str, error: pytest.ExceptionInfo[Any]) -> bool:
    return bool(error.value.__cause__.diag.constraint_name == constraint)


NOW = timezone.now()

BROKEN_JOBS: list[tuple[str, dict[str, Any]]] = [
    ("job_status_known", {"status": "lost", "claim": None, "lease_expires_at": None}),
    ("job_step_known", {"step": "CHECK"}),
    ("job_finished_at_iff_ended", {"finished_at": NOW}),
    ("job_finished_at_iff_ended", {"status": "cancelled", "claim": None, "lease_expires_at": None}),
    ("job_claim_only_while_running", {"status": "ready", "step": "PRE"}),
    ("job_claim_has_lease", {"lease_expires_at": None}),
    ("job_claim_has_lease", {"claim": None}),
    ("job_max_start_not_before_schedule", {"max_start_at": NOW - timedelta(days=9)}),
    ("job_attempt_from_one", {"attempt": 0}),
    ("job_percent_at_most_100", {"percent": 101}),
    ("job_limits_are_whole_or_none", {"limits": {"rights": None}}),
    ("job_end_is_finished_or_error", {"step": "END"}),
    (
        "job_end_is_finished_or_error",
        {"status": "error", "finished_at": NOW, "claim": None, "lease_expires_at": None},
    ),
]


@pytest.mark.parametrize(("constraint", "fields"), BROKEN_JOBS)
def test_a_job_cannot_be_what_the_life_of_a_job_does_not_know(
    constraint: str, fields: dict[str, Any]
) -> None:
    job = JobFactory.create(step="PRE") if "step" not in fields else JobFactory.create()
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**fields)
    assert refused_by(constraint, error)


def test_a_job_s_name_is_its_own() -> None:
    job = JobFactory.create()
    with pytest.raises(IntegrityError), transaction.atomic():
        JobFactory.create(name=job.name)


def test_a_revision_is_in_one_active_job_of_an_environment() -> None:
    first = JobFactory.create()
    revision = first.revisions.get()
    second = JobFactory.create(environment=first.environment, project=first.project, revisions=[])
    fields = {
        "job": second,
        "position": 0,
        "ref": "main",
        "project": first.project,
        "environment": first.environment,
    }
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        JobRevision.objects.create(sha=revision.sha, **fields)
    assert refused_by("revision_in_one_active_job", error)
    JobRevision.objects.create(sha=revision.sha, active=False, **fields)
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        JobRevision.objects.create(sha="not a commit", **{**fields, "position": 1})
    assert refused_by("job_revision_sha_is_hex", error)


def test_an_operation_is_recorded_once_in_an_attempt() -> None:
    job = JobFactory.create()
    fields = {"job": job, "attempt": 1, "path": "PRE/0", "key": "run", "step": "PRE", "status": "completed"}
    OperationRun.objects.create(**fields)
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        OperationRun.objects.create(**fields)
    assert refused_by("operation_run_once_per_attempt", error)
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        OperationRun.objects.create(**{**fields, "path": "PRE/1", "status": "done"})
    assert refused_by("operation_run_status_known", error)


def test_one_step_of_a_job_runs_at_a_time() -> None:
    job = JobFactory.create()
    StepRun.objects.create(job=job, attempt=1, step="PRE", started_at=NOW)
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        StepRun.objects.create(job=job, attempt=1, step="RUN", started_at=NOW)
    assert refused_by("step_run_one_running_per_job", error)


def test_the_audit_is_append_only() -> None:
    record = AuditRecord.objects.create(at=NOW, action="create", source="api")
    for change in (lambda: AuditRecord.objects.update(action="nothing"), record.delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert AuditRecord.objects.get().action == "create"


def test_codes_are_unique_ignoring_case() -> None:
    EnvironmentFactory.create(code="Prod")
    ProjectFactory.create(code="Shop")
    NatureFactory.create(code="Python")
    with pytest.raises(IntegrityError), transaction.atomic():
        EnvironmentFactory.create(code="PROD")
    with pytest.raises(IntegrityError), transaction.atomic():
        ProjectFactory.create(code="shop")
    with pytest.raises(IntegrityError), transaction.atomic():
        NatureFactory.create(code="python")


def test_an_environment_s_expiry_is_positive() -> None:
    environment = EnvironmentFactory.create()
    with pytest.raises(IntegrityError), transaction.atomic():
        Environment.objects.filter(pk=environment.pk).update(expiry=timedelta(0))


def test_there_is_one_state_of_the_daemon() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        DaemonState.objects.create(pk=2, ticked_at=NOW, steady_since=NOW)


def test_a_line_of_a_log_has_one_place() -> None:
    job = JobFactory.create()
    fields = {"job": job, "first_line": 1, "line_count": 1, "attempt": 1, "levels": 1, "size": 1, "data": b""}
    LogChunk.objects.create(first_at=NOW, last_at=NOW, **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        LogChunk.objects.create(first_at=NOW, last_at=NOW, **fields)


def test_a_stale_claim_matches_no_row() -> None:
    job = JobFactory.create()
    assert Job.objects.filter(pk=job.pk, claim=uuid.uuid4()).update(percent=50) == 0
