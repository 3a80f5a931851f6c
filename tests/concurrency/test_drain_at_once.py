"""A worker is drained while it takes a job: whichever comes first, nothing begins there after the answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from jobs import runner, workers
from jobs.audit import Author
from jobs.models import AuditRecord, Job, WorkerDrain, WorkerSeen
from tests.factories import JobFactory
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

AUTHOR = Author("ana", "admin")


@pytest.fixture
def seen() -> None:
    now = timezone.now()
    WorkerSeen.objects.create(name="w@h", host="h", pid=1, queues=["jobs"], started_at=now, seen_at=now)


def _blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return bool(cursor.fetchone()[0])


def test_draining_waits_for_a_take_that_is_under_way(seen: None) -> None:
    JobFactory.at("PRE", "ready")
    holds, go_on = threading.Event(), threading.Event()

    def take_slowly() -> bool:
        try:
            with transaction.atomic():
                found = workers.may_take("w@h/7")
                holds.set()
                assert go_on.wait(20)
                return found
        finally:
            connections.close_all()

    def drain() -> bool:
        try:
            return workers.drain("w@h", AUTHOR, now=timezone.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        taking = pool.submit(take_slowly)
        assert holds.wait(20)
        draining = pool.submit(drain)
        until(_blocked, 20, "the drain to wait")
        assert not WorkerDrain.objects.exists()
        go_on.set()
        assert taking.result(20)
        assert draining.result(20)
    assert runner.take_due("w@h/7") is None


def test_a_take_waits_for_a_draining_that_is_under_way_and_takes_nothing(seen: None) -> None:
    job = JobFactory.at("PRE", "ready")

    def take() -> Job | None:
        try:
            return runner.take_due("w@h/7")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            workers.drain("w@h", AUTHOR, now=timezone.now())
            taking = pool.submit(take)
            until(_blocked, 20, "the take to wait")
        assert taking.result(20) is None
    job.refresh_from_db()
    assert (job.status, job.claim) == ("ready", None)


def test_two_who_drain_the_same_worker_leave_one_record(seen: None) -> None:
    barrier = threading.Barrier(2)

    def drain(_: int) -> bool:
        try:
            barrier.wait(20)
            return workers.drain("w@h", AUTHOR, now=timezone.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(drain, range(2))) == [False, True]
    assert list(AuditRecord.objects.values_list("action", "user", "comment")) == [
        ("drain_worker", "ana", "w@h")
    ]
