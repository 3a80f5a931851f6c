"""A worker that has run some jobs holds no more after some more. How much that is in bytes is measured by the bench."""

from __future__ import annotations

import gc

import pytest

from bench import copies
from jobs import alarms, runner
from jobs.models import Job
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

WARM_UP = 12
MORE = 25


def test_a_job_that_was_run_leaves_no_object_behind(broker: str) -> None:
    steps = "PRE:\n  - log: a\n  - set: {a: 1}\nRUN:\n  - foreach:\n      items: [1, 2]\n      do:\n        - log: b\n"
    copies.copies(copies.ended_job(steps), WARM_UP + MORE, "N.COPIES-1", copies.DUE)
    held = []
    for count in (WARM_UP, MORE):
        for _ in range(count):
            job = runner.take_due("a worker")
            assert job is not None
            runner.run(job)
            del job
        # Alarms that were called off stay until their time.
        until(lambda: not alarms._clocks[0]._due, 5)
        gc.collect()
        held.append(len(gc.get_objects()))
    assert Job.objects.filter(status="finished").count() == WARM_UP + MORE
    # Less than one object for each job: whatever a cache still learns, a job that stays would be dozens.
    assert held[1] - held[0] < MORE
