"""A job for which nothing has to run first is made, and its asker answered, in one transaction."""

from __future__ import annotations

import threading
import uuid
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from jobs import at_once, creation, dispatch, making
from jobs.actions.create import _abandon, request_for
from jobs.audit import Actor
from jobs.log.reader import read_entries
from jobs.models import (
    AuditRecord,
    CreationRequest,
    Job,
    Notice,
    StepRun,
    Subscription,
    WorkerDrain,
    WorkerSeen,
)
from jobs.wishes import Wish
from tests.breaking import break_commit
from tests.engine import rule, setting
from tests.life import work
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

PLAIN = "PRE:\n  - log: x"
State = CreationRequest.State


def ask(steps: str = PLAIN, actor: Actor | None = None, **wish: Any) -> CreationRequest:
    actor = actor or setting()[1]
    slug = rule(f"rule-{uuid.uuid4().hex[:8]}", steps)
    request = request_for(Wish(slug, "DEV", **wish), actor, timezone.now(), uuid.uuid4())
    request.save(force_insert=True)
    return request


def test_it_is_as_if_init_had_run() -> None:
    request = ask(comment="now")
    assert at_once.serve(str(request.pk), "a@h/1")
    request.refresh_from_db()
    job = Job.objects.get()
    assert (request.state, request.job_id) == (State.DONE, job.pk)
    assert (job.step, job.status, job.attempt, job.claim) == ("PRE", "ready", 1, None)
    assert job.due_at is not None
    run = StepRun.objects.get()
    assert (run.step, run.result, run.finished_at is not None) == ("INIT", "completed", True)
    texts = [(entry.step, entry.text) for entry in read_entries(job.pk, limit=10).entries]
    assert texts == [("INIT", "INIT runs on a@h/1."), ("INIT", "INIT completed.")]
    record = AuditRecord.objects.get()
    assert (record.action, record.to_status, record.step, record.comment) == (
        "create",
        "running",
        "INIT",
        "now",
    )
    assert work(job).status == "finished"


def test_the_long_way_leads_to_the_same_job(monkeypatch: pytest.MonkeyPatch) -> None:
    _, actor = setting()
    first = ask(actor=actor)
    creation.serve(str(first.pk), "a@h/1")
    monkeypatch.setattr(at_once, "serve", lambda *_: False)
    second = ask(actor=actor)
    creation.serve(str(second.pk), "a@h/1")
    own = {"id", "name", "rule_id", "rule_version_id", "created_at", "scheduled_at", "max_start_at", "due_at"}
    short, long = (
        {k: v for k, v in job.items() if k not in own} for job in Job.objects.order_by("id").values()
    )
    assert short == long
    assert StepRun.objects.values("step", "result").distinct().count() == 1


@pytest.mark.parametrize("step", ["CHECK", "INIT"])
def test_what_has_something_to_run_first_takes_the_long_way(step: str) -> None:
    request = ask(f"{step}:\n  - log: x\n{PLAIN}")
    assert not at_once.serve(str(request.pk), "a@h/1")
    request.refresh_from_db()
    assert (request.state, Job.objects.count()) == (State.ASKED, 0)
    creation.serve(str(request.pk), "a@h/1")
    request.refresh_from_db()
    assert (request.state, Job.objects.count()) == (State.DONE, 1)


def test_two_hints_make_one_job() -> None:
    request = ask()
    assert at_once.serve(str(request.pk), "a@h/1")
    assert at_once.serve(str(request.pk), "b@h/1")
    assert Job.objects.count() == 1


def test_a_request_past_its_deadline_makes_no_job() -> None:
    request = ask()
    CreationRequest.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    creation.serve(str(request.pk), "a@h/1")
    assert not Job.objects.exists()


def test_whoever_lost_the_right_is_refused_by_the_long_way() -> None:
    request = ask()
    request.actor.is_active = False
    request.actor.save()
    creation.serve(str(request.pk), "a@h/1")
    request.refresh_from_db()
    assert (request.state, request.refusal["code"]) == (State.REFUSED, "authentication_failed")
    assert not Job.objects.exists()


