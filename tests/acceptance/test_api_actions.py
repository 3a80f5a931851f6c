"""Actions through the API: bodies, answers, refusals."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import AuditRecord, Job, Semaphore, SemaphoreRequest
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, user_with
from tests.life import Cast, fresh, lines, state, work

pytestmark = pytest.mark.django_db(transaction=True)

TRAP = """
PRE:
  - group: [{fail: no disk}]
    id: build
    name: Build it
    on_error: trap
    trap: {timeout: 1h, max_retries: 1}
RUN:
  - approval: {approvers: ["group:qa", "user:ana"], min: 2, exclude_creator: true}
    id: gate
    name: Gate
  - log: deploy
    rollback: [{log: undeploy}]
"""


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


def api(cast: Cast, name: str) -> Api:
    return Api(cast[name])


@pytest.mark.parametrize("answer", ["retry", "skip", "abort", "pause"])
def test_a_job_that_stands_in_no_trap_that_anybody_made_is_no_internal_error(cast: Cast, answer: str) -> None:
    job = JobFactory.at("PRE", "trapped", environment=cast.environment)
    refused = api(cast, "op").post(f"jobs/{job.pk}/trap/", {"action": answer})
    refused.problem(409, "transition_not_allowed")
    assert state(fresh(job)) == ("PRE", "trapped")


def test_the_story_of_a_trap_an_approval_and_a_rollback(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    op, qa, boss = api(cast, "op"), api(cast, "qa1"), api(cast, "boss")
    seen = op.get(f"jobs/{job.pk}/").json
    assert seen["actions"] == ["cancel", "retry", "skip", "abort", "pause", "comment"]
    trap = seen["trap"]
    assert 3500 < trap.pop("remaining_seconds") <= 3600
    assert trap.pop("trapped_at") < trap.pop("deadline")
    assert trap == {
        "operation": "build",
        "name": "Build it",
        "error": "no disk",
        "on_timeout": "abort",
        "retries": 0,
        "max_retries": 1,
    }
    assert [blocker["kind"] for blocker in seen["blockers"]] == ["trap"]
    assert seen["blockers"][0]["who"] == ["user:boss", "user:op"]
    paused = op.post(f"jobs/{job.pk}/trap/", {"action": "pause", "comment": "asking"}).json
    assert (paused["status"], paused["trap"]["deadline"]) == ("trap_paused", None)
    assert "resume" in paused["actions"]
    op.post(f"jobs/{job.pk}/trap/", {"action": "retry", "seen": {"attempt": 1, "status": "trap_paused"}})
    assert state(work(job)) == ("PRE", "trapped")
    op.post(f"jobs/{job.pk}/trap/", {"action": "retry"}).problem(409, "no_retries_left")
    skipped = op.post(f"jobs/{job.pk}/trap/", {"action": "skip"})
    assert (skipped.status, skipped.json["status"], skipped.json["trap"]) == (200, "ready", None)

    work(job)
    waiting = qa.get(f"jobs/{job.pk}/").json
    approval = waiting["approval"]
    assert approval.pop("requested_at")
    assert approval == {
        "operation": "gate",
        "name": "Gate",
        "approvers": ["group:qa", "user:ana"],
        "min": 2,
        "exclude_creator": True,
        "approved_by": [],
    }
    assert waiting["actions"] == ["approve", "reject", "comment"]
    assert (waiting["blockers"][0]["kind"], waiting["blockers"][0]["who"]) == (
        "approval",
        ["group:qa", "user:ana", "user:boss"],
    )
    api(cast, "ana").post(f"jobs/{job.pk}/approve/", {}).problem(403, "creator_excluded")
    problem = op.post(f"jobs/{job.pk}/approve/", {}).problem(403, "right_missing")
    assert problem["right"] == "action.job.approve_all"
    signed = qa.post(f"jobs/{job.pk}/approve/", {"comment": "fine"}).json
    assert [(each["user"], each["comment"]) for each in signed["approval"]["approved_by"]] == [
        ("qa1", "fine")
    ]
    qa.post(f"jobs/{job.pk}/approve/", {}).problem(409, "already_signed")
    assert qa.post(f"jobs/{job.pk}/reject/", {}).problem(409, "already_signed")
    assert list(api(cast, "qa2").post(f"jobs/{job.pk}/reject/", {}).field_errors()) == ["comment"]
    assert boss.post(f"jobs/{job.pk}/approve/", {}).json["status"] == "ready"
    work(job)

    assert "deploy" in lines(job)
    rolled = op.post(f"jobs/{job.pk}/rollback/", {"comment": "wrong one"}).json
    assert (rolled["status"], rolled["rollback"], rolled["attempt"]) == ("rollback", "running", 2)
    assert state(work(job)) == ("END", "finished")
    assert op.post(f"jobs/{job.pk}/comment/", {"text": "undone"}).status == 200
    audit = [each["action"] for each in op.walk(f"jobs/{job.pk}/audit/")]
    assert audit == ["pause", "retry", "skip", "approve", "approve", "rollback", "comment"]
    assert {record.source for record in AuditRecord.objects.filter(job_id=job.pk)} == {"api"}
    stale = json.dumps({"seen": {"attempt": 7, "status": "finished"}})
    op.call("DELETE", f"jobs/{job.pk}/", stale).problem(409, "job_changed")
    assert set(op.call("DELETE", f"jobs/{job.pk}/", '{"sen": {}}').field_errors()) == {"sen"}
    op.call("DELETE", f"jobs/{job.pk}/", "{").problem(400, "malformed")
    assert op.call("DELETE", f"jobs/{job.pk}/").status == 204
    assert op.get(f"jobs/{job.pk}/").status == 404
    assert op.call("DELETE", f"jobs/{job.pk}/").status == 404


def test_rerun_reschedule_and_run_now(cast: Cast) -> None:
    op = api(cast, "op")
    later = timezone.now() + timedelta(hours=1)
    job = work(cast.job("RUN:\n  - log: x\n    id: deploy", scheduled_at=later))
    moved = op.post(f"jobs/{job.pk}/reschedule/", {"scheduled_at": "2027-01-01T10:00:00Z", "comment": "c"})
    assert (moved.json["scheduled_at"], moved.json["max_start_at"], moved.json["comment"]) == (
        "2027-01-01T10:00:00Z",
        "2027-01-02T10:00:00Z",
        "c",
    )
    assert op.post(f"jobs/{job.pk}/run_now/", {}).status == 200
    assert state(work(job)) == ("END", "finished")
    again = op.post(f"jobs/{job.pk}/rerun/", {"step": "RUN", "from_operation": "deploy", "run_now": True})
    assert (again.status, again.json["attempt"], again.json["actions"]) == (
        *(200, 2),
        ["rerun", "reschedule", "run_now", "cancel", "comment"],
    )
    assert op.post(f"jobs/{job.pk}/cancel/", {"comment": "no"}).json["status"] == "cancelled"


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("rerun", {}, "step"),
        ("rerun", {"step": "DEPLOY"}, "step"),
        ("rerun", {"step": "RUN", "run_now": "yes"}, "run_now"),
        ("rerun", {"step": "PRE", "outcome": "finished"}, "outcome"),
        ("rerun", {"step": "POST", "outcome": "fine"}, "outcome"),
        ("rerun", {"step": "RUN", "from": "x"}, "from"),
        ("rerun", {"step": "RUN", "seen": {"attempt": 1}}, "seen.status"),
        ("rerun", {"step": "RUN", "seen": {"attempt": "1", "status": "error"}}, "seen.attempt"),
        ("rerun", {"step": "RUN", "seen": {"attempt": 10**30, "status": "error"}}, "seen.attempt"),
        ("reschedule", {}, "scheduled_at"),
        ("reschedule", {"scheduled_at": "tomorrow"}, "scheduled_at"),
        ("trap", {"action": "ignore"}, "action"),
        ("comment", {}, "text"),
        ("comment", {"text": "a\0b"}, "text"),
        ("comment", {"text": "x", "level": "loud"}, "level"),
        ("cancel", {"comment": "x" * 10_001}, "comment"),
        ("cancel", {"coment": "x"}, "coment"),
        ("cancel", {"comment": "\ud800"}, "comment"),
    ],
)
def test_bad_bodies_name_their_field(cast: Cast, address: str, body: dict[str, Any], field: str) -> None:
    job = JobFactory.at("RUN", "error" if address == "none" else "ready", environment=cast.environment)
    before = Job.objects.values().get(pk=job.pk)
    assert list(api(cast, "op").post(f"jobs/{job.pk}/{address}/", body).field_errors()) == [field]
    assert Job.objects.values().get(pk=job.pk) == before
    assert not AuditRecord.objects.exists()


@pytest.mark.parametrize(
    ("address", "body", "right"),
    [
        ("rerun", {"step": "RUN"}, "restart"),
        ("reschedule", {"scheduled_at": "2027-01-01T10:00:00Z"}, "restart"),
        ("run_now", {}, "restart"),
        ("cancel", {}, "cancel"),
        ("rollback", {}, "restart"),
        ("trap", {"action": "skip"}, "restart"),
    ],
)
def test_a_missing_right_is_named_a_hidden_job_is_not_there_and_anonymous_is_401(
    cast: Cast, address: str, body: dict[str, Any], right: str
) -> None:
    job = JobFactory.at("RUN", "ready", environment=cast.environment)
    problem = api(cast, "qa1").post(f"jobs/{job.pk}/{address}/", body).problem(403, "right_missing")
    assert problem["right"] == f"action.job.{right}"
    elsewhere = user_with("view_monitor", right, environments=[EnvironmentFactory.create()])
    Api(elsewhere).post(f"jobs/{job.pk}/{address}/", body).problem(404, "not_found")
    Api().post(f"jobs/{job.pk}/{address}/", body).problem(401, "not_authenticated")
    assert state(job) == ("RUN", "ready")


def test_what_the_table_refuses_is_409_and_says_why(cast: Cast) -> None:
    op = api(cast, "op")
    job = JobFactory.at("RUN", "running", environment=cast.environment)
    problem = op.post(f"jobs/{job.pk}/rerun/", {"step": "RUN"}).problem(409, "transition_not_allowed")
    assert problem["detail"] == f"The job {job.name} is at RUN / running; rerun is not possible there."
    stale = {"seen": {"attempt": 1, "status": "ready"}}
    op.post(f"jobs/{job.pk}/cancel/", stale).problem(409, "job_changed")
    assert fresh(job).status == "running"
    op.post(f"jobs/{10**25}/cancel/", {}).problem(404, "not_found")


def test_later_jobs_are_named(cast: Cast) -> None:
    op, project = api(cast, "op"), ProjectFactory.create()
    undoable = "RUN:\n  - log: x\n    rollback: [{log: y}]"
    first, second = (work(cast.job(undoable, project=project)) for _ in range(2))
    problem = op.post(f"jobs/{first.pk}/rollback/", {}).problem(409, "later_jobs")
    assert problem["jobs"] == [{"id": second.pk, "name": second.name}]
    assert list(op.post(f"jobs/{first.pk}/rollback/", {"force": True}).field_errors()) == ["comment"]
    assert op.post(f"jobs/{first.pk}/rollback/", {"force": True, "comment": "yes"}).status == 200


def test_who_waits_for_a_slot_says_for_which_and_who_holds_it(cast: Cast) -> None:
    job = cast.job("PRE:\n  - log: x\n    semaphore: s")
    holder = JobFactory.at("RUN", "running", environment=cast.environment)
    hidden = JobFactory.at("RUN", "running")
    semaphore = Semaphore.objects.create(name="s", slots=2)
    now = timezone.now()
    for one in (holder, hidden):
        SemaphoreRequest.objects.create(
            semaphore=semaphore, job=one, path="RUN/0", asked_at=now, granted_at=now
        )
    work(job)
    (blocker,) = api(cast, "qa1").get(f"jobs/{job.pk}/").json["blockers"]
    assert (blocker["kind"], blocker["detail"]) == (
        "semaphore",
        f"Waits for a slot of the semaphore s, held by {holder.name}.",
    )
