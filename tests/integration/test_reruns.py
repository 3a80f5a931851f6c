"""Reruns, dates and rollback in a job's life, with the real runner and the real actions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import daemon
from jobs.exceptions import InvalidInput, LaterJobs, RevisionInActiveJob, TransitionNotAllowed
from jobs.models import AuditRecord, Job, LogChunk, OperationRun
from tests.factories import ProjectFactory
from tests.life import Cast, fresh, lines, pass_time, state, statuses, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


THREE = """
PRE:
  - log: "build {{ attempt }}"
  - set: {built: "{{ attempt }}"}
RUN:
  - log: "deploy {{ variables.built }}"
    id: deploy
  - log: "check"
    id: check
POST:
  - log: "tell {{ outcome }}"
"""


def since(job: Job, before: int) -> list[str]:
    return lines(job)[before:]


def test_a_rerun_runs_its_step_and_all_that_follow_and_keeps_the_rest(cast: Cast) -> None:
    job = work(cast.job(THREE))
    started, old = job.started_at, len(lines(job))
    again = cast.do(job, "op", "rerun", step="RUN", comment="once more")
    assert (again.step, again.status, again.attempt, again.outcome) == ("RUN", "ready", 2, None)
    assert (again.finished_at, again.started_at, again.operations_done) == (None, started, 2)
    done = work(job)
    assert (done.status, done.percent, done.attempt) == ("finished", 100, 2)
    assert since(job, old) == ["deploy 1", "check", "tell finished"]
    assert list(statuses(job)) == ["PRE/0", "PRE/1", "RUN/0", "RUN/1", "POST/0"]
    reused = OperationRun.objects.filter(job=job, attempt=2, ran_in=1).order_by("id")
    assert [run.path for run in reused] == ["PRE/0", "PRE/1"]
    assert list(done.step_runs.values_list("attempt", "step")) == [
        *((1, "PRE"), (1, "RUN"), (1, "POST"), (2, "RUN"), (2, "POST"))
    ]
    record = AuditRecord.objects.get(action="rerun")
    assert (record.comment, record.from_status, record.to_status, record.attempt) == (
        *("once more", "finished", "ready"),
        2,
    )


def test_a_rerun_of_pre_begins_anew_and_keeps_a_future_date(cast: Cast) -> None:
    later = timezone.now() + timedelta(hours=2)
    job = work(cast.job(THREE, scheduled_at=later))
    assert state(job) == ("RUN", "ready")
    again = cast.do(job, "op", "rerun", step="PRE")
    assert (again.started_at, again.scheduled_at, again.max_start_at) == (None, later, job.max_start_at)
    assert state(work(job)) == ("RUN", "ready")
    assert lines(job)[-1] == "build 2"
    now = timezone.now()
    run = cast.do(job, "op", "rerun", step="RUN", run_now=True, now=now)
    assert (run.scheduled_at, run.max_start_at) == (now, now + cast.environment.expiry)
    assert state(work(job)) == ("END", "finished")


def test_a_rerun_whose_date_is_past_moves_both_dates(cast: Cast) -> None:
    cast.environment.expiry_urgent = timedelta(minutes=10)
    cast.environment.save()
    job = work(cast.job(THREE, urgent=True))
    now = timezone.now()
    for step in ("PRE", "RUN", "POST"):
        again = cast.do(job, "op", "rerun", step=step, now=now)
        assert (again.scheduled_at, again.max_start_at) == (now, now + timedelta(minutes=10))
        work(job)


def test_a_rerun_of_post_goes_by_the_outcome_so_far_or_the_one_given(cast: Cast) -> None:
    job = work(cast.job("RUN:\n  - fail: no\nPOST:\n  - log: 'tell {{ outcome }}'"))
    assert (job.status, job.outcome) == ("error", "error")
    cast.do(job, "op", "rerun", step="POST")
    assert state(work(job)) == ("END", "error")
    cast.do(job, "op", "rerun", step="POST", outcome="finished")
    assert state(work(job)) == ("END", "finished")
    assert [line for line in lines(job) if "tell" in line] == ["tell error", "tell error", "tell finished"]


def _finish_others(job: Job, *done: int) -> None:
    """Let jobs of the same rule finish there after so many operations, the newest history there is."""
    for count in done:
        other = Job.objects.get(pk=job.pk)
        other.pk, other.name, other.operations_done = None, f"H{Job.objects.count()}", count
        other.step, other.status, other.due_at, other.finished_at = "END", "finished", None, timezone.now()
        other.save(force_insert=True)


def _progress(job: Job) -> tuple[int, int, int, str]:
    return job.operations_done, job.operations_expected, job.percent, job.progress_basis


def test_a_rerun_counts_against_what_is_expected_by_then(cast: Cast) -> None:
    job = work(cast.job(THREE, operations_expected=5))
    assert _progress(job) == (5, 5, 100, "tree")
    # What it did itself is no history: it is no finished job any more.
    again = cast.do(job, "op", "rerun", step="RUN")
    assert _progress(again) == (2, 5, 40, "tree")
    _finish_others(job, 8, 10, 12)
    assert _progress(fresh(job)) == (2, 5, 40, "tree")
    cast.do(job, "op", "cancel")
    again = cast.do(job, "op", "rerun", step="RUN")
    assert _progress(again) == (2, 10, 20, "environment")
    # It is counted against that to the end, and the end is the end.
    done = work(job)
    assert _progress(done) == (5, 10, 100, "environment")


def test_a_rerun_that_reuses_more_than_is_usual_is_nearly_done_and_no_more(cast: Cast) -> None:
    job = work(cast.job(THREE, operations_expected=5))
    _finish_others(job, 2, 2, 2)
    again = cast.do(job, "op", "rerun", step="RUN", from_operation="check")
    assert _progress(again) == (3, 2, 99, "environment")
    assert _progress(work(job)) == (5, 2, 100, "environment")
    again = cast.do(job, "op", "rerun", step="PRE")
    assert _progress(again) == (0, 2, 0, "environment")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"step": "INIT"}, "step"),
        ({"step": ""}, "step"),
        ({"step": "PRE", "run_now": True}, "run_now"),
        ({"step": "RUN", "outcome": "finished"}, "outcome"),
        ({"step": "POST", "outcome": "great"}, "outcome"),
        ({"step": "RUN", "from_operation": "nope"}, "from_operation"),
        ({"step": "PRE", "from_operation": "deploy"}, "from_operation"),
        ({"step": "RUN", "comment": "x" * 10_001}, "comment"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    cast: Cast, params: dict[str, Any], field: str
) -> None:
    job = work(cast.job(THREE))
    with pytest.raises(InvalidInput) as refused:
        cast.do(job, "op", "rerun", **params)
    assert list(refused.value.errors) == [field]
    assert (state(job), fresh(job).attempt) == (("END", "finished"), 1)


BROKEN = """
RUN:
  - log: one
    save_as: first
  - foreach:
      items: [a, b, c]
      do:
        - log: "{{ item }} {{ attempt }}"
          id: turn
        - fail: "no {{ item }}"
          when: item == "b" and attempt == 1
  - group:
      - log: "then {{ attempt }}"
        id: then
