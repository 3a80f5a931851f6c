"""What follows from an event beyond step and status: dates, step runs, results, and what is kept of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import transitions
from jobs.lifecycle import Event, Step
from jobs.models import Job, OperationRun, StepRun
from jobs.transitions import Change
from tests.factories import JobFactory, happen

pytestmark = pytest.mark.django_db


def rerun(job: Job, step: Step) -> Job:
    with transaction.atomic():
        return transitions.apply(
            transitions.lock(job.pk), Change(Event.RERUN, timezone.now(), asked_step=step)
        )


def test_a_deleted_job_still_says_which_it_was() -> None:
    job = JobFactory.at("END", "error")
    gone = happen(job, Event.DELETE)
    assert gone.pk == job.pk
    assert not Job.objects.filter(pk=job.pk).exists()


def test_a_step_that_goes_on_after_expiry_is_under_way_again_and_ends_as_it_ends() -> None:
    job = JobFactory.at("PRE", "pending_approval")
    for event in (Event.EXPIRE, Event.RESCHEDULE, Event.APPROVE, Event.START):
        happen(job, event)
    run = StepRun.objects.get(job=job, step="PRE")
    assert (run.result, run.finished_at) == ("running", None)
    happen(job, Event.STEP_OK)
    run.refresh_from_db()
    assert run.result == "completed"
    assert run.finished_at is not None


def test_a_rerun_begins_a_new_attempt_without_the_old_one_s_reason_and_rollback() -> None:
    job = JobFactory.at("RUN", "running")
    with transaction.atomic():
        transitions.apply(transitions.lock(job.pk), Change(Event.UNDO, timezone.now(), reason="boom"))
    happen(job, Event.UNDONE)
    job.refresh_from_db()
    assert (job.reason, job.rollback, job.outcome) == ("boom", "succeeded", "error")
    again = rerun(job, Step.RUN)
    assert (again.attempt, again.reason, again.rollback, again.outcome) == (2, "", "none", None)
    assert (again.step, again.status, again.percent, again.operations_done) == ("RUN", "ready", 0, 0)
    assert again.started_at is not None
    assert again.run_began_at is None


def test_a_rollback_undoes_the_step_that_was_deployed_also_when_a_rerun_never_began() -> None:
    job = JobFactory.at("END", "finished")
    rerun(job, Step.RUN)
    happen(job, Event.CANCEL)
    asked = happen(job, Event.ASK_ROLLBACK)
    assert (asked.step, asked.status, asked.attempt) == ("RUN", "rollback", 3)
    assert asked.finished_at is None


def test_started_and_finished_dates_follow_the_steps() -> None:
    begun = timezone.now() - timedelta(hours=1)
    job = JobFactory.at("RUN", "ready", now=begun)
    assert (job.started_at, job.finished_at) == (begun, None)
    happen(job, Event.START)
    ended = happen(job, Event.CANCEL)
    assert ended.started_at == begun
    assert ended.finished_at is not None
    assert not ended.revisions.filter(active=True).exists()
    assert rerun(job, Step.PRE).started_at is None
    assert job.revisions.filter(active=True).exists()


def test_what_was_under_way_when_a_job_ended_is_under_way_no_more() -> None:
    job = JobFactory.at("RUN", "running")
    fields = {"job": job, "attempt": 1, "key": "run", "step": "RUN"}
    OperationRun.objects.create(path="RUN/0", status="completed", **fields)
    OperationRun.objects.create(path="RUN/1", status="running", **fields)
    with transaction.atomic():
        transitions.apply(transitions.lock(job.pk), Change(Event.ABANDON, timezone.now(), reason="gone"))
    done, broken = OperationRun.objects.order_by("path")
    assert (done.status, done.error) == ("completed", "")
    assert (broken.status, broken.error) == ("failed", "gone")
    assert broken.finished_at is not None


def test_the_database_s_clock_comes_with_the_lock() -> None:
    job = JobFactory.create()
    with transaction.atomic():
        first, second = transitions.lock(job.pk).clock, transitions.lock(job.pk).clock
    assert first < second
    assert abs(second - timezone.now()) < timedelta(minutes=1)
