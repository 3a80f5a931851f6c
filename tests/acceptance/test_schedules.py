"""A schedule with real processes: two clocks that tick, workers that create and run, and one job for one time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job, Schedule, ScheduleRun
from rules.models import Rule
from tests import engine
from tests.conftest import Workers
from tests.factories import ScheduleFactory, user_with
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers]


def test_two_clocks_make_one_job_for_one_time_and_it_runs(workers: Workers) -> None:
    rule = Rule.objects.get(slug=engine.rule("nightly", "CHECK: [{log: Looks}]\nRUN: [{log: Nightly}]"))
    schedule: Schedule = ScheduleFactory.create(rule=rule, owner=user_with("view_monitor", "create"))
    crew = [
        workers.start_worker(("jobs",), 1, wait=False),
        workers.start_worker(("daemon", "create"), 2, wait=False),
        workers.start_beat(wait=False),
        workers.start_beat(wait=False),
    ]
    for worker in crew:
        worker.wait_ready()
    due_at = timezone.now() + timedelta(seconds=1)
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=due_at)
    job = until(Job.objects.first, 30, "a job of the schedule")
    engine.at(job, "END", "finished")
    assert "Nightly" in engine.log_of(job)
    time.sleep(3)  # ticks of both clocks, and hints, go on meanwhile
    run = ScheduleRun.objects.get()
    assert (run.due_at, run.result, run.job_id) == (due_at, "created", job.pk)
    assert Job.objects.count() == 1
