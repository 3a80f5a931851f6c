"""Schedules: what is claimed when, what becomes of each run, and that one time makes one job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs import creation, daemon, dispatch, schedules
from jobs.actions.schedules import run_now
from jobs.audit import Actor
from jobs.lifecycle import Event
from jobs.models import AuditRecord, CreationRequest, Job, Schedule, ScheduleRun
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import RightMissing
from permissions.models import User
from rules.models import Rule
from tests import engine
from tests.conftest import empty_broker, messages_in
from tests.factories import ScheduleFactory, happen, moment, user_with

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Schedule]


@pytest.fixture
def make(broker: str) -> Make:
    empty_broker()
    owner = user_with("view_monitor", "create")

    def made(steps: str = "RUN: [{log: Nightly}]", **fields: Any) -> Schedule:
        slug = engine.rule("nightly", steps)
        made: Schedule = ScheduleFactory.create(
            **{"rule": Rule.objects.get(slug=slug), "owner": owner, **fields}
        )
        return made

    return made


def come(schedule: Schedule, ago: timedelta = timedelta(seconds=1)) -> datetime:
    """Let the schedule have come some time ago."""
    when = timezone.now() - ago
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=when)
    return when


def carry_out() -> None:
    """Make the jobs of runs that are there, and let no schedule come."""
    while (request := schedules.take(timezone.now())) is not None:
        if isinstance(request, CreationRequest):
            creation.serve(str(request.pk), "test")


def results(schedule: Schedule) -> list[str]:
    return list(schedule.runs.order_by("id").values_list("result", flat=True))


def only(schedule: Schedule) -> ScheduleRun:
    return schedule.runs.select_related("job").get()


def test_a_schedule_that_has_come_makes_a_job_of_its_owner(make: Make) -> None:
    schedule = make(
        comment="Each night",
        variables={"depth": 3},
        urgent=True,
        delay=timedelta(hours=2),
        name="nightly-dev",
    )
    due_at = come(schedule)
    assert schedules.serve("test") == 1
    run = only(schedule)
    assert (run.result, run.message, run.due_at, run.look_at) == ("created", "", due_at, None)
    job = run.job
    assert job is not None
    assert (job.created_by, job.environment, job.rule, job.urgent, job.comment) == (
        schedule.owner, schedule.environment, schedule.rule, True, "Each night"
    )  # fmt: skip
    assert job.variables["depth"]["value"] == 3
    assert job.scheduled_at == due_at + timedelta(hours=2)
    record = AuditRecord.objects.get(job_id=job.pk, action="create")
    assert (record.user, record.source, record.address) == (
        schedule.owner.username, "daemon", "schedule nightly-dev"
    )  # fmt: skip
    assert record.comment == "By the schedule nightly-dev. Each night"
    schedule.refresh_from_db()
    assert schedule.next_run_at == schedule.first_after(timezone.now())
    assert schedules.serve("test") == 0


def test_what_has_not_come_or_is_not_enabled_makes_nothing(make: Make) -> None:
    later, off = make(), make(enabled=False)
    assert later.next_run_at is not None
    assert off.next_run_at is None
    assert schedules.serve("test") == 0
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("none", ["skipped"]),
        ("latest", ["skipped", "created"]),
        ("all", ["created"] * 4),
    ],
)
def test_after_a_downtime(make: Make, catch_up: str, expected: list[str]) -> None:
    now = moment("2026-03-01T10:30")
    schedule = make(catch_up=catch_up, overlap="allow")
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=moment("2026-03-01T07:00"))
    assert schedules.claim_due(now)
    assert not schedules.claim_due(now)
    carry_out()
    assert results(schedule) == expected
    newest = schedule.runs.first()
    assert newest is not None
    assert newest.due_at == moment("2026-03-01T10:00")
    noted = schedule.runs.filter(result="skipped").first()
    if noted is not None:
        count = 4 if catch_up == "none" else 3
        assert noted.message.startswith(f"{count} runs were missed, from 2026-03-01 07:00 to 2026-03-01")
    schedule.refresh_from_db()
    assert schedule.next_run_at == moment("2026-03-01T11:00")


def test_of_all_that_were_missed_one_makes_a_job_where_jobs_may_not_overlap(make: Make) -> None:
    schedule = make(catch_up="all")
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=moment("2026-03-01T07:00"))
    schedules.claim_due(moment("2026-03-01T10:30"))
    carry_out()
    assert results(schedule) == ["created", "skipped", "skipped", "skipped"]


def test_a_late_run_is_not_dated_in_the_past(make: Make) -> None:
    # Of the hours that were missed the last one comes, which began less than an hour ago.
    schedule = make(delay=timedelta(0))
    come(schedule, timedelta(days=3))
    schedules.serve("test")
    (job,) = Job.objects.all()
    assert job.scheduled_at == job.created_at


def test_while_its_last_job_is_active_a_run_is_skipped_or_not(make: Make) -> None:
    schedule = make()
    for _ in range(2):
        come(schedule)
        schedules.serve("test")
    assert results(schedule) == ["created", "skipped"]
    (job,) = Job.objects.all()
    newest = schedule.runs.first()
    assert newest is not None
    assert newest.message == f"The job {job.name} of this schedule is active."
    Schedule.objects.filter(pk=schedule.pk).update(overlap="allow")
    come(schedule)
    schedules.serve("test")
    happen(job, Event.CANCEL)
    Schedule.objects.filter(pk=schedule.pk).update(overlap="skip")
    happen(Job.objects.exclude(pk=job.pk).get(), Event.CANCEL)
    come(schedule)
    schedules.serve("test")
    assert results(schedule) == ["created", "skipped", "created", "created"]


def test_an_owner_without_the_right_makes_no_job_and_the_run_says_so(make: Make) -> None:
    schedule = make()
    owner, code = schedule.owner, schedule.environment.code
    policy.revoke(owner, Right.CREATE, None)
    come(schedule)
    schedules.serve("test")
    policy.grant(owner, Right.CREATE, None)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    come(schedule)
    schedules.serve("test")
    assert results(schedule) == ["refused", "refused"]
    assert set(schedule.runs.values_list("message", flat=True)) == {
        f"{owner.username} may not create jobs in {code}."
    }
    assert not Job.objects.exists()
    assert schedules.serve("test") == 0


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("CHECK: [{fail: Not on Sundays}]", "CHECK refused: Not on Sundays"),
        ("RUN: [{rule: gone}]", "rule: The rule cannot run: "),
    ],
)
def test_what_is_refused_is_said_and_not_tried_again(make: Make, steps: str, said: str) -> None:
    engine.rule("gone", "RUN: [{log: x}]")
    schedule = make(steps)
    if "gone" in steps:
        Rule.objects.filter(slug="gone").update(slug="renamed")
    come(schedule)
    schedules.serve("test")
    run = only(schedule)
    assert run.result == "refused"
    assert run.message.startswith(said)
    assert schedules.serve("test") == 0


def test_a_defect_in_one_schedule_stops_no_other_one(make: Make) -> None:
    broken, never, sound = make(), make(), make()
    Schedule.objects.filter(pk=broken.pk).update(revisions=7)
    Schedule.objects.filter(pk=never.pk).update(time_zone="Atlantis/Capital")
    for schedule in (broken, never, sound):
        come(schedule)
    while schedules.serve("test"):
        pass
    assert results(broken) == ["failed"]
    assert results(never) == ["failed"]
    assert results(sound) == ["created"]
    never.refresh_from_db()
    assert never.next_run_at is None


def test_a_worker_that_dies_makes_way_for_the_next_one_a_few_times(make: Make) -> None:
    schedule = make()
    come(schedule)
    now = timezone.now()
    schedules.claim_due(now)
    for number in range(1, schedules.MOST_TRIES + 1):
        request = schedules.take(now)
        assert isinstance(request, CreationRequest)
        assert schedules.take(now) is None, "somebody is at it"
        assert only(schedule).tries == number
        now = request.deadline + timedelta(seconds=6)
    assert isinstance(schedules.take(now), ScheduleRun)
    run = only(schedule)
    assert (run.result, run.message) == ("failed", "No worker finished it in 3 tries.")
    # Whoever comes late makes nothing any more.
    for request in CreationRequest.objects.exclude(state="abandoned"):
        creation.serve(str(request.pk), "late")
    assert not Job.objects.exists()


def test_a_worker_that_comes_late_makes_no_second_job(make: Make) -> None:
    schedule = make()
    come(schedule)
    now = timezone.now()
    schedules.claim_due(now)
    first = schedules.take(now)
    assert isinstance(first, CreationRequest)
    second = schedules.take(first.deadline + timedelta(seconds=6))
    assert isinstance(second, CreationRequest)
    for request in (first, second, first):
        creation.serve(str(request.pk), "test")
    assert Job.objects.count() == 1
    assert only(schedule).job == Job.objects.get()


def test_a_worker_that_died_after_a_refusal_leaves_it_said(make: Make) -> None:
    schedule = make("CHECK: [{fail: No}]")
    come(schedule)
    now = timezone.now()
    schedules.claim_due(now)
    request = schedules.take(now)
    assert isinstance(request, CreationRequest)
    creation.serve(str(request.pk), "dies now")
    schedules.take(request.deadline + timedelta(seconds=6))
    assert only(schedule).message == "CHECK refused: No"


def test_the_database_keeps_one_run_for_one_time(make: Make) -> None:
    schedule = make()
    when = come(schedule)
    schedules.serve("test")
    with pytest.raises(IntegrityError), transaction.atomic():
        ScheduleRun.objects.create(schedule=schedule, due_at=when, look_at=when)
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=when)  # the clock was set back
    schedules.serve("test")
    assert results(schedule) == ["created"]


def test_saving_leaves_what_has_come_to_the_clock_and_a_change_of_time_counts_from_now(make: Make) -> None:
    schedule = make()
    stale = Schedule.objects.get(pk=schedule.pk)
    when = come(schedule)
    stale.comment = "Changed"
    stale.save()
    stale.refresh_from_db()
    assert stale.next_run_at == when
    stale.cron = "30 * * * *"
    stale.save()
    assert stale.next_run_at is not None
    assert (stale.next_run_at.minute, stale.next_run_at > timezone.now()) == (30, True)
    stale.enabled = False
    stale.save()
    assert Schedule.objects.get(pk=schedule.pk).next_run_at is None


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"cron": "x"}, "cron"),
        ({"cron": "", "interval": timedelta(seconds=30)}, "interval"),
        ({"interval": timedelta(hours=1)}, "cron"),
        ({"cron": ""}, "cron"),
        ({"starts_at": datetime(1, 1, 1, tzinfo=UTC)}, "starts_at"),
        ({"starts_at": datetime(2026, 6, 1, tzinfo=UTC), "ends_at": datetime(2026, 5, 1, tzinfo=UTC)}, "ends_at"),
        ({"time_zone": "Atlantis/Capital"}, "time_zone"),
        ({"name": "two words"}, "name"),
        ({"delay": timedelta(days=400)}, "delay"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make: Make, fields: dict[str, Any], wrong: str) -> None:
    schedule = make()
    for name, value in fields.items():
        setattr(schedule, name, value)
    with pytest.raises(ValidationError) as caught:
        schedule.full_clean()
    assert list(caught.value.message_dict) == [wrong]


def test_old_runs_are_forgotten_but_never_one_whose_job_is_active(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "MOST_KEPT", 5)
    schedule = make()
    come(schedule)
    schedules.serve("test")
    for number in range(schedules.MOST_KEPT + 5):
        come(schedule, timedelta(seconds=2 + number))
        schedules.serve("test")
    found = results(schedule)
    assert (found[0], set(found[1:])) == ("created", {"skipped"})
    assert len(found) <= schedules.MOST_KEPT + 2


def test_by_hand_it_runs_in_the_name_of_who_asks(make: Make) -> None:
    schedule = make(enabled=False, name="by-hand")
    other, viewer = user_with("view_monitor", "create"), user_with("view_monitor")
    with pytest.raises(RightMissing):
        run_now(schedule, actor=Actor(viewer, "admin"), now=timezone.now())
    run_now(schedule, actor=Actor(other, "admin"), now=timezone.now())
    assert messages_in(dispatch.CREATE_QUEUE) == 1
    assert schedules.serve("test") == 1
    (job,) = Job.objects.all()
    assert job.created_by == other
    record = AuditRecord.objects.get(job_id=job.pk)
    assert (record.user, record.source, record.comment) == (
        other.username,
        "admin",
        "By the schedule by-hand. ",
    )


def test_the_tick_hints_with_one_query_more_whatever_there_is(make: Make) -> None:
    counts = []
    for number in range(3):
        schedule = make()
        if number:
            come(schedule)
        empty_broker()
        with CaptureQueriesContext(connection) as queries:
            daemon.tick()
        counts.append(len(queries))
        assert messages_in(dispatch.CREATE_QUEUE) == min(number, 1)
    assert counts[0] >= counts[-1]
    empty_broker()
    schedules.serve("test")
    schedules.serve("test")
    daemon.tick()
    assert messages_in(dispatch.CREATE_QUEUE) == 0


def test_beat_has_a_task_for_each_schedule_that_sends_a_hint(make: Make) -> None:
    schedule = make(cron="30 2 * * MON-FRI", time_zone="Europe/Madrid")
    task = PeriodicTask.objects.get(name=f"jobs.schedule.{schedule.pk}")
    assert (task.task, task.queue, task.enabled) == ("jobs.run_schedules", "create", True)
    current_app.loader.import_default_modules()
    assert task.task in current_app.tasks
    assert task.crontab is not None
    assert (task.crontab.hour, task.crontab.day_of_week, str(task.crontab.timezone)) == (
        "2", "mon-fri", "Europe/Madrid"
    )  # fmt: skip
    schedule.cron, schedule.interval, schedule.enabled = "", timedelta(minutes=90), False
    schedule.save()
    task.refresh_from_db()
    assert task.crontab is None
    assert (task.interval.every, task.interval.period, task.enabled) == (5400, "seconds", False)
    schedule.cron, schedule.interval = "0 0 L * *", None
    schedule.save()
    assert not PeriodicTask.objects.filter(name=f"jobs.schedule.{schedule.pk}").exists()
    schedule.cron = "@daily"
    schedule.save()
    assert PeriodicTask.objects.filter(name=f"jobs.schedule.{schedule.pk}").exists()
    Schedule.objects.all().delete()
    assert not PeriodicTask.objects.filter(name__startswith="jobs.schedule.").exists()
