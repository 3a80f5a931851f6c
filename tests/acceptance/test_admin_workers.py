"""Section 9, the page of the daemon and the workers: how work goes, as the reader may know it, and draining."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobs.models import (
    AuditRecord,
    CreationRequest,
    DaemonState,
    Job,
    Schedule,
    ScheduleRun,
    Semaphore,
    SemaphoreRequest,
    WorkerDrain,
    WorkerSeen,
)
from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, JobFactory, ScheduleFactory, UserFactory, user_with
from tests.pages import Reader, text, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]

PAGE = "/admin/jobs/workerseen/"
DRAIN = f"{PAGE}drain/"
RESUME = f"{PAGE}resume/"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def root() -> Reader:
    return Reader(UserFactory.create(is_superuser=True, is_staff=True, username="root"), language="en")


def staff(*codenames: str, environments: list[Environment]) -> Reader:
    user: User = user_with("view_monitor", environments=environments, is_staff=True, username="sam")
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    return Reader(User.objects.get(pk=user.pk), language="en")


def seen(name: str, *, age: int = 0, queues: tuple[str, ...] = ("jobs",)) -> None:
    now = timezone.now() - timedelta(seconds=age)
    WorkerSeen.objects.create(
        name=name, host="host1", pid=4321, queues=list(queues), started_at=now, seen_at=now
    )


def running(environment: Environment, worker: str, *, lease: int = 10) -> Job:
    job = JobFactory.at("RUN", "running", environment=environment)
    expires = timezone.now() + timedelta(seconds=lease)
    Job.objects.filter(pk=job.pk).update(claimed_by=f"{worker}/77", lease_expires_at=expires)
    return job


def test_it_says_how_work_goes(root: Reader, dev: Environment) -> None:
    now = timezone.now()
    DaemonState.objects.create(pk=1, ticked_at=now, steady_since=now, seconds=0.0123)
    seen("busy@h")
    seen("idle@h", queues=("create", "daemon"))
    seen("dead@h", age=600)
    mine, lost = running(dev, "busy@h"), running(dev, "dead@h", lease=-5)
    JobFactory.at("PRE", "ready", environment=dev, now=now - timedelta(minutes=5))
    semaphore = Semaphore.objects.create(name="deploy-DEV", slots=2)
    for job, granted in ((mine, now), (lost, None)):
        SemaphoreRequest.objects.create(
            semaphore=semaphore, job=job, path="RUN/0", asked_at=now, granted_at=granted
        )
    said = words(root.get(PAGE))
    for part in (
        "It took 12 ms",
        "Broker answers Hints waiting",
        "Jobs waiting for a worker 1",
        "The first waits for 5 min",
        f"Leases that ran out 1 {lost.name}",
        "✓ Working",
        "✓ Idle",
        "✕ Gone: no sign of life",
        f"{lost.name} its lease ran out",
        "host1 · 4321",
        "deploy-DEV 1 2 1",
    ):
        assert part in said.replace("\xa0", " "), part
    assert "<noscript>" in text(root.get(PAGE)), "without a script one refreshes it oneself"
    fragment = text(root.get(f"{PAGE}?part=1"))
    assert mine.name in fragment
    assert "<html" not in fragment


def test_nothing_of_hidden_environments_is_shown_or_counted(dev: Environment) -> None:
    hidden = EnvironmentFactory.create(code="HIDDEN")
    seen("w@h")
    other = running(hidden, "w@h", lease=-5)
    running(hidden, "secret@h")
    now = timezone.now()
    JobFactory.at("PRE", "ready", environment=hidden, now=now)
    semaphore = Semaphore.objects.create(name="deploy-HIDDEN")
    SemaphoreRequest.objects.create(semaphore=semaphore, job=other, path="RUN/0", asked_at=now)
    for environment in (hidden, dev):
        CreationRequest.objects.create(
            wish={"environment_id": environment.pk}, actor=other.created_by, source="api",
            created_at=now, deadline=now + timedelta(minutes=1),
        )  # fmt: skip
    said = words(staff("view_workerseen", environments=[dev]).get(PAGE))
    assert "HIDDEN" not in said
    assert other.name not in said
    assert "secret@h" not in said
    assert "Hints waiting" not in said
    for part in ("Jobs waiting for a worker 0", "Creations under way 1", "Leases that ran out 0", "✓ Idle"):
        assert part in said, part


def test_its_cost_does_not_grow(
    root: Reader, dev: Environment, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        seen(f"w{number}@h")
        running(dev, f"w{number}@h")
    with django_assert_max_num_queries(20):
        root.get(PAGE)


def test_draining_is_asked_done_recorded_and_undone(root: Reader, dev: Environment) -> None:
    seen("a@h")
    job = running(dev, "a@h")
    asked = words(root.get(f"{DRAIN}?worker=a@h"))
    assert job.name in asked
    assert "No other worker takes jobs" in asked
    assert not WorkerDrain.objects.exists()
    assert root.post(DRAIN, {"worker": "a@h"}).status_code == 302
    said = words(root.get(PAGE))
    assert "The worker a@h takes no new work from now on." in said
    assert "! Draining: ends its operation and hands over by root" in said
    assert "All workers are drained: none takes new work." in said
    Job.objects.filter(pk=job.pk).update(claim=None, claimed_by="", lease_expires_at=None)
    WorkerSeen.objects.all().delete()
    assert "Gone: no sign of life" in words(root.get(PAGE)), "one that stopped while it was drained is shown"
    assert root.post(DRAIN, {"worker": "a@h"}).status_code == 302
    assert "The worker a@h was drained already." in words(root.get(PAGE))
    assert root.get(f"{RESUME}?worker=a@h").status_code == 200
    assert root.post(RESUME, {"worker": "a@h"}).status_code == 302
    assert not WorkerDrain.objects.exists()
    records = AuditRecord.objects.order_by("id").values_list("action", "user", "source", "comment")
    assert list(records) == [
        ("drain_worker", "root", "admin", "a@h"),
        ("resume_worker", "root", "admin", "a@h"),
    ]
    for name in ("", "nobody@h", "a\0b"):
        assert root.post(DRAIN, {"worker": name}).status_code == 404


def test_draining_the_only_one_that_creates_jobs_is_warned_of_and_said(
    root: Reader, dev: Environment
) -> None:
    seen("a@h")
    seen("c@h", queues=("create", "daemon"))
    assert "creates jobs" not in words(root.get(f"{DRAIN}?worker=a@h"))
    asked = words(root.get(f"{DRAIN}?worker=c@h"))
    assert "No other worker creates jobs" in asked
    assert "No other worker takes jobs" not in asked
    assert "Workers ✓ Good" in words(root.get(PAGE))
    root.post(DRAIN, {"worker": "c@h"})
    said = words(root.get(PAGE))
    assert "Workers ✕ Problem All workers that create jobs are drained" in said
    seen("d@h", queues=("create",))
    assert "No other worker" not in words(root.get(f"{DRAIN}?worker=c@h"))
    assert "Workers ! Attention" in words(root.get(PAGE))
    WorkerSeen.objects.exclude(name="a@h").delete()
    assert "No worker creates jobs: no job is created" in words(root.get(PAGE))


def test_runs_of_schedules_that_wait_are_counted(root: Reader, dev: Environment) -> None:
    hidden = EnvironmentFactory.create(code="HIDDEN")
    now = timezone.now()
    for environment in (dev, hidden):
        come, asked = ScheduleFactory.create_batch(2, environment=environment)
        Schedule.objects.filter(pk=come.pk).update(next_run_at=now - timedelta(minutes=1))
        ScheduleRun.objects.create(schedule=asked, due_at=now, look_at=now)
    assert "Queue ! Attention" in words(root.get(PAGE))
    assert "Runs of schedules waiting 4" in words(root.get(PAGE))
    assert "Runs of schedules waiting 2" in words(staff("view_workerseen", environments=[dev]).get(PAGE))


def test_who_may(dev: Environment) -> None:
    seen("a@h")
    blind = staff(environments=[dev])
    assert [blind.get(PAGE).status_code, blind.get(f"{DRAIN}?worker=a@h").status_code] == [403, 403]
    User.objects.all().delete()
    looker = staff("view_workerseen", environments=[dev])
    assert "Drain" not in words(looker.get(PAGE))
    assert looker.post(DRAIN, {"worker": "a@h"}).status_code == 403
    User.objects.all().delete()
    operator = staff("view_workerseen", "drain_worker", environments=[dev])
    assert operator.post(DRAIN, {"worker": "a@h"}).status_code == 302
    assert WorkerDrain.objects.get().requested_by == "sam"
