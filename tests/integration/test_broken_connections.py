"""A connection to the database that breaks at the worst moment costs no job anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs import creation, runner
from jobs.actions.lookup import make_plan
from jobs.execution import naming
from jobs.log.reader import read_entries
from jobs.models import CreationRequest, Job, OperationRun
from jobs.wishes import Wish
from tests.breaking import break_commit
from tests.engine import rule, setting
from tests.factories import JobFactory
from tests.life import Cast, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def end_session() -> None:
    """End this thread's session as a server that goes away does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("made", [True, False])
def test_a_job_whose_claim_was_committed_before_the_connection_broke_is_run(
    monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    job = JobFactory.at("RUN", "ready")
    break_commit(monkeypatch, made=made)
    taken = runner.take_due("test")
    job.refresh_from_db()
    if made:
        assert taken is not None
        assert (taken.pk, taken.claim, job.status) == (job.pk, job.claim, "running")
        runner.run(taken)
    else:
        assert (taken, job.claim, job.status) == (None, None, "ready")
    assert work(job).status == "finished"


@pytest.mark.parametrize("made", [True, False])
def test_a_step_keeps_what_is_recorded_of_it_when_the_connection_breaks_at_its_end(
    monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    job = Cast().job("RUN:\n  - log: one\n  - log: two")
    while (taken := runner.take_due("test")) is not None:
        break_commit(monkeypatch, made=made, now=OperationRun.objects.filter(job=job).exists)
        runner.run(taken)
    job.refresh_from_db()
    assert (job.status, job.operations_done, job.percent) == ("finished", 2, 100)
    assert OperationRun.objects.filter(job=job, status="completed").count() == 2
    texts = [entry.text for entry in read_entries(job.pk, limit=50).entries]
    assert [texts.count(text) for text in ("one", "two", "RUN completed.")] == [1, 1, 1]


def test_a_session_that_ends_while_a_step_is_prepared_is_no_defect_of_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = JobFactory.at("RUN", "ready")
    facts_of = naming.facts_of

    def once(*arguments: Any) -> naming.JobFacts:
        monkeypatch.undo()
        end_session()
        return facts_of(*arguments)

    monkeypatch.setattr(naming, "facts_of", once)
    assert work(job).status == "finished"


def ask(slug: str) -> CreationRequest:
    """Ask for a job as the web process does."""
    _, actor = setting()
    now = timezone.now()
    plan: Any = make_plan(Wish(rule=slug, environment="DEV"), actor, now).to_data()
    return CreationRequest.objects.create(
        wish=plan, actor=actor.user, source="api", created_at=now, deadline=now + timedelta(seconds=10)
    )


def test_a_job_that_was_committed_before_the_connection_broke_gets_its_init(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = ask(rule("made", "INIT:\n  - set: {answer: 42}\nRUN:\n  - log: x"))
    break_commit(monkeypatch, made=True, now=Job.objects.exists)
    creation.serve(str(request.pk), "test")
    request.refresh_from_db()
    assert request.state == "done"
    job = Job.objects.get()
    assert (job.step, job.status, job.stash["variables"]) == ("PRE", "ready", {"answer": 42})


def test_a_request_that_lost_the_database_is_nobody_s_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    request = ask(rule("not-made", "CHECK:\n  - log: x\nRUN:\n  - log: x"))
    break_commit(monkeypatch, made=False, now=Job.objects.exists)
    creation.serve(str(request.pk), "test")
    request.refresh_from_db()
    assert (request.state, request.refusal) == ("checking", {})
    assert not Job.objects.exists()
