"""The runner in this process: defects, and what it writes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import daemon, runner, transitions
from jobs.log.reader import read_entries
from jobs.models import DaemonState, Job, StepRun
from rules.engine.call import Call
from rules.engine.registry import OperationType, registry
from tests.engine import job_of, rule, run_all, serve
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


def _boom(call: Call) -> object:
    raise ZeroDivisionError("nobody thought of this")


def _odd(call: Call) -> object:
    return {
        "text": "a\0b\ud800",
        "number": float("inf"),
        "object": object() if call.arguments == "object" else 1,
    }


@pytest.fixture(autouse=True)
def third_party(transactional_db: None, broker: str) -> Iterator[None]:
    """Operations as badly written as a third party's can be."""
    for key, execute in (("boom", _boom), ("odd", _odd)):
        registry.register(OperationType(key, {"type": "string"}, "For tests.", execute=execute))
    yield
    for key in ("boom", "odd"):
        del registry._types[key]


def test_a_defect_ends_the_job_in_error_with_the_traceback_in_its_log() -> None:
    request = serve(rule("defect", "RUN:\n  - boom: now\nPOST:\n  - log: 'after {{ outcome }}'"))
    run_all()
    job = job_of(request)
    assert (job.step, job.status) == ("END", "error")
    assert job.reason == "Internal error: ZeroDivisionError: nobody thought of this"
    text = [entry.text for entry in read_entries(job.pk).entries]
    assert "Traceback (most recent call last):" in text
    assert "after error" in text


def test_an_answer_that_the_database_cannot_hold_is_made_to_fit() -> None:
    request = serve(rule("odd-answer", "RUN:\n  - odd: x\n    save_as: answer\n  - log: done"))
    run_all()
    job = job_of(request)
    assert (job.status, job.reason) == ("finished", "")
    assert job.stash["results"]["answer"] == {
        "text": "a\u2400b\ufffd\ufffd\ufffd",
        "number": "inf",
        "object": 1,
    }


def test_an_answer_that_is_no_data_at_all_is_a_defect_and_the_job_does_not_stay_behind() -> None:
    request = serve(rule("no-data", "RUN:\n  - odd: object\n    save_as: answer"))
    run_all()
    job = job_of(request)
    assert (job.step, job.status, job.claim) == ("END", "error", None)
    assert job.reason.startswith("Internal error: TypeError")
    assert "answer" not in job.stash["results"]


def test_a_defect_in_check_is_told_at_once_and_there_is_no_job() -> None:
    request = serve(rule("bad-check", "CHECK:\n  - boom: now\nRUN:\n  - log: never"))
    assert request.state == "refused"
    assert request.refusal["errors"]["rule"][0].startswith("Internal error: ZeroDivisionError")
    assert not Job.objects.exists()


def test_urgent_jobs_are_taken_first_then_the_ones_due_longest() -> None:
    now = timezone.now()
    late = JobFactory.at("PRE", "ready", now=now - timedelta(minutes=1))
    early = JobFactory.at("PRE", "ready", now=now - timedelta(minutes=2))
    urgent = JobFactory.at("PRE", "ready", now=now, urgent=True)
    taken = [job.pk if (job := runner.take_due("test")) else None for _ in range(4)]
    assert taken == [urgent.pk, early.pk, late.pk, None]


def test_who_takes_a_handed_over_job_is_named(third_party: None) -> None:
    job = JobFactory.at("RUN", "running")
    Job.objects.filter(pk=job.pk).update(
        claim=None, claimed_by="", lease_expires_at=None, due_at=timezone.now()
    )
    taken = runner.take_due("the next")
    assert taken is not None
    runner.run(taken)
    assert "RUN runs on the next." in [entry.text for entry in read_entries(job.pk).entries]


def test_a_lease_is_counted_by_the_database_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    JobFactory.at("PRE", "ready")
    monkeypatch.setattr(runner, "now", lambda: timezone.now() - timedelta(hours=1))
    job = runner.take_due("a machine whose clock is slow")
    assert job is not None
    assert job.lease_expires_at is not None
    assert job.lease_expires_at > timezone.now()


def test_one_bad_job_does_not_stop_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    jobs = [JobFactory.at("RUN", "running") for _ in range(2)]
    Job.objects.update(lease_expires_at=now - timedelta(seconds=1))
    DaemonState.objects.create(pk=1, ticked_at=now, steady_since=now - timedelta(hours=1))
    lock = transitions.lock_if_free

    def spoil(job_id: int) -> Job | None:
        job = lock(job_id)
        if job is not None and job.pk == jobs[0].pk:
            job.attempt = 0  # refused by a constraint
        return job

    monkeypatch.setattr(transitions, "lock_if_free", spoil)
    assert daemon.tick()
    assert [Job.objects.get(pk=job.pk).status for job in jobs] == ["running", "abend"]


def test_a_job_that_cannot_begin_does_not_keep_the_others_from_running() -> None:
    stuck, other = JobFactory.at("PRE", "ready"), JobFactory.at("PRE", "ready")
    # What no job should have: a step of another attempt that never ended.
    StepRun.objects.create(job=stuck, attempt=9, step="PRE", started_at=timezone.now())
    taken = runner.take_due("test")
    assert taken is not None
    assert taken.pk == other.pk
    assert runner.take_due("test") is None
    stuck.refresh_from_db()
    assert (stuck.status, stuck.claim) == ("ready", None)
    assert [entry.level for entry in read_entries(stuck.pk).entries] == ["error"]