"""


def test_a_rerun_from_an_operation_reuses_what_came_before_it(cast: Cast) -> None:
    job = work(cast.job(BROKEN))
    assert (job.status, job.reason) == ("error", "no b")
    old = len(lines(job))
    cast.do(job, "op", "rerun", step="RUN", from_operation="RUN/1/foreach[1]/0")
    done = work(job)
    assert done.status == "finished"
    assert since(job, old) == ["b 2", "c 2", "then 2"]
    assert statuses(job)["RUN/1"] == "completed"
    old = len(lines(job))
    cast.do(job, "op", "rerun", step="RUN", from_operation="then")
    assert work(job).status == "finished"
    assert since(job, old) == ["then 3"]
    old = len(lines(job))
    cast.do(job, "op", "rerun", step="RUN", from_operation="turn")
    assert work(job).status == "finished"
    assert since(job, old) == ["a 4", "b 4", "c 4", "then 4"]


def test_an_approval_given_in_a_step_that_is_not_rerun_counts_on(cast: Cast) -> None:
    job = work(
        cast.job(
            'PRE:\n  - approval: {approvers: ["user:eva"]}\nRUN:\n  - approval: {approvers: ["user:eva"]}'
        )
    )
    for _ in range(2):
        cast.do(job, "eva", "approve")
        work(job)
    assert state(job) == ("END", "finished")
    cast.do(job, "op", "rerun", step="RUN")
    assert state(work(job)) == ("RUN", "pending_approval")
    cast.do(job, "op", "rerun", step="PRE")
    assert state(work(job)) == ("PRE", "pending_approval")


def test_a_job_that_waits_is_rerun_at_the_step_it_waits_in(cast: Cast) -> None:
    job = work(cast.job('PRE:\n  - log: x\n  - approval: {approvers: ["user:eva"]}'))
    again = cast.do(job, "op", "rerun", step="PRE")
    assert (again.status, again.attempt) == ("ready", 2)
    assert state(work(job)) == ("PRE", "pending_approval")
    assert list(again.step_runs.values_list("attempt", "result")) == [(1, "stopped"), (2, "running")]
    cast.do(job, "eva", "approve")
    cast.do(job, "op", "rerun", step="PRE")
    assert state(work(job)) == ("PRE", "pending_approval")


def test_a_failing_post_says_nothing_of_pre_and_run(cast: Cast) -> None:
    job = cast.job("POST:\n  - fail: no\n    when: attempt == 2")
    cast.do(job, "op", "cancel")
    cast.do(job, "op", "rerun", step="POST")
    assert (state(work(job)), fresh(job).outcome) == (("END", "error"), None)
    cast.do(job, "op", "rerun", step="POST")
    assert (state(work(job)), fresh(job).outcome) == (("END", "error"), None)
    cast.do(job, "op", "rerun", step="POST", outcome="finished")
    assert state(work(job)) == ("END", "finished")


def test_a_rerun_of_a_revision_that_another_job_carries_is_refused(cast: Cast) -> None:
    project = ProjectFactory.create()
    job = work(cast.job(THREE, project=project))
    later = timezone.now() + timedelta(hours=1)
    other = work(cast.job(THREE, project=project, scheduled_at=later))
    sha = job.revisions.get().sha
    other.revisions.update(sha=sha)
    assert "rerun" not in cast.may(job, "op")
    with pytest.raises(RevisionInActiveJob) as refused:
        cast.do(job, "op", "rerun", step="RUN")
    assert refused.value.job_name == other.name
    assert state(job) == ("END", "finished")
    cast.do(other, "op", "cancel")
    assert "rerun" in cast.may(job, "op")


def test_rescheduling_moves_the_max_date_along_unless_it_is_given(cast: Cast) -> None:
    now = timezone.now()
    job = work(cast.job(THREE, scheduled_at=now + timedelta(hours=1), comment="first"))
    assert cast.may(job, "op") == {"rerun", "reschedule", "run_now", "cancel", "comment"}
    moved = cast.do(job, "op", "reschedule", scheduled_at=now + timedelta(hours=5), comment="window moved")
    assert (moved.scheduled_at, moved.max_start_at) == (
        now + timedelta(hours=5),
        now + timedelta(hours=5, days=1),
    )
    assert moved.comment == "window moved\nfirst"
    moved = cast.do(
        job,
        "op",
        "reschedule",
        scheduled_at=now + timedelta(hours=2),
        max_start_at=now + timedelta(hours=3),
    )
    assert (moved.max_start_at, moved.comment) == (now + timedelta(hours=3), "window moved\nfirst")
    for dates, field in (
        ({"scheduled_at": now, "max_start_at": now - timedelta(hours=1)}, "max_start_at"),
        ({"scheduled_at": now - timedelta(days=9)}, "scheduled_at"),
        ({"scheduled_at": now + timedelta(days=9999)}, "scheduled_at"),
        ({}, "scheduled_at"),
    ):
        with pytest.raises(InvalidInput) as refused:
            cast.do(job, "op", "reschedule", **dates)
        assert list(refused.value.errors) == [field]
    assert state(cast.do(job, "op", "run_now")) == ("RUN", "ready")
    assert state(work(job)) == ("END", "finished")
    with pytest.raises(TransitionNotAllowed, match="run_now"):
        cast.do(job, "op", "run_now")


UNDO = """
PRE:
  - log: build
    rollback: [{log: "unbuild"}]
