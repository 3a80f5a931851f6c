"""Approvals, traps and semaphores in a job's life, with the real runner and the real actions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import daemon, semaphores, waits
from jobs.actions.base import Seen
from jobs.exceptions import (
    AlreadySigned,
    CreatorExcluded,
    InvalidInput,
    JobChanged,
    NoRetriesLeft,
    SemaphoreDeadlock,
    TransitionNotAllowed,
)
from jobs.lifecycle import Event
from jobs.models import Approval, AuditRecord, Job, Semaphore, SemaphoreRequest, Trap
from permissions.exceptions import RightMissing
from tests.factories import grant, happen
from tests.life import Cast, fresh, lines, pass_time, state, statuses, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


APPROVAL = """
PRE:
  - log: built
  - approval: {approvers: ["group:qa", "user:eva"], min: 2, exclude_creator: true}
    id: gate
    save_as: signed
  - log: "signed by {{ signed.approved_by[0].user }} and {{ signed.approved_by[1].user }}"
RUN:
  - log: deployed
"""


def test_a_job_waits_for_two_signatures_and_goes_on(cast: Cast) -> None:
    job = work(cast.job(APPROVAL))
    assert (job.step, job.status, job.claim, job.due_at) == ("PRE", "pending_approval", None, None)
    assert statuses(job)["PRE/1"] == "waiting"
    assert work(job).status == "pending_approval"
    cast.do(job, "qa1", "approve", comment="looks good")
    assert state(job) == ("PRE", "pending_approval")
    with pytest.raises(AlreadySigned):
        cast.do(job, "qa1", "approve")
    with pytest.raises(AlreadySigned):
        cast.do(job, "qa1", "reject", comment="no, wait")
    done = cast.do(job, "eva", "approve")
    assert (done.step, done.status) == ("PRE", "ready")
    assert state(work(job)) == ("END", "finished")
    assert lines(job) == [
        "built",
        "Waits for approval by group:qa, user:eva.",
        "signed by qa1 and eva",
        "deployed",
    ]
    approval = Approval.objects.get(job=job)
    assert (approval.result, approval.operation) == ("approved", "gate")
    decisions = AuditRecord.objects.filter(action="approve").order_by("id")
    assert [(record.user, record.from_status, record.to_status, record.comment) for record in decisions] == [
        ("qa1", "pending_approval", "pending_approval", "looks good"),
        ("eva", "pending_approval", "ready", ""),
    ]


def test_who_may_sign(cast: Cast) -> None:
    job = work(cast.job(APPROVAL, created_by=cast["qa1"]))
    with pytest.raises(CreatorExcluded):
        cast.do(job, "qa1", "approve")
    with pytest.raises(RightMissing, match=r"approve_all"):
        cast.do(job, "op", "approve")
    cast.do(job, "boss", "approve")
    assert cast.may(job, "qa1") == {"comment"}
    assert cast.may(job, "qa2") == {"approve", "reject", "comment"}
    assert cast.may(job, "boss") == {"rerun", "reschedule", "cancel", "comment"}
    cast["qa2"].groups.clear()
    assert cast.may(job, "qa2") == {"comment"}


def test_a_rejection_needs_a_reason_and_stops_the_job(cast: Cast) -> None:
    job = work(cast.job(APPROVAL))
    with pytest.raises(InvalidInput):
        cast.do(job, "eva", "reject", comment=" ")
    assert state(job) == ("PRE", "pending_approval")
    stopped = cast.do(job, "eva", "reject", comment="not today")
    assert (stopped.step, stopped.status, stopped.reason) == ("PRE", "rejected", "Rejected by eva: not today")
    assert stopped.finished_at is not None
    assert statuses(job)["PRE/1"] == "failed"
    assert state(work(job)) == ("PRE", "rejected")
    assert cast.may(job, "boss") == {"rerun", "rollback", "delete", "comment"}
    with pytest.raises(TransitionNotAllowed):
        cast.do(job, "qa1", "approve")


def test_several_approvals_one_after_the_other(cast: Cast) -> None:
    job = work(
        cast.job('PRE:\n  - approval: {approvers: ["group:qa"]}\n  - approval: {approvers: ["user:eva"]}')
    )
    with pytest.raises(RightMissing):
        cast.do(job, "eva", "approve")
    cast.do(job, "qa1", "approve")
    work(job)
    cast.do(job, "eva", "approve")
    assert state(work(job)) == ("END", "finished")


def test_a_job_that_waits_expires_and_comes_back_to_its_approval_with_its_signatures(cast: Cast) -> None:
    job = work(cast.job(APPROVAL))
    cast.do(job, "qa1", "approve")
    pass_time(job, 2 * 86400)
    daemon.tick()
    assert state(job) == ("PRE", "expired")
    assert cast.may(job, "qa2") == {"comment"}
    record = AuditRecord.objects.get(action="expire")
    assert (record.user, record.source, record.from_status) == ("", "daemon", "pending_approval")
    cast.do(job, "op", "reschedule", scheduled_at=timezone.now() + timedelta(seconds=-1), comment="late")
    assert state(job) == ("PRE", "pending_approval")
    cast.do(job, "eva", "approve")
    assert state(work(job)) == ("END", "finished")
    assert fresh(job).comment == "late"


TRAP = """
PRE:
  - log: before
  - group:
      - fail: no disk
        when: not variables.get("fixed")
    id: build
    name: Build it
    on_error: trap
    trap: {timeout: 1h, max_retries: 2}
  - log: after
