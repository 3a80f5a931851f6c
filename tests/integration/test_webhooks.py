"""Webhooks against real receivers: what they are sent, in which order, and what becomes of failures."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from clarive_monitor.supervisor.services import BASE_DIR
from jobs.actions import subscriptions
from jobs.lifecycle import Event
from jobs.models import Attempt, Delivery, Notice, NoticeServer
from jobs.notifications import due, webhooks
from jobs.notifications.events import NoticeEvent
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, UserFactory, happen
from tests.notices import SECRET, deliver, hurry, older, states, subscribe
from tests.receiver import Receiver, answers, closes, drips, hangs, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def allowed(settings: Settings) -> None:
    settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS = ["127.0.0.1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def ended(**fields: Any) -> Any:
    """A job that has run to its end; nobody is told by mail."""
    return JobFactory.at("END", "finished", created_by=UserFactory.create(email=""), **fields)


def test_a_job_is_told_from_its_steps_to_its_end_in_order(receiver: Receiver) -> None:
    subscribe(url=receiver.url)
    job = ended(name="N.PROD-00000001")
    deliver()
    told = [event for _, event in receiver.events]
    steps = ["step_started", "step_ended"]
    assert told == [*steps, *steps, *steps, "ended"]
    assert [each.json["step"] for each in receiver.received][:2] == [
        {"name": "PRE", "result": None},
        {"name": "PRE", "result": "completed"},
    ]
    last = receiver.received[-1]
    assert last.json["job"]["id"] == job.pk
    assert last.json["job"]["status"] == "finished"
    assert last.json["job"]["revisions"][0]["ref"] == "v1.0.0"
    # As of then: the first one shows the job as it was when PRE began.
    assert receiver.received[0].json["job"]["status"] == "running"
    assert last.headers["content-type"] == "application/json"
    assert last.headers["clarive-event"] == "ended"
    numbers = [int(each.headers["clarive-delivery"]) for each in receiver.received]
    assert numbers == sorted(set(numbers))
    ids = [each.json["id"] for each in receiver.received]
    assert ids == sorted(set(ids))


def test_nothing_is_written_when_nobody_wants_to_know() -> None:
    ended()
    assert not Notice.objects.exists()


def test_the_conditions_choose_what_is_told(receiver: Receiver) -> None:
    prod, qa = EnvironmentFactory.create(code="PROD"), EnvironmentFactory.create(code="QA")
    shop = ProjectFactory.create(code="shop")
    subscribe(
        url=receiver.url, events=["ended"], environments=["PROD"], projects=["shop"], statuses=["finished"]
    )
    wanted = ended(environment=prod, project=shop)
    ended(environment=qa, project=shop)
    ended(environment=prod)
    JobFactory.at("END", "error", environment=prod, project=shop, created_by=UserFactory.create(email=""))
    deliver()
    assert receiver.events == [(wanted.name, "ended")]


def test_a_signature_can_be_verified_as_the_documentation_says(receiver: Receiver) -> None:
    subscribe(url=receiver.url, events=["ended"])
    ended()
    deliver()
    (came,) = receiver.received
    verify = _documented()
    now = int(time.time())
    header = came.headers["clarive-signature"]
    assert verify(SECRET, header, came.body, now)
    assert not verify("another-secret-of-tests", header, came.body, now)
    assert not verify(SECRET, header, came.body + b" ", now)
    assert not verify(SECRET, header, came.body, now + 600)
    assert header.startswith(f"t={came.headers['clarive-timestamp']},v1=")
    signed = came.headers["clarive-timestamp"].encode() + b"." + came.body
    assert header.endswith(hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())


def _documented() -> Any:
    """Return the function that the documentation tells receivers to use, as it stands there."""
    text = Path(BASE_DIR, "docs", "notifications.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    return names["is_from_clarive"]


def test_for_a_day_after_a_change_both_secrets_sign(receiver: Receiver) -> None:
    subscription = subscribe(url=receiver.url, events=["ended"])
    written = subscriptions.rotate(subscription, now=timezone.now())
    assert written.secret is not None
    assert written.secret.startswith("whsec_")
    ended()
    deliver()
    verify, now = _documented(), int(time.time())
    header, body = receiver.received[0].headers["clarive-signature"], receiver.received[0].body
    assert header.count("v1=") == 2
    assert verify(written.secret, header, body, now)
    assert verify(SECRET, header, body, now)
    subscription.refresh_from_db()
    subscription.old_secret_until = timezone.now() - timedelta(seconds=1)
    subscription.save()
    ended()
    deliver()
    header, body = receiver.received[1].headers["clarive-signature"], receiver.received[1].body
    assert verify(written.secret, header, body, now)
    assert not verify(SECRET, header, body, now)


def test_the_next_one_of_a_job_waits_while_the_others_go_on() -> None:
    with receiving(answers(500, b"no room"), answers(200)) as receiver:
        subscription = subscribe(url=receiver.url, events=["step_started", "ended"])
        first, second = ended(name="first"), ended(name="second")
        deliver()
        # The first notice of the first job failed; what follows of that job waits, the other job's does not.
        assert receiver.events == [
            ("first", "step_started"),
            *[(second.name, "step_started")] * 3,
            ("second", "ended"),
        ]
        assert states(subscription).count(("step_started", "pending")) == 3
        failed = Attempt.objects.filter(delivery__notice__job_id=first.pk).get()
        assert (failed.response_status, failed.response_body) == (500, "no room")
        assert failed.error == "It answered 500 Internal Server Error."
        hurry()
        deliver()
        told = [event for name, event in receiver.events if name == "first"]
        assert told == ["step_started", "step_started", "step_started", "step_started", "ended"]
        again = [each for each in receiver.received if each.json["job"]["name"] == "first"][:2]
        assert again[0].headers["clarive-delivery"] == again[1].headers["clarive-delivery"]
        assert again[0].body == again[1].body
        assert set(states(subscription)) == {("step_started", "delivered"), ("ended", "delivered")}


def test_what_goes_wrong_is_noted_and_tried_again(settings: Settings) -> None:
    with receiving(closes, answers(302, Location="http://127.0.0.1:1/"), answers(204, b"")) as receiver:
        subscribe(url=receiver.url, events=["ended"])
        ended()
        for _ in range(3):
            hurry()
            deliver()
        (delivery,) = Delivery.objects.all()
        assert (delivery.state, delivery.tries, delivery.next_at) == ("delivered", 3, None)
        errors = [attempt.error for attempt in delivery.attempts.all()]
        assert errors[0].startswith("The connection failed")
        assert errors[1] == "It answered 302 Found; redirects are not followed."
        assert errors[2] == ""
        assert len(receiver.received) == 3


def test_pauses_grow_and_after_a_day_it_is_given_up(receiver: Receiver) -> None:
    receiver.script = [answers(503)]
    subscribe(url=receiver.url, events=["ended"])
    ended()
    pauses = []
    for _ in range(len(due.PAUSES) + 1):
        hurry()
        deliver()
        delivery = Delivery.objects.get()
        if delivery.next_at is not None:
            pauses.append(round((delivery.next_at - timezone.now()).total_seconds()))
    assert all(abs(pause - each.total_seconds()) <= 1 for pause, each in zip(pauses, due.PAUSES, strict=True))
    assert timedelta(hours=23) < sum(due.PAUSES, timedelta()) <= timedelta(hours=24)
    assert (delivery.state, delivery.tries) == ("failed", len(due.PAUSES) + 1)
    assert delivery.reason == "It answered 503 Service Unavailable."


@pytest.mark.parametrize("behaviour", [hangs, drips])
def test_a_receiver_has_so_much_time_and_no_more(behaviour: Any) -> None:
    with receiving(behaviour) as receiver:
        request = webhooks.Request(receiver.url, "ended", 1, b"{}", (SECRET,))
        begun = time.monotonic()
        answer = webhooks.send(request, seconds=0.5)
        assert 0.4 < time.monotonic() - begun < 2
        assert answer.error == "It did not answer within 0.5 s."


def test_one_that_hangs_holds_up_no_other_and_is_left_alone(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 2.0
    send = webhooks.send
    monkeypatch.setattr(webhooks, "send", lambda request: send(request, seconds=seconds))
    with receiving(hangs) as dead:
        ill = subscribe("ill", url=dead.url)
        subscribe("well", url=receiver.url)
        arrived: list[float] = []
        receiver.script = [_noting(arrived)]
        jobs = [ended() for _ in range(6)]
        begun = time.monotonic()
        deliver()
        assert len(receiver.received) == 7 * len(jobs)
        # All that the living one was sent came while the dead one had its time.
        assert max(arrived) - begun < seconds
        assert len(dead.received) <= due.AT_ONCE
        server = NoticeServer.objects.get()
        assert server.name == f"subscription:{ill.pk}"
        assert server.rests_until is not None
        before = len(dead.received)
        begun = time.monotonic()
        deliver()
        assert time.monotonic() - begun < 1
        assert len(dead.received) == before


def _noting(arrived: list[float]) -> Any:
    plain = answers(200)

    def act(handler: Any, receiver: Receiver) -> None:
        arrived.append(time.monotonic())
        plain(handler, receiver)

    return act


def test_a_delivery_can_be_sent_again_with_its_number(receiver: Receiver) -> None:
    subscription = subscribe(url=receiver.url, events=["ended"])
    ended()
    deliver()
    delivery = Delivery.objects.get()
    subscriptions.resend(delivery, now=timezone.now())
    deliver()
    first, second = receiver.received
    assert first.headers["clarive-delivery"] == second.headers["clarive-delivery"] == str(delivery.pk)
    assert first.body == second.body
    assert delivery.attempts.count() == 2
    assert states(subscription) == [("ended", "delivered")]


def test_one_that_is_still_to_come_keeps_its_place_when_it_is_sent_again(receiver: Receiver) -> None:
    receiver.script = [answers(500), answers(200)]
    subscribe(url=receiver.url, events=["step_started", "approved"])
    job = JobFactory.at("PRE", "pending_approval", created_by=UserFactory.create(email=""))
    happen(job, Event.APPROVE, now=timezone.now() + timedelta(seconds=1))
    deliver()
    first, second = Delivery.objects.order_by("id")
    subscriptions.resend(second, now=timezone.now())
    deliver()
    assert [event for _, event in receiver.events] == ["step_started"]
    subscriptions.resend(first, now=timezone.now())
    deliver()
    assert [event for _, event in receiver.events] == ["step_started", "step_started", "approved"]
    first.refresh_from_db()
    assert (first.state, first.tries) == ("delivered", 2)


def test_a_subscription_that_is_switched_off_gets_nothing_more(receiver: Receiver) -> None:
    receiver.script = [answers(500)]
    subscription = subscribe(url=receiver.url, events=["ended"])
    ended()
    deliver()
    subscription.enabled = False
    subscription.save()
    hurry()
    ended()
    deliver()
    assert states(subscription) == [("ended", "dropped")]
    assert len(receiver.received) == 1


def test_a_test_reaches_all_its_receivers(receiver: Receiver) -> None:
    subscription = subscribe(url=receiver.url, events=["ended"], enabled=False)
    subscriptions.test(subscription, now=timezone.now())
    deliver()
    (came,) = receiver.received
    assert (came.headers["clarive-event"], came.json["job"]) == ("ping", None)


def test_a_step_that_goes_on_after_a_wait_has_not_begun_again(receiver: Receiver) -> None:
    subscribe(url=receiver.url, events=["step_started", "approved"])
    job = JobFactory.at("PRE", "pending_approval", created_by=UserFactory.create(email=""))
    job = happen(job, Event.APPROVE, now=timezone.now() + timedelta(seconds=1))
    happen(job, Event.START, now=timezone.now() + timedelta(seconds=2))
    deliver()
    assert [event for _, event in receiver.events] == ["step_started", "approved"]


def test_old_notices_are_forgotten_with_what_became_of_them(receiver: Receiver) -> None:
    subscribe(url=receiver.url, events=["ended"])
    ended(), ended()
    deliver()
    old, young = Delivery.objects.order_by("id")
    older(old, due.KEPT + timedelta(hours=1))
    due.forget(timezone.now())
    assert list(Delivery.objects.all()) == [young]
    assert Notice.objects.count() == Attempt.objects.count() == 1


def test_the_events_are_those_of_the_contract() -> None:
    assert [event.value for event in NoticeEvent] == [
        "job_created", "step_started", "step_ended", "approval_requested", "approved", "rejected", "trapped",
        "trap_answered", "cancelled", "expired", "abend", "ended",
    ]  # fmt: skip