class Paused:
    """A worker that stands still in the middle of its transaction."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, request: CreationRequest) -> None:
        self.goes_on = threading.Event()
        self.stands = threading.Event()
        number = making.number

        def paused(job: Job) -> Any:
            self.stands.set()
            assert self.goes_on.wait(20)
            return number(job)

        monkeypatch.setattr(at_once, "number", paused)
        self.thread = threading.Thread(target=self._work, args=(str(request.pk),))
        self.thread.start()
        assert self.stands.wait(20)

    @staticmethod
    def _work(request_id: str) -> None:
        try:
            assert at_once.serve(request_id, "a@h/1")
        finally:
            connections.close_all()


def test_an_asker_who_gives_up_meanwhile_gets_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    request = ask()
    worker = Paused(monkeypatch, request)
    given_up: list[bool] = []

    def give_up() -> None:
        try:
            given_up.append(_abandon(request))
        finally:
            connections.close_all()

    asker = threading.Thread(target=give_up)
    asker.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    until(lambda: _number(waits) == 1, 20, "the asker waits for the worker")
    worker.goes_on.set()
    worker.thread.join()
    asker.join()
    request.refresh_from_db()
    assert (given_up, request.state, Job.objects.count()) == ([False], State.DONE, 1)


def test_a_second_worker_leaves_it_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    request = ask()
    worker = Paused(monkeypatch, request)
    creation.serve(str(request.pk), "b@h/1")
    assert not Job.objects.exists()
    worker.goes_on.set()
    worker.thread.join()
    assert Job.objects.count() == 1


@pytest.mark.parametrize("made", [True, False])
def test_a_connection_that_breaks_at_the_commit_makes_one_job(
    monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    request = ask()
    break_commit(monkeypatch, made=made)
    creation.serve(str(request.pk), "a@h/1")
    request.refresh_from_db()
    assert (request.state, Job.objects.count()) == (State.DONE, 1)


def test_subscribers_hear_of_it_once() -> None:
    request = ask()
    Subscription.objects.create(name="all", events=["job_created"], users=[request.actor.username])
    assert at_once.serve(str(request.pk), "a@h/1")
    notice = Notice.objects.get()
    told = notice.payload["job"]
    assert (notice.event, notice.job_id, notice.actor) == ("job_created", told["id"], request.actor.username)
    assert (told["step"], told["status"]) == ("INIT", "running")


def _number(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def staff(name: str = "c@h", *, ago: float = 0) -> None:
    """Say that a worker that makes jobs was there some seconds ago."""
    moment = timezone.now() - timedelta(seconds=ago)
    seen = {"host": "h", "pid": 1, "queues": ["create"], "started_at": moment, "seen_at": moment}
    WorkerSeen.objects.create(name=name, **seen)


def wish(steps: str = PLAIN, **more: Any) -> Wish:
    return Wish(rule(f"rule-{uuid.uuid4().hex[:8]}", steps), "DEV", **more)


def create(wanted: Wish, actor: Actor) -> Job:
    return at_once.create_job(wanted, actor=actor, now=timezone.now())


def test_while_workers_are_there_the_asker_makes_it_and_asks_nobody() -> None:
    actor = setting()[1]
    staff()
    made = create(wish(comment="now"), actor)
    job = Job.objects.get()
    assert (made.pk, job.step, job.status, job.claim) == (job.pk, "PRE", "ready", None)
    assert not CreationRequest.objects.exists()
    texts = [(entry.step, entry.text) for entry in read_entries(job.pk, limit=10).entries]
    assert texts == [("INIT", "INIT has nothing to run."), ("INIT", "INIT completed.")]
    record, run = AuditRecord.objects.get(), StepRun.objects.get()
    assert (record.action, record.step, record.comment, record.source) == ("create", "INIT", "now", "api")
    assert (run.step, run.result, run.finished_at is not None) == ("INIT", "completed", True)
    assert work(job).status == "finished"


def test_the_asker_makes_the_same_job_as_a_worker() -> None:
    actor = setting()[1]
    staff()
    creation.serve(str(ask(actor=actor).pk), "a@h/1")
    create(wish(), actor)
    own = {"id", "name", "rule_id", "rule_version_id", "created_at", "scheduled_at", "max_start_at", "due_at"}
    there, here = (
        {k: v for k, v in job.items() if k not in own} for job in Job.objects.order_by("id").values()
    )
    assert there == here


@pytest.mark.parametrize("why", ["nobody", "silent", "drained", "check", "init"])
def test_otherwise_a_worker_is_asked(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = setting()[1]
    if why != "nobody":
        staff(ago=16 if why == "silent" else 0)
    if why == "drained":
        WorkerDrain.objects.create(name="c@h", requested_at=timezone.now())
    first = {"check": "CHECK:\n  - log: x\n", "init": "INIT:\n  - log: x\n"}.get(why, "")
    monkeypatch.setattr(at_once, "ask", lambda request: request.pk)
    assert isinstance(create(wish(first + PLAIN), actor), uuid.UUID)
    assert not Job.objects.exists()


def test_what_is_deleted_meanwhile_makes_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    actor = setting()[1]
    staff()
    monkeypatch.setattr(at_once, "ask", lambda request: None)
    number = making.numbered

    def late(*arguments: Any) -> Any:
        moment = number(*arguments)
        arguments[0].created_by_id = (
            2**40
        )  # as if the asker had been deleted: the key is looked at by the commit
        return moment

    monkeypatch.setattr(at_once, "numbered", late)
    assert create(wish(), actor) is None
    assert not Job.objects.exists()
    assert not AuditRecord.objects.exists()


@pytest.mark.parametrize("made", [True, False])
def test_an_asker_whose_connection_breaks_at_the_commit_gets_the_job_or_an_error(
    monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    actor = setting()[1]
    staff()
    wanted = wish()
    break_commit(monkeypatch, made=made)
    with nullcontext() if made else pytest.raises(OperationalError):
        assert create(wanted, actor).pk == Job.objects.get().pk
    assert (Job.objects.count(), CreationRequest.objects.count()) == (made, 0)


def test_a_hint_that_cannot_be_sent_makes_no_second_job(monkeypatch: pytest.MonkeyPatch) -> None:
    actor = setting()[1]
    staff()

    def broken(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(dispatch, "_send", broken)
    assert create(wish(), actor).pk == Job.objects.get().pk
    assert not CreationRequest.objects.exists()