RUN:
  - log: deployed
"""


def fix(job: Job) -> None:
    """Mend what makes the operation fail."""
    Job.objects.filter(pk=job.pk).update(stash={"variables": {"fixed": True}, "results": {}})


def test_a_trapped_job_is_retried_until_it_works(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    assert (job.step, job.status, job.claim, job.reason) == ("PRE", "trapped", None, "no disk")
    trap = Trap.objects.get(job=job)
    assert (trap.operation, trap.name, trap.error, trap.retries, trap.max_retries) == (
        *("build", "Build it", "no disk"),
        *(0, 2),
    )
    assert cast.may(job, "op") == {"retry", "skip", "abort", "pause", "cancel", "comment"}
    cast.do(job, "op", "retry", comment="again")
    assert state(work(job)) == ("PRE", "trapped")
    fix(job)
    cast.do(job, "op", "retry")
    done = work(job)
    assert (done.step, done.status, done.reason, done.attempt) == ("END", "finished", "", 1)
    assert [line for line in lines(job) if not line.startswith("Try")] == [
        *("before", "no disk", "no disk", "after", "deployed")
    ]
    assert list(Trap.objects.filter(job=job).values_list("answer", "retries")) == [("retry", 0), ("retry", 1)]


def test_retries_run_out(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    for _ in range(2):
        cast.do(job, "op", "retry")
        work(job)
    with pytest.raises(NoRetriesLeft):
        cast.do(job, "op", "retry")
    assert cast.may(job, "op") == {"skip", "abort", "pause", "cancel", "comment"}
    cast.do(job, "op", "skip")
    assert state(work(job)) == ("END", "finished")
    assert statuses(job)["PRE/1"] == "skipped"


def test_an_abort_is_a_failure_of_the_step(cast: Cast) -> None:
    job = work(cast.job(TRAP + "POST:\n  - log: 'outcome {{ outcome }}'\n"))
    cast.do(job, "op", "abort", comment="give up")
    assert (state(job), fresh(job).outcome) == (("POST", "ready"), "error")
    done = work(job)
    assert (done.step, done.status, done.reason) == ("END", "error", "no disk")
    assert "outcome error" in lines(job)
    assert statuses(job)["PRE/1"] == "failed"


def test_a_paused_clock_stands_still_and_goes_on_with_what_was_left(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    pass_time(job, 1800)
    cast.do(job, "op", "pause")
    assert state(job) == ("PRE", "trap_paused")
    trap = Trap.objects.get(job=job)
    assert trap.deadline is None
    assert timedelta(minutes=29) < waits.remaining(trap, timezone.now()) <= timedelta(minutes=30)
    pass_time(job, 7200)
    daemon.tick()
    assert state(job) == ("PRE", "trap_paused")
    cast.do(job, "op", "resume")
    trap.refresh_from_db()
    assert state(job) == ("PRE", "trapped")
    assert timedelta(minutes=29) < waits.remaining(trap, timezone.now()) <= timedelta(minutes=30)
    pass_time(job, 1801)
    daemon.tick()
    assert (state(job), fresh(job).outcome) == (("POST", "ready"), "error")
    record = AuditRecord.objects.get(source="daemon")
    assert (record.action, record.from_status, record.to_status) == ("abort", "trapped", "ready")


@pytest.mark.parametrize(
    ("on_timeout", "then"), [("skip", ("END", "finished")), ("retry", ("PRE", "trapped"))]
)
def test_a_trap_whose_time_runs_out_is_answered_as_the_rule_says(
    cast: Cast, on_timeout: str, then: tuple[str, str]
) -> None:
    job = work(cast.job(TRAP.replace("max_retries: 2", f"max_retries: 1, on_timeout: {on_timeout}")))
    pass_time(job, 3601)
    daemon.tick()
    assert state(work(job)) == then
    if on_timeout == "retry":
        pass_time(job, 3601)
        daemon.tick()
        assert (state(job), fresh(job).outcome) == (("POST", "ready"), "error")


def test_a_decision_says_what_was_seen(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    with pytest.raises(JobChanged):
        cast.do(job, "op", "skip", seen=Seen(1, "trap_paused"))
    cast.do(job, "op", "skip", seen=Seen(1, "trapped"))


def test_a_trap_in_a_step_that_is_cancelled_is_closed(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    cast.do(job, "op", "cancel", comment="enough")
    assert fresh(job).reason == "Cancelled by op: enough"
    assert Trap.objects.get(job=job).answer == "void"
    assert statuses(job)["PRE/1"] == "failed"
    job = cast.do(job, "op", "rerun", step="PRE")
    assert (job.attempt, job.reason, state(job)) == (2, "", ("PRE", "ready"))
    assert state(work(job)) == ("PRE", "trapped")
    assert Trap.objects.filter(job=job, closed_at__isnull=True).get().attempt == 2


SLOTS = """
PRE:
  - log: before
  - group:
      - log: "inside {{ job.name }}"
      - approval: {approvers: ["user:eva"]}
        when: variables.get("ask")
    semaphore: "deploy-{{ environment }}"
  - log: after
