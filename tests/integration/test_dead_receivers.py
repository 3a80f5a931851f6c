"""A dead receiver slows neither jobs nor other receivers: with a real worker that delivers, and real jobs meanwhile."""

from __future__ import annotations

import statistics

import pytest
from django.utils import timezone

from jobs.models import Delivery, Job, Subscription
from jobs.notifications import webhooks
from tests.conftest import Workers
from tests.engine import create, ended, rule, setting
from tests.notices import subscribe
from tests.receiver import Receiver, answers, hangs, receiving
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers]

JOBS = 5
OF_A_JOB = ["job_created", *["step_started", "step_ended"] * 3, "ended"]


def test_jobs_and_others_notice_nothing_of_one_that_hangs(workers: Workers) -> None:
    workers.start_together(
        [(("jobs",), 1), (("create", "daemon"), 1), (("notify",), 1)],
        environment={"CLARIVE_WEBHOOK_PRIVATE_TARGETS": "127.0.0.1"},
    )
    _, actor = setting()
    rule("quick", "PRE:\n  - log: built\nRUN:\n  - log: deployed\nPOST:\n  - log: told")

    def run() -> list[Job]:
        return [ended(create("quick", actor)) for _ in range(JOBS)]

    before = [_seconds(job) for job in run()]
    # The quick one has no room once: what follows of that job waits for it.
    with receiving(hangs) as dead, receiving(answers(200), answers(500), answers(200)) as well:
        subscribe("ill", url=dead.url)
        told = subscribe("well", url=well.url)
        jobs = run()
        meanwhile = [_seconds(job) for job in jobs]
        until(lambda: _soon(told) and _over(well) >= {job.pk for job in jobs}, 60, "all for the quick one")
        assert dead.received
        assert len(dead.received) < JOBS
    # One that waited for the dead one only once would take longer than that is given.
    assert max(meanwhile) < webhooks.MOST_SECONDS
    assert statistics.median(meanwhile) < 3 * statistics.median(before) + 2
    for job in jobs:
        _in_order(well, job)


def _soon(to: Subscription) -> bool:
    """Let no pause after a failure last; what the worker has taken meanwhile is left to it."""
    now = timezone.now()
    Delivery.objects.filter(subscription=to.pk, tries=1, claim=None, next_at__gt=now).update(next_at=now)
    return True


def _over(receiver: Receiver) -> set[int]:
    """Return the jobs of whose end it was told, which comes last."""
    return {each.json["job"]["id"] for each in list(receiver.received) if each.json["event"] == "ended"}


def _seconds(job: Job) -> float:
    assert job.finished_at is not None
    assert job.status == "finished"
    return (job.finished_at - job.created_at).total_seconds()


def _in_order(receiver: Receiver, job: Job) -> None:
    came = [each for each in receiver.received if each.json["job"]["id"] == job.pk]
    numbers = [int(each.headers["clarive-delivery"]) for each in came]
    assert numbers == sorted(numbers)
    told = {number: each.json["event"] for number, each in zip(numbers, came, strict=True)}
    assert list(told.values()) == OF_A_JOB
