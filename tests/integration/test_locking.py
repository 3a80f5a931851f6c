"""What a locked job is read from, and what is written of it."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import locking, transitions
from jobs.exceptions import StaleClaim
from jobs.lifecycle import Event
from jobs.models import Job, Secret, Subscription
from jobs.transitions import Change
from tests.factories import JobFactory, happen

pytestmark = pytest.mark.django_db(transaction=True)


def claimed() -> tuple[Job, uuid.UUID]:
    job = happen(JobFactory.at("RUN", "ready"), Event.START)
    Job.objects.filter(pk=job.pk).update(stash={"variables": {"a": [1, None]}})
    assert job.claim is not None
    return job, job.claim


def test_a_job_is_the_same_however_it_is_locked() -> None:
    job, claim = claimed()
    with transaction.atomic():
        first = locking.lock_claimed(job.pk, claim)
        with CaptureQueriesContext(connection) as queries:
            again = locking.lock_again(first, claim)
            assert (again.environment, again.rule, again.created_by) == (
                first.environment,
                first.rule,
                first.created_by,
            )
        assert len(queries) == 1
    for field in Job._meta.concrete_fields:
        assert getattr(again, field.attname) == getattr(first, field.attname), field.attname
    assert (again.asks_slots, again.is_told, again.has_secrets) == (False, False, False)
    assert again.clock > first.clock


def test_what_it_says_of_others_is_so() -> None:
    job, claim = claimed()
    other = JobFactory.at("RUN", "ready")
    Subscription.objects.create(name="all")
    for environment, sees in ((other.environment, False), (job.environment, True)):
        Secret.objects.create(name="KEY", environment=environment, ciphertext=b"x", changed_at=timezone.now())
        with transaction.atomic():
            found = (locking.lock_claimed(job.pk, claim), locking.lock_again(job, claim))
        assert {(each.is_told, each.has_secrets) for each in found} == {(True, sees)}


def test_a_runner_without_its_claim_gets_nothing() -> None:
    job, _ = claimed()
    with transaction.atomic(), pytest.raises(StaleClaim):
        locking.lock_again(job, uuid.uuid4())


def test_only_what_has_changed_is_written() -> None:
    job, claim = claimed()
    with transaction.atomic():
        locked = locking.lock_again(job, claim)
        locked.percent, locked.comment = 7, "new"
        with CaptureQueriesContext(connection) as queries:
            locking.save(locked)
            locking.save(locked)
    (written,) = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    assert written.count(" = ") == 3  # two columns and the row
    job.refresh_from_db()
    assert (job.percent, job.comment, job.stash) == (7, "new", {"variables": {"a": [1, None]}})


def test_two_changes_at_once_write_the_row_once() -> None:
    job, claim = claimed()
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        locked = locking.lock_again(job, claim)
        taken = transitions.Claim(claim, job.claimed_by, timedelta(seconds=15))
        begin = Change(Event.START, locked.clock, claim=taken)
        transitions.apply(locked, Change(Event.STEP_OK, locked.clock), then=lambda _: begin)
    assert len([query for query in queries if 'UPDATE "jobs_job"' in query["sql"]]) == 1
    job.refresh_from_db()
    assert (job.step, job.status, job.claim, job.outcome) == ("POST", "running", claim, "finished")
    runs = dict(job.step_runs.values_list("step", "result"))
    assert (runs["RUN"], runs["POST"]) == ("completed", "running")
