"""Why a job waits."""

from datetime import datetime, timedelta

import pytest

from jobs.blockers import blockers
from jobs.lifecycle import ENDED, RUNNER_STATUSES, State
from jobs.models import Approval, DaemonState, Job, WorkerSeen
from permissions import principals
from permissions.catalog import Right
from tests.factories import (
    PATHS,
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    UserFactory,
    grant,
    moment,
    user_with,
)

pytestmark = pytest.mark.django_db

NOW = moment()


def alive(
    *, worker: datetime | None = NOW, daemon: datetime | None = NOW, queues: tuple[str, ...] = ("jobs",)
) -> None:
    if worker:
        WorkerSeen.objects.create(
            name="w", host="h", pid=1, queues=list(queues), started_at=NOW - timedelta(days=1), seen_at=worker
        )
    if daemon:
        DaemonState.objects.create(pk=1, ticked_at=daemon, steady_since=NOW - timedelta(days=1))


def kinds(job: Job, now: datetime = NOW) -> list[str]:
    return [blocker.kind for blocker in blockers(job, now)]


def test_a_date_to_come_blocks_until_then() -> None:
    alive()
    due = NOW + timedelta(hours=2)
    job = JobFactory.at("RUN", "ready", now=NOW, scheduled_at=due)
    (found,) = blockers(job, NOW)
    assert (found.kind, found.since, found.until) == ("schedule", NOW, due)
    assert kinds(job, due) == ["worker", "daemon"]


def test_a_due_job_waits_for_a_worker() -> None:
    alive()
    job = JobFactory.at("PRE", "ready", now=NOW)
    (found,) = blockers(job, NOW)
    assert (found.kind, found.detail, found.since) == ("worker", "Waits for a free worker.", NOW)


@pytest.mark.parametrize(
    ("seen", "says"),
    [(None, "No worker was ever seen."), (NOW - timedelta(minutes=1), "No worker is there.")],
)
def test_a_worker_that_is_not_there_is_said(seen: datetime | None, says: str) -> None:
    alive(worker=seen)
    job = JobFactory.at("PRE", "ready", now=NOW)
    assert [blocker.detail for blocker in blockers(job, NOW)] == [says]


def test_a_worker_of_another_queue_does_not_count() -> None:
    alive(queues=("daemon", "create"))
    assert blockers(JobFactory.at("PRE", "ready", now=NOW), NOW)[0].detail == "No worker was ever seen."


def test_a_daemon_that_stands_still_is_said() -> None:
    alive(daemon=NOW - timedelta(minutes=1))
    job = JobFactory.at("RUN", "ready", now=NOW, scheduled_at=NOW + timedelta(hours=1))
    assert kinds(job) == ["schedule", "daemon"]
    assert blockers(job, NOW)[1].since == NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    "state",
    [each for each in PATHS if each.status in ENDED | RUNNER_STATUSES],
    ids=lambda state: f"{state.step}-{state.status}",
)
def test_nothing_blocks_what_runs_or_has_ended(state: State) -> None:
    assert kinds(JobFactory.at(state.step, state.status, now=NOW)) == []


def test_a_job_handed_over_by_its_worker_waits_for_the_next() -> None:
    alive()
    job = JobFactory.at("RUN", "running", now=NOW)
    Job.objects.filter(pk=job.pk).update(claim=None, lease_expires_at=None, due_at=NOW)
    job.refresh_from_db()
    assert kinds(job) == ["worker"]


def test_holders_are_named_once_and_only_when_the_right_counts() -> None:
    environment, other = EnvironmentFactory.create(), EnvironmentFactory.create()
    ops, blind = GroupFactory.create(name="ops"), GroupFactory.create(name="blind")
    grant(ops, "view_monitor", "restart", environments=None)
    grant(ops, "restart", environments=[environment])
    grant(blind, "restart", environments=[environment])
    user_with("view_monitor", "restart", environments=[environment], username="ana")
    user_with("view_monitor", "restart", environments=[other], username="elsewhere")
    user_with("restart", environments=[environment], username="sees-nothing")
    user_with("view_monitor", "restart", environments=[environment], username="gone", is_active=False)
    through = user_with("restart", environments=None, username="through")
    through.groups.add(ops)
    UserFactory.create(is_superuser=True, username="root")
    assert principals.holders(Right.RESTART, environment) == ["group:ops", "user:ana", "user:through"]


def test_an_approval_names_only_those_who_may_see_the_environment() -> None:
    environment, other = EnvironmentFactory.create(), EnvironmentFactory.create()
    groups = {name: GroupFactory.create(name=name) for name in ("seeing", "blind", "mixed", "past")}
    grant(groups["seeing"], "view_monitor", environments=[environment])
    user_with("view_monitor", environments=[environment], username="ana").groups.add(groups["mixed"])
    user_with("view_monitor", environments=[other], username="elsewhere").groups.add(groups["blind"])
    user_with("view_monitor", username="gone", is_active=False).groups.add(groups["past"])
    user_with("approve_all", username="sees-nothing")
    UserFactory.create(is_superuser=True, username="root")
    named = [
        *("group:seeing", "group:blind", "group:mixed", "group:past", "group:unknown"),
        *("user:ana", "user:elsewhere", "user:gone", "user:sees-nothing", "user:root", "user:unknown"),
    ]
    expected = ["group:seeing", "group:mixed", "user:ana", "user:root"]
    assert principals.seeing(named, environment) == expected
    alive()
    job = JobFactory.at("RUN", "pending_approval", now=NOW, environment=environment)
    Approval.objects.create(
        job=job, attempt=1, step="RUN", path="RUN/0", operation="gate", began_at=NOW, approvers=named
    )
    (found,) = blockers(job, NOW)
    assert (found.kind, list(found.who)) == ("approval", expected)