RUN:
  - log: deploy
    rollback: [{log: "undeploy {{ step }}"}]
  - fail: broken
    when: variables.get("broken")
  - log: later
    rollback: [{log: undo later}]
POST:
  - log: "tell {{ outcome }}"
"""


def test_a_failing_step_is_undone_by_itself_and_post_follows(cast: Cast) -> None:
    job = cast.job(UNDO, stash={"variables": {"broken": True}, "results": {}})
    done = work(job)
    assert (done.step, done.status, done.outcome, done.rollback, done.reason) == (
        *("END", "error", "error", "succeeded"),
        "broken",
    )
    assert lines(job) == ["build", "deploy", "broken", "undeploy RUN", "unbuild", "tell error"]
    assert done.attempt == 1


def test_undoing_that_fails_says_so(cast: Cast) -> None:
    job = cast.job(
        "PRE:\n  - log: a\n    rollback: [{log: undo a}]\n"
        "  - log: b\n    rollback: [{fail: cannot}]\n  - fail: broken\nPOST:\n  - log: tell"
    )
    done = work(job)
    assert (done.status, done.rollback, done.reason) == (
        "error",
        "failed",
        "broken Undoing failed: cannot",
    )
    assert lines(job) == ["a", "b", "broken", "cannot", "undo a", "tell"]
    # Asked for, it goes on with what is still to be undone.
    again = cast.do(job, "op", "rollback")
    assert (again.step, again.status, again.attempt, again.rollback) == ("PRE", "rollback", 2, "running")
    assert (work(job).status, fresh(job).rollback) == ("error", "failed")


def test_a_rollback_that_is_asked_for_undoes_everything_and_skips_post(cast: Cast) -> None:
    job = work(cast.job(UNDO))
    old = len(lines(job))
    asked = cast.do(job, "op", "rollback", comment="wrong release")
    assert (asked.step, asked.status, asked.attempt, asked.rollback, asked.finished_at) == (
        *("RUN", "rollback", 2, "running"),
        None,
    )
    done = work(job)
    assert (done.step, done.status, done.outcome, done.rollback, done.percent) == (
        *("END", "finished", "finished", "succeeded"),
        100,
    )
    assert since(job, old) == ["undo later", "undeploy RUN", "unbuild"]
    assert "rollback" in cast.may(job, "op")
    cast.do(job, "op", "rollback")
    assert work(job).status == "finished"
    assert since(job, old) == ["undo later", "undeploy RUN", "unbuild"]


def test_a_rollback_is_refused_while_later_jobs_stand_on_it(cast: Cast) -> None:
    project = ProjectFactory.create()
    first = work(cast.job(UNDO, project=project))
    failed = work(cast.job("RUN:\n  - fail: nothing to undo", project=project))
    assert failed.status == "error"
    cast.do(first, "op", "rollback")
    work(first)
    cast.do(first, "op", "rerun", step="RUN")
    work(first)
    second = work(cast.job(UNDO, project=project))
    with pytest.raises(LaterJobs) as refused:
        cast.do(first, "op", "rollback")
    assert refused.value.jobs == [(second.pk, second.name)]
    with pytest.raises(InvalidInput):
        cast.do(first, "op", "rollback", force=True)
    assert state(first) == ("END", "finished")
    cast.do(second, "op", "rollback")
    work(second)
    cast.do(first, "op", "rollback")
    assert work(first).rollback == "succeeded"
    third = work(cast.job(UNDO, project=project))
    assert cast.do(first, "op", "rollback", force=True, comment="sure").status == "rollback"
    assert third.pk


def test_a_rollback_needs_something_that_ran(cast: Cast) -> None:
    job = cast.job(UNDO)
    cast.do(job, "op", "cancel")
    with pytest.raises(TransitionNotAllowed):
        cast.do(job, "op", "rollback")
    assert "rollback" not in cast.may(job, "op")


def test_an_aborted_trap_is_undone(cast: Cast) -> None:
    job = work(cast.job(UNDO.replace("when: variables", "on_error: trap\n    when: variables"),
        stash={"variables": {"broken": True}, "results": {}}))  # fmt: skip
    assert state(job) == ("RUN", "trapped")
    aborted = cast.do(job, "op", "abort")
    assert (aborted.status, aborted.rollback, aborted.outcome) == ("rollback", "running", None)
    done = work(job)
    assert (done.status, done.rollback) == ("error", "succeeded")
    assert lines(job)[-3:] == ["undeploy RUN", "unbuild", "tell error"]


REMEMBERS = """
RUN:
  - while:
      condition: variables.get("n", 0) < 2
      max: 3
      do:
        - set: {n: "{{ variables.get('n', 0) + 1 }}"}
        - log: "do {{ variables.n }}"
          rollback: [{log: "undo {{ variables.n }}"}]
  - set: {n: 9}
  - group: [{fail: no}]
    on_error: trap
