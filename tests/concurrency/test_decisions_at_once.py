"""Two decide about one job at the same moment: one of them wins, the other is told why not.

Each race has a control, which is the same race with reads that lock nothing: there nobody is told why not. Both
win, or the second one runs into a constraint or a deadlock, which is the net below the lock and no answer for people.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import close_old_connections, connection, transaction
from django.db.models import DateTimeField, Func, Value
from django.utils import timezone

from jobs import daemon, locking, runner, transitions
from jobs.exceptions import JobError, StaleClaim, TransitionNotAllowed
from jobs.execution.leases import LeaseKeeper
from jobs.lifecycle import Event
from jobs.log.writer import LogWriter
from jobs.models import AuditRecord, DaemonState, Job, OperationRun, StepRun
from jobs.transitions import Change
from tests.factories import happen
from tests.life import Cast, fresh, pass_time, state, work

pytestmark = pytest.mark.django_db(transaction=True)

Deed = Callable[[], object]

APPROVAL: Final = 'PRE:\n  - approval: {approvers: ["group:qa"]}'
TRAP: Final = "PRE:\n  - group: [{fail: no}]\n    on_error: trap\n    trap: {timeout: 1h}"
ROUNDS: Final = 4
MOST_CONTROLS: Final = 20


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


def race(*deeds: Deed) -> list[Exception | None]:
    """Do everything at the same moment, each in a thread with a connection of its own; return what became of each."""
    barrier = threading.Barrier(len(deeds))

    def one(deed: Deed) -> Exception | None:
        close_old_connections()
        try:
            barrier.wait(timeout=20)
            deed()
        except Exception as error:  # every caller says which ones it allows
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(one, deeds))


@contextmanager
def unlocked(monkeypatch: pytest.MonkeyPatch, readers: int = 2) -> Iterator[None]:
    """Let every reader read before any of them writes, and lock nothing."""
    barrier = threading.Barrier(readers)

    def read(job_id: int, claim: UUID | None = None) -> Job:
        known: dict[str, Any] = {
            "clock": Func(function="clock_timestamp", output_field=DateTimeField()),
            "asks_slots": Value(False),
        }
        job = Job.objects.select_related("environment", "created_by").annotate(**known).get(pk=job_id)
        barrier.wait(timeout=20)
        return job

    with monkeypatch.context() as patched:
        for name in ("lock", "lock_claimed", "lock_if_free"):
            patched.setattr(transitions, name, read)
        patched.setattr(locking, "lock_due", lambda: read(Job.objects.get(due_at__lte=timezone.now()).pk))
        yield


def one_wins(make: Callable[[], Job], *deeds: Callable[[Job], object]) -> set[int]:
    """Run the race some times; exactly one must win each. Return which ones did."""
    winners = set()
    for _ in range(ROUNDS):
        job = make()
        refused = race(*(partial(deed, job) for deed in deeds))
        won = [index for index, error in enumerate(refused) if error is None]
        assert len(won) == 1, refused
        assert all(
            isinstance(error, TransitionNotAllowed | StaleClaim) for error in refused if error is not None
        )
        winners.add(won[0])
    return winners


def nobody_is_told(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Job], *deeds: Callable[[Job], object]
) -> None:
    """Run the race without locks until nobody hears that the other one was first.

    Both read the job before either writes, but one may be done before the other looks at what the job waits for:
    such a round shows nothing, and another one is run.
    """
    seen = []
    for _ in range(MOST_CONTROLS):
        job = make()
        with unlocked(monkeypatch):
            found = race(*(partial(deed, job) for deed in deeds))
        assert not any(isinstance(error, threading.BrokenBarrierError) for error in found), found
        if not any(isinstance(error, JobError) for error in found):
            return
        seen.append(found)
    pytest.fail(f"with reads that lock nothing somebody was told every time: {seen}")


def test_two_approvers(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Job:
        return work(cast.job(APPROVAL))

    deeds = [partial(cast.do, name=who, key="approve") for who in ("qa1", "qa2")]
    for who in ("qa1", "qa2"):
        assert cast[who]
    one_wins(make, *deeds)
    nobody_is_told(monkeypatch, make, *deeds)


def test_two_signatures_that_are_both_needed_both_count(cast: Cast) -> None:
    for who in ("qa1", "qa2"):
        assert cast[who]
    for _ in range(ROUNDS):
        job = work(cast.job(APPROVAL.replace("]}", "], min: 2}")))
        refused = race(
            partial(cast.do, job, "qa1", "approve"),
            partial(cast.do, job, "qa2", "approve"),
        )
        assert refused == [None, None]
        assert state(job) == ("PRE", "ready")


def test_approve_against_reject(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("qa1", "qa2"):
        assert cast[who]

    def make() -> Job:
        return work(cast.job(APPROVAL))

    def approve(job: Job) -> object:
        return cast.do(job, "qa1", "approve")

    def reject(job: Job) -> object:
        return cast.do(job, "qa2", "reject", comment="no")

    one_wins(make, approve, reject)
    nobody_is_told(monkeypatch, make, approve, reject)


def running(cast: Cast) -> Job:
    return happen(cast.job("PRE:\n  - log: x"), Event.START)


def finish(job: Job) -> None:
    """Let the job's runner say that its step is over."""
    assert job.claim is not None
    with transaction.atomic():
        locked = transitions.lock_claimed(job.pk, job.claim)
        transitions.apply(locked, Change(Event.STEP_OK, timezone.now()))


