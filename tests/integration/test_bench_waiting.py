"""Jobs that wait for the bench: there for a block, left alone by the daemon, and gone behind it."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.suites.daemon import counted
from bench.waiting import PREFIX, waiting
from jobs import daemon
from jobs.models import Approval, Job, Semaphore, SemaphoreRequest, Trap
from tests.conftest import empty_broker
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


def statuses() -> Counter[str]:
    found = Job.objects.filter(name__startswith=PREFIX)
    return Counter(found.values_list("status", flat=True))


def test_a_tick_leaves_jobs_that_wait_alone_and_asks_no_more_for_them(broker: str) -> None:
    empty_broker()
    job = JobFactory.at("END", "finished")
    daemon.tick()
    with counted() as alone:
        daemon.tick()
    with waiting(20):
        before = statuses()
        assert before == {"ready": 9, "pending_approval": 4, "trapped": 4, "trap_paused": 3}
        assert Approval.objects.count() == 4
        assert Trap.objects.filter(deadline__isnull=False).count() == 4
        assert SemaphoreRequest.objects.filter(granted_at__isnull=True).count() == 1
        with counted() as beside:
            daemon.tick()
        assert len(beside) == len(alone)
        assert statuses() == before
    assert list(Job.objects.all()) == [job]
    assert not Semaphore.objects.exists()
