"""One tick of the daemon: what it declares dead, what it does not, what it hints, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import daemon, dispatch
from jobs.lifecycle import Event
from jobs.log.reader import read_entries
from jobs.models import CreationRequest, DaemonState, Job, Semaphore, SemaphoreRequest, Trap
from tests.conftest import empty_broker, messages_in
from tests.factories import JobFactory, UserFactory, happen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clean_broker(broker: str) -> None:
    empty_broker()


def lease() -> timedelta:
    return timedelta(seconds=settings.CLARIVE_LEASE_SECONDS)


def steady(since: timedelta) -> None:
    """Let the daemon have ticked without a gap for ``since``."""
    now = timezone.now()
    DaemonState.objects.update_or_create(pk=1, defaults={"ticked_at": now, "steady_since": now - since})


def lost(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def waiting() -> int:
    return messages_in(dispatch.JOBS_QUEUE)


def test_a_job_whose_lease_ran_out_is_abend_with_the_reason() -> None:
    job = JobFactory.at("RUN", "running")
    steady(2 * lease())
    lost(job)
    assert daemon.tick()
    job.refresh_from_db()
    assert (job.step, job.status, job.claim) == ("RUN", "abend", None)
    assert job.finished_at is not None
    assert job.reason.startswith("The worker test is gone")
    assert [(entry.level, entry.text) for entry in read_entries(job.pk).entries] == [("error", job.reason)]


def test_a_live_lease_is_left_alone() -> None:
    job = JobFactory.at("RUN", "running")
    steady(2 * lease())
    daemon.tick()
    job.refresh_from_db()
    assert job.status == "running"


def test_after_a_gap_nobody_is_declared_dead_before_the_daemon_was_steady_for_a_lease() -> None:
    job = JobFactory.at("RUN", "running")
    lost(job)
    now = timezone.now()
    DaemonState.objects.create(pk=1, ticked_at=now - lease(), steady_since=now - timedelta(days=1))
    daemon.tick()
    job.refresh_from_db()
    assert job.status == "running"
    steady(lease() + timedelta(seconds=1))
    daemon.tick()
    job.refresh_from_db()
    assert job.status == "abend"


def test_a_pause_of_a_third_of_a_lease_is_a_gap() -> None:
    lost(JobFactory.at("RUN", "running"))
    now = timezone.now()
    for pause, declared in ((lease() / 3, 0), (lease() / 4, 1)):
        DaemonState.objects.update_or_create(
            pk=1, defaults={"ticked_at": now - pause, "steady_since": now - timedelta(days=1)}
        )
        daemon.tick()
        assert Job.objects.filter(status="abend").count() == declared


def test_a_tick_that_itself_stood_still_declares_nobody_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole server, or the machine, was stopped after the tick had begun: its clock is old, and so is its steadiness."""
    job = JobFactory.at("RUN", "running")
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - 2 * lease())
    steady(9 * lease())
    with monkeypatch.context() as patched:
        patched.setattr(daemon, "_CLOCK", f"SELECT clock_timestamp() - interval '{lease()}'")
        daemon.tick()
    job.refresh_from_db()
    assert job.status == "running"


def test_a_job_that_was_handed_over_has_no_lease_to_lose_and_is_hinted() -> None:
    job = JobFactory.at("RUN", "running")
    Job.objects.filter(pk=job.pk).update(claim=None, lease_expires_at=None, due_at=timezone.now())
    steady(2 * lease())
    empty_broker()
    daemon.tick()
    job.refresh_from_db()
    assert job.status == "running"
    assert waiting() == 1


@pytest.mark.parametrize(
    ("step", "status"), [("PRE", "ready"), ("RUN", "ready"), ("PRE", "pending_approval")]
)
def test_what_did_not_begin_run_in_time_expires(step: str, status: str) -> None:
    past = timezone.now() - timedelta(days=2)
    job = JobFactory.at(step, status, created_at=past)
    daemon.tick()
    job.refresh_from_db()
    assert (job.step, job.status, job.status_before_expiry) == (step, "expired", status)
    assert "max start date" in job.reason


def test_a_run_that_has_begun_does_not_expire() -> None:
    past = timezone.now() - timedelta(days=2)
    job = JobFactory.at("RUN", "pending_approval", created_at=past)
    daemon.tick()
    job.refresh_from_db()
    assert job.status == "pending_approval"


def test_hints_follow_what_is_due_and_do_not_pile_up() -> None:
    daemon.tick()
    assert waiting() == 0
    jobs = [JobFactory.at("PRE", "ready") for _ in range(5)]
    empty_broker()
    for _ in range(4):
        daemon.tick()
    assert waiting() == settings.CLARIVE_WORKERS
    empty_broker()
    for job in jobs:
        happen(job, Event.CANCEL)
    daemon.tick()
    assert waiting() == 0


def test_a_job_with_a_later_date_is_not_hinted() -> None:
    JobFactory.at("RUN", "ready", scheduled_at=timezone.now() + timedelta(hours=1))
    empty_broker()
    daemon.tick()
    assert waiting() == 0


def test_an_unreachable_broker_does_not_stop_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no broker")

    JobFactory.at("PRE", "ready")
    monkeypatch.setattr(current_app, "send_task", refuse)
    monkeypatch.setattr(current_app, "connection_for_write", refuse)
    assert daemon.tick()


def wait_for_a_person_and_for_a_slot() -> None:
    now = timezone.now()
    trapped, holding, blocked = (
        JobFactory.at("RUN", "trapped"),
        JobFactory.at("RUN", "running"),
        JobFactory.at("PRE", "running"),
    )
    place = {"attempt": 1, "step": "RUN", "path": "RUN/0", "operation": "RUN/0"}
    Trap.objects.create(
        job=trapped, began_at=now, deadline=now + timedelta(hours=1), on_timeout="abort", **place
    )
    semaphore = Semaphore.objects.create(name=f"s{blocked.pk}")
    for job, granted_at in ((holding, now), (blocked, None)):
        SemaphoreRequest.objects.create(
            semaphore=semaphore, job=job, path="PRE/0", asked_at=now, granted_at=granted_at
        )
    happen(blocked, Event.BLOCK)


def test_a_tick_asks_the_same_number_of_queries_whatever_waits() -> None:
    counts = []
    for _ in range(2):
        JobFactory.at("RUN", "ready", scheduled_at=timezone.now() + timedelta(hours=1))
        JobFactory.at("PRE", "pending_approval")
        JobFactory.at("END", "finished")
        wait_for_a_person_and_for_a_slot()
        with CaptureQueriesContext(connection) as queries:
            daemon.tick()
        counts.append(len(queries))
    assert counts[0] >= counts[1]
    assert counts[1] <= 22


def test_old_requests_are_forgotten() -> None:
    user = UserFactory.create()
    now = timezone.now()
    for age in (timedelta(hours=2), timedelta(0)):
        CreationRequest.objects.create(
            wish={},
            actor=user,
            source="api",
            created_at=now - age,
            deadline=now - age + timedelta(seconds=10),
        )
    daemon.tick()
    assert CreationRequest.objects.count() == 1
