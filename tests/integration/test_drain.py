"""A drained worker takes no new work: no job, no request; others do, and it does again when it is let."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs import creation, fleet, runner, workers
from jobs.actions.lookup import make_plan
from jobs.audit import Author
from jobs.blockers import blockers
from jobs.exceptions import UnknownWorker
from jobs.execution import draining
from jobs.models import AuditRecord, CreationRequest, DaemonState, WorkerDrain, WorkerSeen
from jobs.wishes import Wish
from tests.engine import rule, setting
from tests.factories import JobFactory

# Looking at the drain closes the connections of its thread.
pytestmark = pytest.mark.django_db(transaction=True)

AUTHOR = Author("ana", "admin", "10.0.0.1")


def seen(name: str, now: datetime | None = None, queues: tuple[str, ...] = ("jobs",)) -> None:
    now = now or timezone.now()
    WorkerSeen.objects.create(name=name, host="h", pid=1, queues=list(queues), started_at=now, seen_at=now)


def test_a_drained_worker_takes_no_job_and_others_do() -> None:
    seen("a@h")
    job = JobFactory.at("PRE", "ready")
    assert workers.drain("a@h", AUTHOR, now=timezone.now())
    assert not workers.drain("a@h", AUTHOR, now=timezone.now())
    assert runner.take_due("a@h/11") is None
    taken = runner.take_due("a@h2/11")
    assert taken is not None
    assert taken.pk == job.pk


def test_it_takes_work_again_when_it_is_let_and_both_are_in_the_audit() -> None:
    seen("a@h")
    JobFactory.at("PRE", "ready")
    workers.drain("a@h", AUTHOR, now=timezone.now())
    assert workers.resume("a@h", AUTHOR, now=timezone.now())
    assert not workers.resume("a@h", AUTHOR, now=timezone.now())
    assert runner.take_due("a@h/11") is not None
    records = AuditRecord.objects.order_by("id").values_list("action", "user", "source", "address", "comment")
    assert list(records) == [
        ("drain_worker", "ana", "admin", "10.0.0.1", "a@h"),
        ("resume_worker", "ana", "admin", "10.0.0.1", "a@h"),
    ]


def test_only_a_worker_that_was_seen_is_drained() -> None:
    with pytest.raises(UnknownWorker):
        workers.drain("typo@h", AUTHOR, now=timezone.now())
    assert not WorkerDrain.objects.exists()


def test_a_drained_worker_leaves_requests_to_others() -> None:
    _, actor = setting()
    slug = rule("quick", "PRE:\n  - log: x")
    now = timezone.now()
    request = CreationRequest.objects.create(
        wish=make_plan(Wish(rule=slug, environment="DEV"), actor, now).to_data(),
        actor=actor.user, source="api", created_at=now, deadline=now + timedelta(seconds=10),
    )  # fmt: skip
    seen("a@h")
    workers.drain("a@h", AUTHOR, now=now)
    creation.serve(str(request.pk), "a@h/1")
    request.refresh_from_db()
    assert request.state == "asked"
    creation.serve(str(request.pk), "b@h/1")
    request.refresh_from_db()
    assert request.state == "done"


def test_when_all_are_drained_waiting_jobs_and_readiness_say_so(client: Client, broker: str) -> None:
    now = timezone.now()
    DaemonState.objects.create(pk=1, ticked_at=now, steady_since=now)
    seen("a@h", now)
    seen("b@h", now)
    seen("gone@h", now - timedelta(hours=1))
    seen("create@h", now, queues=("create",))
    job = JobFactory.at("PRE", "ready", now=now - timedelta(minutes=1))
    workers.drain("a@h", AUTHOR, now=now)
    assert [blocker.detail for blocker in blockers(job, now)] == ["Waits for a free worker."]
    assert client.get("/readyz").status_code == 200
    workers.drain("b@h", AUTHOR, now=now)
    (found,) = blockers(job, now)
    said = "All workers are drained: none takes new work."
    assert (found.kind, found.detail, found.since) == ("worker", said, now)
    answer = client.get("/readyz")
    assert (answer.status_code, json.loads(answer.content)["checks"]["worker"]) == (
        503,
        {"ok": False, "detail": said},
    )


class Consumer:
    """What the worker tells Celery's consumer."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def call_soon(self, told: Any, *arguments: Any) -> None:
        """Do it at once."""
        told(*arguments)

    def cancel_task_queue(self, queue: str) -> None:
        """Note it."""
        self.told.append(("leave", queue))

    def add_task_queue(self, queue: str) -> None:
        """Fail as when the broker is away."""
        raise OSError


def test_the_pool_is_told_and_the_tick_goes_on() -> None:
    consumer = Consumer()
    worker = {"name": "a@h", "queues": ["create", "daemon"]}
    draining.reset()
    fleet._drain(worker, consumer, True)
    assert draining.is_draining()
    assert consumer.told == [("leave", "create")]
    fleet._drain(worker, consumer, False)
    assert not draining.is_draining()
    draining.begin()
    draining.set_drained(False)
    assert draining.is_draining(), "letting a worker work again does not undo that it was told to stop"
    draining.reset()


def test_a_worker_that_is_started_again_under_its_name_is_still_drained() -> None:
    seen("a@h")
    workers.drain("a@h", AUTHOR, now=timezone.now())
    WorkerSeen.objects.all().delete()  # it stopped in order
    consumer = Consumer()
    draining.reset()
    fleet._over.set()
    try:
        fleet._live({"name": "a@h", "queues": ["jobs"]}, consumer)
    finally:
        fleet._over.clear()
    assert draining.is_draining()
    draining.reset()
    assert consumer.told == [("leave", "jobs")]
    assert WorkerSeen.objects.get().name == "a@h"
    JobFactory.at("PRE", "ready")
    assert runner.take_due("a@h/12") is None