"""


def hold(cast: Cast, name: str = "deploy-PROD") -> Job:
    """Return a job that holds the only slot: it stands in the middle of the operation, as one that was handed over does."""
    job = cast.job("PRE:\n  - log: x")
    semaphore, _ = Semaphore.objects.get_or_create(name=name)
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now() + timedelta(hours=1))
    SemaphoreRequest.objects.create(
        semaphore=semaphore, job=job, path="PRE/0", asked_at=timezone.now(), granted_at=timezone.now()
    )
    return job


def test_who_asks_first_is_served_first_and_waiting_holds_no_worker(cast: Cast) -> None:
    holder = hold(cast)
    first, second = cast.job(SLOTS), cast.job(SLOTS)
    work(first)
    for job in (first, second):
        assert (state(job), fresh(job).due_at, fresh(job).claim) == (("PRE", "ready"), None, None)
        assert statuses(job)["PRE/1"] == "waiting"
    daemon.tick()
    assert state(first) == ("PRE", "ready")
    cast.do(holder, "op", "cancel")
    assert fresh(first).due_at is not None
    assert fresh(second).due_at is None
    work(first)
    assert state(first) == state(second) == ("END", "finished")
    assert not SemaphoreRequest.objects.exists()
    assert [line for line in lines(first) if "inside" in line] == [f"inside {first.name}"]


def test_a_job_that_is_rescheduled_keeps_its_place_in_the_queue(cast: Cast) -> None:
    holder = hold(cast)
    first, second = cast.job(SLOTS), cast.job(SLOTS)
    work(first)
    cast.do(first, "op", "reschedule", scheduled_at=timezone.now())
    assert (state(first), fresh(first).due_at) == (("PRE", "ready"), None)
    cast.do(holder, "op", "cancel")
    assert fresh(first).due_at is not None
    assert fresh(second).due_at is None


def test_a_slot_is_not_held_while_the_job_waits_for_a_person(cast: Cast) -> None:
    asking = cast.job(SLOTS)
    Job.objects.filter(pk=asking.pk).update(stash={"variables": {"ask": True}, "results": {}})
    assert state(work(asking)) == ("PRE", "pending_approval")
    assert not SemaphoreRequest.objects.exists()
    holder = hold(cast)
    cast.do(asking, "eva", "approve")
    assert (state(work(asking)), fresh(asking).due_at) == (("PRE", "ready"), None)
    cast.do(holder, "op", "cancel")
    assert state(work(asking)) == ("END", "finished")


def test_more_slots_let_more_jobs_in(cast: Cast) -> None:
    hold(cast)
    job = cast.job(SLOTS)
    work(job)
    Semaphore.objects.update(slots=2)
    daemon.tick()
    assert state(work(job)) == ("END", "finished")


def test_a_lost_wake_up_is_made_up_for_by_the_daemon(cast: Cast) -> None:
    hold(cast)
    job = cast.job(SLOTS)
    work(job)
    SemaphoreRequest.objects.filter(job=job).update(granted_at=timezone.now())
    assert fresh(job).due_at is None
    daemon.tick()
    assert fresh(job).due_at is not None


def test_waiting_that_would_never_end_is_a_failure(cast: Cast) -> None:
    itself = cast.job("PRE:\n  - group:\n      - log: x\n        semaphore: s\n    semaphore: s")
    done = work(itself)
    assert (done.status, done.reason.startswith("Waiting for the semaphore s would never end")) == (
        "error",
        True,
    )

    crosswise = """
    PRE:
      - group:
          - log: x
            semaphore: {second}
        semaphore: {first}
    """
    other = work(cast.job(crosswise.format(first="a", second="b")))
    assert other.status == "finished"
    blocked = hold(cast, "a")
    job = cast.job(crosswise.format(first="b", second="a"))
    assert (state(work(job)), fresh(job).due_at) == (("PRE", "ready"), None)
    # The holder of a, for which the job waits, now asks for b, which the job holds.
    claim = happen(blocked, Event.START).claim
    assert claim is not None
    with pytest.raises(SemaphoreDeadlock):
        semaphores.ask(blocked.pk, claim, "PRE/0/group/0", "b", timezone.now())
    assert not SemaphoreRequest.objects.filter(job=blocked, path="PRE/0/group/0").exists()


def test_branches_of_a_parallel_trap_and_wait_for_slots(cast: Cast) -> None:
    job = cast.job(
        """
        PRE:
          - parallel:
              - group:
                  - log: one
                    semaphore: s
                  - set: {a: 1}
              - log: two
                semaphore: s
              - fail: three
                on_error: trap
          - log: "{{ variables.a }}"
        """
    )
    assert state(work(job)) == ("PRE", "trapped")
    assert not SemaphoreRequest.objects.exists()
    assert sorted(lines(job))[:3] == ["one", "three", "two"]
    grant(cast["op"], "restart", environments=[cast.environment])
    cast.do(job, "op", "skip")
    done = work(job)
    assert (done.status, lines(done)[-1]) == ("finished", "1")
