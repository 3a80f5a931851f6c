"""Draining under load: all workers are restarted, one after the other and again, and no job notices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from jobs.audit import Actor
from jobs.models import Job
from tests.conftest import Worker, Workers
from tests.engine import ENDED_VALUES, create, lines, log_of, rule, setting
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers]

LEASE = {"CLARIVE_LEASE_SECONDS": "6"}
CREW = ((("jobs",), 2), (("jobs",), 2), (("create", "daemon"), 2))
ROUNDS = 2
UNDER_WAY = 6
"""Jobs kept under way: more than can run at once, so that whoever is told to stop is at work."""

STEPS = ("PRE", "RUN", "POST")
OPERATIONS = ("first", "second")


def _rule(effects: Path) -> str:
    """Publish a rule whose operations leave a line each and take a while after it."""
    line = "$CLARIVE_JOB_ID $CLARIVE_ATTEMPT $CLARIVE_STEP"
    return rule(
        "steady",
        "\n".join(
            f"{step}:\n"
            + "\n".join(f"  - run: echo {line} {name} >> {effects}; sleep 0.3" for name in OPERATIONS)
            for step in STEPS
        ),
    )


@contextmanager
def _load(create_one: Callable[[], Job]) -> Iterator[list[Job]]:
    """Keep jobs under way as long as the block lasts; a creation that fails fails the block."""
    made: list[Job] = []
    failures: list[BaseException] = []
    over = threading.Event()

    def keep_busy() -> None:
        try:
            while not over.wait(0.05):
                if Job.objects.exclude(status__in=ENDED_VALUES).count() < UNDER_WAY:
                    made.append(create_one())
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        until(lambda: len(made) >= UNDER_WAY or failures, 60, "the load")
        yield made
    finally:
        over.set()
        thread.join()
    assert failures == []


def test_a_rolling_restart_of_all_workers_under_load_ends_no_job_and_doubles_no_operation(
    workers: Workers, tmp_path: Path, settings: Settings
) -> None:
    # A request waits for the worker of creations, too, while that one is started again.
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 60
    actor: Actor = setting()[1]
    effects = tmp_path / "effects"
    slug = _rule(effects)
    crew = workers.start_together(CREW, environment=LEASE)
    told: list[Worker] = []
    with _load(lambda: create(slug, actor)) as made:
        for _ in range(ROUNDS):
            for place, (queues, concurrency) in enumerate(CREW):
                crew[place].term()
                told.append(crew[place])
                crew[place] = workers.start_worker(queues, concurrency, environment=LEASE)
    until(lambda: not any(worker.is_running for worker in told), 60, "the end of all that were told to stop")
    until(lambda: not Job.objects.exclude(status__in=ENDED_VALUES).exists(), 60, "the end of all jobs")
    # Also a job whose asker heard nothing counts.
    jobs = list(Job.objects.order_by("pk"))
    assert {job.pk for job in made} <= {job.pk for job in jobs}
    assert [(job.name, job.status, job.reason) for job in jobs if job.status != "finished"] == []
    expected = [f"{job.pk} 1 {step} {name}" for job in jobs for step in STEPS for name in OPERATIONS]
    assert sorted(lines(effects)) == sorted(expected)
    handed_over = sum("The worker was told to stop" in line for job in jobs for line in log_of(job))
    assert handed_over > 0
