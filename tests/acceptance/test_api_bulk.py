"""``jobs/bulk/``: an action on several jobs is the single action, job by job."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.actions.base import every_action
from jobs.actions.cancel import CancelJob
from jobs.api import bulk as api_bulk
from jobs.models import AuditRecord, Job, JobHold
from permissions.models import Environment
from tests.api import Answer, Api
from tests.factories import EnvironmentFactory, JobFactory, grant, user_with

pytestmark = pytest.mark.django_db

RIGHTS = ("view_monitor", "restart", "cancel", "delete")


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def api(dev: Environment) -> Api:
    return Api(user_with(*RIGHTS, environments=[dev], username="ana"))


def ask(api: Api, action: str, *jobs: Job, **more: Any) -> Answer:
    ids = {"ids": [job.pk for job in jobs]} if jobs else {}
    return api.post("jobs/bulk/", {"action": action, **ids, **more})


def at(environment: Environment, *state: str) -> Job:
    return JobFactory.at(*state, environment=environment, project=None)


def test_each_job_is_done_or_refused_for_itself(api: Api, dev: Environment) -> None:
    running, ended = at(dev, "RUN", "running"), at(dev, "END", "finished")
    weak, other = (at(EnvironmentFactory.create(), "RUN", "running") for _ in range(2))
    user = user_with(*RIGHTS, environments=[dev], username="eva")
    grant(user, "view_monitor", environments=[weak.environment])
    api = Api(user)
    answer = ask(api, "cancel", weak, running, ended, other, comment="too late")
    assert answer.status == 200
    assert answer.json["done"] == [
        {"id": running.pk, "name": running.name, "status": "cancelled", "attempt": 1}
    ]
    found = {each["id"]: each for each in answer.json["refused"]}
    assert list(found) == [weak.pk, ended.pk, other.pk], "in the order they were named"
    assert {key: each["code"] for key, each in found.items()} == {
        weak.pk: "right_missing",
        ended.pk: "transition_not_allowed",
        other.pk: "not_found",
    }
    assert found[weak.pk]["right"] == "action.job.cancel"
    assert ended.name in found[ended.pk]["detail"]
    assert found[other.pk]["name"] is None, "what one may not see has no name"
    record = AuditRecord.objects.get()
    assert (record.job_id, record.source, record.user, record.comment) == (
        running.pk,
        "api",
        "eva",
        "too late",
    )


def test_a_defect_at_one_job_undoes_nothing_of_the_others(
    api: Api, dev: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = (at(dev, "RUN", "running") for _ in range(3))
    perform = CancelJob.perform

    def breaks(self: CancelJob, job: Job, **params: Any) -> None:
        perform(self, job, **params)
        if job.pk == second.pk:
            raise RuntimeError("the secret inside")

    monkeypatch.setattr(CancelJob, "perform", breaks)
    answer = ask(api, "cancel", first, second, third)
    assert [each["id"] for each in answer.json["done"]] == [first.pk, third.pk]
    (refused,) = answer.json["refused"]
    assert (refused["id"], refused["code"]) == (second.pk, "internal_error")
    assert b"secret" not in answer.content
    assert "the secret inside" in caplog.text
    assert Job.objects.get(pk=second.pk).status == "running", "taken back"


def test_a_filter_means_what_the_list_shows(api: Api, dev: Environment) -> None:
    traps = [at(dev, "RUN", "trapped") for _ in range(2)]
    for environment, status in ((dev, "running"), (EnvironmentFactory.create(code="HIDDEN"), "trapped")):
        at(environment, "RUN", status)
    answer = ask(api, "cancel", filter={"status": "trapped", "environment": ["DEV", "HIDDEN"]})
    assert [each["id"] for each in answer.json["done"]] == [job.pk for job in traps]
    assert answer.json["refused"] == []
    again = ask(api, "cancel", filter={"status": ["trapped"]})
    assert (again.json["done"], again.json["refused"]) == ([], [])


def test_too_many_is_refused_as_a_whole_and_says_how_many(
    api: Api, dev: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [at(dev, "RUN", "running") for _ in range(3)]
    body = ask(api, "cancel", filter={"status": "running"}, limit=2).problem(400, "too_many")
    assert (body["matching"], body["limit"]) == (3, 2)
    assert set(Job.objects.values_list("status", flat=True)) == {"running"}
    assert len(ask(api, "cancel", filter={"status": "running"}, limit=3).json["done"]) == 3
    monkeypatch.setattr(api_bulk, "MOST_JOBS", 2)
    assert "numbers" in ask(api, "cancel", *jobs).field_errors()["ids"]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(api: Api, dev: Environment) -> None:
    ended, running = at(dev, "END", "error"), at(dev, "RUN", "running")
    before = list(Job.objects.order_by("id").values())
    answer = ask(api, "rerun", ended, running, dry_run=True)
    assert answer.json["dry_run"] is True
    assert answer.json["done"] == [{"id": ended.pk, "name": ended.name, "status": "ready", "attempt": 2}]
    assert answer.json["refused"][0]["code"] == "transition_not_allowed"
    assert list(Job.objects.order_by("id").values()) == before
    assert not AuditRecord.objects.exists()
    assert ask(api, "rerun", ended, running).json["done"] == answer.json["done"]


def test_a_job_that_is_not_as_it_was_seen_is_refused(api: Api, dev: Environment) -> None:
    first, second = at(dev, "RUN", "trapped"), at(dev, "RUN", "trapped")
    seen = {
        str(first.pk): {"attempt": 1, "status": "trapped"},
        str(second.pk): {"attempt": 1, "status": "trap_paused"},
    }
    answer = ask(api, "cancel", first, second, seen=seen)
    assert [each["id"] for each in answer.json["done"]] == [first.pk]
    assert answer.json["refused"][0]["code"] == "job_changed"


def test_sent_twice_with_a_key_it_is_done_once(api: Api, dev: Environment) -> None:
    body = {"action": "rerun", "ids": [at(dev, "END", "error").pk], "step": "PRE"}
    first, again = (api.post("jobs/bulk/", body, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json == again.json
    assert again.response["Idempotent-Replayed"] == "true"
    assert Job.objects.get().attempt == 2


def test_deleting_several(api: Api, dev: Environment) -> None:
    jobs = [at(dev, "END", "finished") for _ in range(2)]
    assert [each["id"] for each in ask(api, "delete", *jobs).json["done"]] == [job.pk for job in jobs]
    assert not Job.objects.exists()


def test_bad_input_of_one_job_is_a_refusal_of_it(api: Api, dev: Environment) -> None:
    job = at(dev, "END", "error")
    (refused,) = ask(api, "rerun", job, step="RUN", from_operation="nowhere").json["refused"]
    assert refused["code"] == "invalid"
    assert refused["errors"][0]["field"] == "from_operation"


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "action", "required"),
        ({"action": "cancle", "ids": [1]}, "action", "Did you mean cancel?"),
        ({"action": "trap", "ids": [1]}, "action", "Unknown value"),
        ({"action": "cancel"}, "ids", "either"),
        ({"action": "cancel", "ids": [1], "filter": {"status": "ready"}}, "ids", "either"),
        ({"action": "cancel", "ids": []}, "ids", "1 to"),
        ({"action": "cancel", "ids": [1, 2, 1]}, "ids", "1 stands here twice"),
        ({"action": "cancel", "ids": ["1"]}, "ids", "numbers"),
        ({"action": "cancel", "ids": [True]}, "ids", "numbers"),
        ({"action": "cancel", "ids": [-1]}, "ids", "numbers"),
        ({"action": "cancel", "ids": 1}, "ids", "list"),
        ({"action": "cancel", "ids": [1], "dry_run": 1}, "dry_run", "true or false"),
        ({"action": "cancel", "ids": [1], "limit": 0}, "limit", "1"),
        ({"action": "cancel", "ids": [1], "limit": "5"}, "limit", "integer"),
        ({"action": "cancel", "ids": [1], "step": "PRE"}, "step", "does not take"),
        ({"action": "cancel", "ids": [1], "dryrun": True}, "dryrun", "Did you mean dry_run?"),
        ({"action": "comment", "ids": [1]}, "text", "required"),
        ({"action": "reschedule", "ids": [1]}, "scheduled_at", "required"),
        ({"action": "reschedule", "ids": [1], "scheduled_at": "soon"}, "scheduled_at", "ISO 8601"),
        ({"action": "cancel", "ids": [1], "seen": []}, "seen", "object"),
        ({"action": "cancel", "ids": [1], "seen": {"x": {}}}, "seen.x", "number"),
        ({"action": "cancel", "ids": [1], "seen": {"1": {"attempt": 1}}}, "seen.1.status", "required"),
        (
            {"action": "cancel", "ids": [1], "seen": {"2": {"attempt": 1, "status": "ready"}}},
            "seen",
            "Not among",
        ),
        ({"action": "cancel", "filter": {}}, "filter", "at least one"),
        ({"action": "cancel", "filter": []}, "filter", "object"),
        ({"action": "cancel", "filter": {"status": ""}}, "filter.status", "none of them empty"),
        ({"action": "cancel", "filter": {"status": []}}, "filter.status", "none of them empty"),
        ({"action": "cancel", "filter": {"status": "redy"}}, "filter.status", "Did you mean ready?"),
        ({"action": "cancel", "filter": {"statu": "ready"}}, "filter.statu", "Did you mean status?"),
        ({"action": "cancel", "filter": {"q": ["a", "b"]}}, "filter.q", "once"),
        ({"action": "cancel", "filter": {"q": 5}}, "filter.q", "text"),
        ({"action": "cancel", "filter": {"created_after": "2026"}}, "filter.created_after", "ISO 8601"),
    ],
)
def test_bad_input_is_named_and_nothing_is_done(
    api: Api, dev: Environment, body: dict[str, Any], field: str, says: str
) -> None:
    job = at(dev, "RUN", "running")
    assert says in api.post("jobs/bulk/", body).field_errors()[field]
    job.refresh_from_db()
    assert job.status == "running"


def test_every_action_is_there_and_takes_what_it_takes_alone() -> None:
    assert set(api_bulk.ACTIONS) == set(every_action())
    own = set(api_bulk.BulkSerializer().fields)
    for key in api_bulk.ACTIONS:
        assert set(api_bulk.parameters(key)) <= own, key


def test_several_jobs_are_held_and_released(api: Api, dev: Environment) -> None:
    jobs = [at(dev, "END", "finished") for _ in range(2)]
    for action, is_held in (("hold", True), ("release", False)):
        answer = ask(api, action, *jobs, comment="the auditors ask")
        assert [each["id"] for each in answer.json["done"]] == [job.pk for job in jobs], answer.json
        assert JobHold.objects.filter(job__in=jobs).count() == (len(jobs) if is_held else 0)
        assert AuditRecord.objects.filter(action=action, job_id__in=[job.pk for job in jobs]).count() == len(
            jobs
        )


def test_numbers_no_job_can_have_are_not_found(api: Api) -> None:
    answer = api.post("jobs/bulk/", {"action": "cancel", "ids": [2**63, 10**30, 0]})
    assert {each["code"] for each in answer.json["refused"]} == {"not_found"}


def test_what_it_costs_grows_by_the_jobs_alone(api: Api, dev: Environment) -> None:
    jobs = [at(dev, "RUN", "running") for _ in range(10)]
    with CaptureQueriesContext(connection) as one:
        ask(api, "cancel", jobs[0])
    with CaptureQueriesContext(connection) as others:
        ask(api, "cancel", *jobs[1:])
    assert len(others) - len(one) <= 8 * (len(one) - 4)
