"""Several workers that deliver at once: each delivery is sent once, and in its order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections
from pytest_django import Settings

from jobs.models import Delivery
from jobs.notifications import due, fanout, service
from jobs.notifications.webhooks import Answer
from tests.factories import JobFactory, UserFactory
from tests.notices import subscribe
from tests.receiver import Receiver, answers, receiving

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 4
JOBS = 3


@pytest.fixture
def receiver(settings: Settings, broker: str) -> Iterator[Receiver]:
    settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS = ["127.0.0.1"]
    with receiving(answers(200)) as found:
        yield found


def at_once(work: Callable[[], object]) -> None:
    """Let several threads do the same, each on its own connection."""
    barrier = threading.Barrier(WORKERS)

    def run() -> None:
        try:
            barrier.wait(10)
            work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def prepare(receiver: Receiver) -> None:
    subscribe(url=receiver.url)
    creator = UserFactory.create(email="")
    for number in range(JOBS):
        JobFactory.at("END", "finished", name=f"job-{number}", created_by=creator)


def until_nothing_is_left() -> None:
    service.serve()
    while Delivery.objects.filter(state="pending").exists():
        service.serve()


def test_each_delivery_is_sent_once_and_in_its_order(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "AT_ONCE", 8)
    prepare(receiver)
    at_once(until_nothing_is_left)
    numbers = [int(each.headers["clarive-delivery"]) for each in receiver.received]
    assert len(numbers) == len(set(numbers)) == 7 * JOBS
    assert set(Delivery.objects.values_list("state", "tries")) == {("delivered", 1)}
    for number in range(JOBS):
        ids = [each.json["id"] for each in receiver.received if each.json["job"]["name"] == f"job-{number}"]
        assert ids == sorted(ids)


def test_without_the_lock_some_would_be_sent_twice(receiver: Receiver) -> None:
    """The control: who looks first and takes afterwards takes what others take."""
    prepare(receiver)
    while fanout.fan_out(service._now()):
        pass
    taken: list[int] = []
    barrier = threading.Barrier(WORKERS)

    def take() -> None:
        found = Delivery.objects.filter(next_at__isnull=False).order_by("id").values_list("pk", flat=True)
        first = next(iter(found))
        barrier.wait(10)
        Delivery.objects.filter(pk=first).update(claim=None)
        taken.append(first)

    at_once(take)
    assert Counter(taken).most_common(1)[0][1] == WORKERS


def test_whoever_lost_a_delivery_writes_nothing_more(receiver: Receiver) -> None:
    prepare(receiver)
    fanout.fan_out(service._now())
    slow = due.take()
    assert slow is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_delivery SET next_at = next_at - interval '1 hour' WHERE id = %s", [slow.pk]
        )
    quick = due.take()
    assert quick is not None
    assert quick.pk == slow.pk
    answer = Answer("")
    assert not due.settle(slow, answer, service._now(), service._now())
    assert due.settle(quick, answer, service._now(), service._now())
    assert Delivery.objects.get(pk=slow.pk).attempts.count() == 1
