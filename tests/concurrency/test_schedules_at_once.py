"""Several clocks tick, several hints come and several workers look at the same moment: one time makes one job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone

from jobs import schedules
from jobs.models import Job, Schedule
from rules.models import Rule
from tests import engine
from tests.factories import EnvironmentFactory, ScheduleFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 4


def serve_at_once() -> None:
    barrier = Barrier(AT_ONCE)

    def look(number: int) -> None:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            schedules.serve(f"worker-{number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(look, range(AT_ONCE)))


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_one_time_makes_one_job(overlap: str) -> None:
    rule = Rule.objects.get(slug=engine.rule("nightly", "CHECK: [{log: Looks}]\nRUN: [{log: Nightly}]"))
    owner, environment = user_with("view_monitor", "create"), EnvironmentFactory.create()
    made: list[Schedule] = [
        ScheduleFactory.create(rule=rule, owner=owner, environment=environment, overlap=overlap)
        for _ in range(3)
    ]
    for round_ in (1, 2):
        when = timezone.now() - timedelta(seconds=1)
        Schedule.objects.update(next_run_at=when)
        serve_at_once()
        serve_at_once()
        for schedule in made:
            assert schedule.runs.filter(due_at=when).count() == 1
        assert Job.objects.count() == len(made) * (round_ if overlap == "allow" else 1)


def test_runs_of_one_schedule_do_not_overlap_when_all_are_made_up_at_once() -> None:
    rule = Rule.objects.get(slug=engine.rule("nightly", "CHECK: [{log: Looks}]\nRUN: [{log: Nightly}]"))
    schedule: Schedule = ScheduleFactory.create(
        rule=rule,
        owner=user_with("view_monitor", "create"),
        cron="",
        interval=timedelta(hours=1),
        catch_up="all",
        created_at=timezone.now() - timedelta(days=1),
    )
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(hours=5))
    serve_at_once()
    serve_at_once()
    assert sorted(schedule.runs.values_list("result", flat=True)) == ["created", *["skipped"] * 5]
    assert Job.objects.count() == 1
