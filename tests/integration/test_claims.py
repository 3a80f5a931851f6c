"""A runner that lost its claim writes nothing more."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from jobs import fleet, runner, transitions
from jobs.exceptions import StaleClaim, TransitionNotAllowed
from jobs.execution import checkpoints, last_words
from jobs.execution.database import retrying
from jobs.execution.leases import LeaseKeeper
from jobs.lifecycle import Event, Step
from jobs.log.reader import read_entries
from jobs.models import Job, LogChunk, OperationRun, StepRun
from jobs.transitions import Change
from rules.engine.outcomes import Record, RecordStatus
from rules.tree import Position, RuleNode
from tests.factories import JobFactory, happen
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

NODE = RuleNode("log", "x", Position(1, 1))


def rows(path: str = "RUN/0") -> list[dict[str, object]]:
    return [checkpoints.row(path, NODE, "", Record(RecordStatus.COMPLETED, value="a\0b"))]


def claim_of(job: Job) -> uuid.UUID:
    assert job.claim is not None
    return job.claim


def test_a_checkpoint_is_written_under_its_claim() -> None:
    job = JobFactory.at("RUN", "running")
    me = checkpoints.Runner(job.pk, claim_of(job), 1, "RUN")
    checkpoints.write(me, rows(), done=2, percent=40)
    checkpoints.write(me, rows(), done=1, percent=10)
    job.refresh_from_db()
    assert (job.operations_done, job.percent) == (2, 40)
    assert OperationRun.objects.get().value == "a\u2400b"
    assert checkpoints.load(me)["RUN/0"].status is RecordStatus.COMPLETED


def test_a_checkpoint_under_a_lost_claim_writes_nothing() -> None:
    job = JobFactory.at("RUN", "running")
    with pytest.raises(StaleClaim):
        checkpoints.write(checkpoints.Runner(job.pk, uuid.uuid4(), 1, "RUN"), rows(), done=5, percent=50)
    job.refresh_from_db()
    assert (job.operations_done, job.percent) == (0, 0)
    assert not OperationRun.objects.exists()


def test_a_cancelled_job_s_runner_writes_neither_status_nor_result_and_has_last_words() -> None:
    job = JobFactory.at("RUN", "running")
    happen(job, Event.CANCEL)
    runner.run(job)
    job.refresh_from_db()
    assert (job.step, job.status) == ("RUN", "cancelled")
    assert not OperationRun.objects.exists()
    (said,) = read_entries(job.pk).entries
    assert said.text == "Nothing of the job runs on test any more."
    assert StepRun.objects.get(job=job, step="RUN").result == "stopped"


def test_the_next_attempt_waits_until_the_cancelled_one_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    job = JobFactory.at("RUN", "running")
    happen(job, Event.CANCEL)
    late = Job.objects.get(pk=job.pk)
    assert late.cancelled_claim == job.claim
    keeper = LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=15))
    looks = iter(range(3))

    def say_at_the_third_look(_seconds: float) -> bool:
        if next(looks) == 2:
            last_words.say(checkpoints.Runner(job.pk, claim_of(job), 1, "RUN"), "test", [])
        return False

    monkeypatch.setattr(keeper, "wait_lost", say_at_the_third_look)
    last_words.wait_for(late, keeper)
    assert next(looks, None) is None
    assert Job.objects.get(pk=job.pk).cancelled_claim is None


def test_a_second_cancel_forgets_no_runner_that_is_still_ending_its_processes() -> None:
    job = JobFactory.at("RUN", "running")
    happen(job, Event.CANCEL)
    with transaction.atomic():
        transitions.apply(transitions.lock(job.pk), Change(Event.RERUN, timezone.now(), asked_step=Step.RUN))
    happen(job, Event.CANCEL)
    assert Job.objects.get(pk=job.pk).cancelled_claim == claim_of(job)


def test_processes_of_a_cancelled_job_are_its_runner_s_to_end_also_when_it_was_started_again() -> None:
    job = JobFactory.at("RUN", "running")
    claim = claim_of(job)
    happen(job, Event.CANCEL)
    with transaction.atomic():
        transitions.apply(transitions.lock(job.pk), Change(Event.RERUN, timezone.now(), asked_step=Step.RUN))
    assert fleet._claim_stands(str(claim))
    Job.objects.filter(pk=job.pk).update(cancelled_claim=None)
    assert not fleet._claim_stands(str(claim))


def test_nobody_waits_for_ever_for_a_runner_that_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_words, "LONGEST_SECONDS", 0.0)
    job = JobFactory.at("RUN", "running")
    happen(job, Event.CANCEL)
    keeper = LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=15))
    last_words.wait_for(Job.objects.get(pk=job.pk), keeper)
    assert Job.objects.get(pk=job.pk).cancelled_claim is None


def test_a_runner_that_lost_its_claim_otherwise_is_silent() -> None:
    job = JobFactory.at("RUN", "running")
    happen(job, Event.ABANDON)
    runner.run(job)
    assert Job.objects.get(pk=job.pk).status == "abend"
    assert not OperationRun.objects.exists()
    assert not LogChunk.objects.exists()


def test_the_keeper_renews_and_notices_that_the_claim_is_gone() -> None:
    job = JobFactory.at("RUN", "running")
    before = job.lease_expires_at
    with LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=1)) as keeper:
        until(lambda: Job.objects.get(pk=job.pk).lease_expires_at != before, 5, "a renewed lease")
        assert not keeper.lost
        happen(job, Event.CANCEL)
        assert keeper.wait_lost(5)


def test_a_keeper_that_was_not_heard_renews_as_soon_as_it_is_heard_again() -> None:
    job = JobFactory.at("RUN", "running")
    before = job.lease_expires_at

    def end_session_of_keeper() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'SELECT 1 FROM jobs_job WHERE%'"
            )
            return cursor.fetchone() is not None

    with LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=60)) as keeper:
        until(end_session_of_keeper, 10, "the first look of the keeper")
        until(lambda: Job.objects.get(pk=job.pk).lease_expires_at != before, 10, "a renewed lease")
        assert not keeper.lost


def test_a_job_is_given_back_only_by_its_own_claim() -> None:
    job = JobFactory.at("RUN", "running")
    with pytest.raises(StaleClaim), transaction.atomic():
        transitions.lock_claimed(job.pk, uuid.uuid4())


def test_a_write_is_tried_again_when_the_connection_breaks() -> None:
    job = JobFactory.at("RUN", "running")
    calls: list[int] = []

    def write() -> str:
        calls.append(1)
        with connection.cursor() as cursor:
            if len(calls) == 1:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT 1")
        return "written"

    with LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=30)) as keeper:
        assert retrying(write, keeper) == "written"
    assert len(calls) == 2


def test_a_lost_claim_ends_the_waiting_for_the_database() -> None:
    job = JobFactory.at("RUN", "running")

    def write() -> None:
        raise OperationalError("away")

    with LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=30)) as keeper:
        keeper.mark_lost()
        with pytest.raises(OperationalError):
            retrying(write, keeper)


def test_a_refused_event_changes_nothing_and_names_the_job() -> None:
    job = JobFactory.at("RUN", "ready")
    with pytest.raises(TransitionNotAllowed, match=job.name), transaction.atomic():
        transitions.apply(transitions.lock(job.pk), Change(Event.APPROVE, timezone.now()))
    fresh = Job.objects.get(pk=job.pk)
    assert (fresh.step, fresh.status, fresh.due_at) == (job.step, job.status, job.due_at)


def test_where_no_thread_is_to_be_had_a_claim_counts_as_lost_after_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = JobFactory.at("RUN", "running")
    real = threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name.startswith("lease of job"):
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with LeaseKeeper(job.pk, claim_of(job), timedelta(seconds=0.6)) as keeper:
        assert not keeper.wait_lost(0.4)
        assert keeper.wait_lost(5)