def test_cancel_against_finish(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cast["op"]

    def cancel(job: Job) -> object:
        return cast.do(job, "op", "cancel")

    for _ in range(ROUNDS):
        job = running(cast)
        cancelled, finished = race(partial(cancel, job), partial(finish, job))
        # Whoever was first, the cancel is never lost: a job that is ready for its next step can be cancelled as well.
        assert cancelled is None
        assert finished is None or isinstance(finished, StaleClaim)
        assert state(job)[1] == "cancelled"
        assert StepRun.objects.get(job=job).result == ("completed" if finished is None else "stopped")

    nobody_is_told(monkeypatch, lambda: running(cast), cancel, finish)


def test_cancel_against_the_answer_to_a_trap(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("op", "boss"):
        assert cast[who]

    def make() -> Job:
        return work(cast.job(TRAP))

    def cancel(job: Job) -> object:
        return cast.do(job, "boss", "cancel")

    def abort(job: Job) -> object:
        return cast.do(job, "op", "abort")

    for _ in range(ROUNDS):
        job = make()
        cancelled, aborted = race(partial(cancel, job), partial(abort, job))
        assert cancelled is None
        assert aborted is None or isinstance(aborted, TransitionNotAllowed)
        assert fresh(job).status == "cancelled"
        assert fresh(job).step == ("POST" if aborted is None else "PRE")
    nobody_is_told(monkeypatch, make, cancel, abort)


def test_two_people_press_retry(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("op", "boss"):
        assert cast[who]

    def make() -> Job:
        return work(cast.job(TRAP))

    deeds = [partial(cast.do, name=who, key="retry") for who in ("op", "boss")]
    one_wins(make, *deeds)
    nobody_is_told(monkeypatch, make, *deeds)


def test_two_daemons_answer_a_trap_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def make() -> Job:
        job = work(cast.job(TRAP))
        pass_time(job, 3601)
        return job

    def answer(_job: Job) -> None:
        # Past the advisory lock of a whole tick, which would make the second daemon do nothing at all.
        daemon._answer_traps(timezone.now())

    for _ in range(ROUNDS):
        job = make()
        assert race(partial(answer, job), partial(answer, job)) == [None, None]
        assert (state(job), AuditRecord.objects.filter(job_id=job.pk).count()) == (("POST", "ready"), 1)
        work(job)
    assert not caplog.records
    nobody_is_told(monkeypatch, make, answer, answer)
    assert "could not treat job" in caplog.text


def test_reschedule_against_start(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cast["op"]
    later = timezone.now() + timedelta(hours=3)

    def make() -> Job:
        job = cast.job("PRE:\n  - log: x\nRUN:\n  - log: y", scheduled_at=timezone.now() + timedelta(hours=1))
        work(job)
        pass_time(job, 3601)
        return job

    def move(job: Job) -> object:
        return cast.do(job, "op", "reschedule", scheduled_at=later)

    def start(job: Job) -> None:
        if runner.take_due("a worker") is None:
            raise StaleClaim(job.pk)

    winners = one_wins(make, move, start)
    assert winners <= {0, 1}
    job = make()
    with unlocked(monkeypatch):
        refused = race(partial(move, job), partial(start, job))
    # Without the lock the job is told to wait for its new date while a worker runs it.
    assert refused == [None, None]


def test_two_workers_with_the_same_message_take_a_job_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Job | None] = []

    def take() -> None:
        taken.append(runner.take_due("a worker"))

    for _ in range(ROUNDS):
        taken.clear()
        job = cast.job("PRE:\n  - log: x")
        race(take, take)
        assert [found.pk for found in taken if found is not None] == [job.pk]
    taken.clear()
    job = cast.job("PRE:\n  - log: x")
    with unlocked(monkeypatch):
        race(take, take)
    assert [found.pk for found in taken if found is not None] == [job.pk, job.pk]


def test_a_runner_that_comes_back_after_its_lease_was_lost_writes_nothing(cast: Cast) -> None:
    job = running(cast)
    assert job.claim is not None
    late = fresh(job)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    daemon.tick()
    steady = timezone.now() - timedelta(minutes=5)
    DaemonState.objects.update(steady_since=steady)
    daemon.tick()
    assert state(job) == ("PRE", "abend")
    lines = fresh(job).log_lines
    keeper = LeaseKeeper(job.pk, job.claim, runner.lease())
    with pytest.raises(StaleClaim):
        runner.run_claimed_step(late, keeper)
    with pytest.raises(StaleClaim):
        finish(late)
    with pytest.raises(StaleClaim), LogWriter(job.pk, job.claim, 1) as log:
        log.entry("PRE", "", "", "info", "I am still here")
    assert (state(job), fresh(job).log_lines) == (("PRE", "abend"), lines)
    assert not OperationRun.objects.filter(job=job).exists()


def test_without_its_token_the_runner_that_comes_back_would_end_the_step_of_another(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = running(cast)
    cast.do(late, "op", "cancel")
    cast.do(late, "op", "rerun", step="PRE")
    other = runner.take_due("another worker")
    assert other is not None
    assert other.pk == late.pk
    with pytest.raises(StaleClaim):
        finish(late)
    assert (state(late), fresh(late).attempt) == (("PRE", "running"), 2)
    # The control: with the row locked, but whatever token is brought.
    monkeypatch.setattr(transitions, "lock_claimed", lambda job_id, _claim: transitions.lock(job_id))
    finish(late)
    assert state(late) == ("RUN", "ready")