POST:
  - log: "tell {{ variables.n }}"
"""


def test_after_an_abort_undoing_and_post_know_what_the_step_set_each_operation_as_it_was(cast: Cast) -> None:
    job = work(cast.job(REMEMBERS))
    cast.do(job, "op", "abort")
    assert work(job).rollback == "succeeded"
    assert lines(job) == ["do 1", "do 2", "no", "undo 2", "undo 1", "tell 9"]


def test_after_a_cancel_a_rollback_knows_what_the_step_set(cast: Cast) -> None:
    job = work(cast.job(REMEMBERS))
    cast.do(job, "op", "cancel")
    cast.do(job, "op", "rollback")
    assert work(job).rollback == "succeeded"
    assert lines(job)[-2:] == ["undo 2", "undo 1"]


def test_a_rerun_of_post_forgets_no_rollback_and_makes_nothing_finished(cast: Cast) -> None:
    project = ProjectFactory.create()
    first, second = (work(cast.job(UNDO, project=project)) for _ in range(2))
    cast.do(second, "op", "rollback")
    work(second)
    cast.do(second, "op", "rerun", step="POST")
    assert work(second).rollback == "succeeded"
    cast.do(first, "op", "rollback")
    cancelled = work(cast.job(THREE, scheduled_at=timezone.now() + timedelta(hours=1)))
    cast.do(cancelled, "op", "cancel")
    cast.do(cancelled, "op", "rerun", step="POST")
    done = work(cancelled)
    assert (done.step, done.status, done.outcome) == ("END", "error", None)
    assert "came to no result" in done.reason


def test_a_job_cancelled_while_it_is_undone_has_failed(cast: Cast) -> None:
    job = work(cast.job(UNDO.replace("when: variables", "on_error: trap\n    when: variables"),
        stash={"variables": {"broken": True}, "results": {}}))  # fmt: skip
    cast.do(job, "op", "abort")
    stopped = cast.do(job, "op", "cancel")
    assert (stopped.status, stopped.outcome, stopped.rollback) == ("cancelled", "error", "failed")


def test_a_deleted_job_is_gone_and_its_audit_stays(cast: Cast) -> None:
    job = work(cast.job(THREE))
    name, number = job.name, job.pk
    with pytest.raises(TransitionNotAllowed):
        cast.do(cast.job(THREE), "op", "delete")
    gone = cast.do(job, "op", "delete")
    assert (gone.pk, gone.name) == (number, name)
    assert not Job.objects.filter(pk=number).exists()
    assert not LogChunk.objects.filter(job_id=number).exists()
    record = AuditRecord.objects.get(action="delete")
    assert (record.job_id, record.job_name, record.user) == (number, name, "op")


def test_a_comment_is_a_line_in_the_log(cast: Cast) -> None:
    job = work(cast.job(THREE))
    assert cast.may(job, "qa1") == {"comment"}
    cast.do(job, "qa1", "comment", text="who broke\nit?")
    with pytest.raises(InvalidInput):
        cast.do(job, "qa1", "comment", text=" ")
    with pytest.raises(InvalidInput):
        cast.do(job, "qa1", "comment", text="x", level="loud")
    assert AuditRecord.objects.get(action="comment").comment == "who broke\nit?"
    chunk = LogChunk.objects.filter(job=job).order_by("-first_line").first()
    assert chunk is not None
    assert (chunk.username, chunk.line_count) == ("qa1", 2)


def test_an_expired_job_is_ready_again_when_rescheduled(cast: Cast) -> None:
    job = cast.job(THREE)
    pass_time(job, 90_000)
    daemon.tick()
    assert state(job) == ("PRE", "expired")
    assert cast.may(job, "op") == {"rerun", "reschedule", "delete", "comment"}
    back = cast.do(job, "op", "reschedule", scheduled_at=timezone.now())
    assert (back.status, back.finished_at) == ("ready", None)
    assert state(work(job)) == ("END", "finished")
