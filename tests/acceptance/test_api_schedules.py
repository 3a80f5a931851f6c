"""Section 10: schedules are read by those who see their environment and written as in the administration."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from jobs import schedules
from jobs.models import AuditRecord, CreationRequest, Schedule, ScheduleRun
from permissions.models import Environment, User
from tests.api import Answer, Api
from tests.cases import in_one_test
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    ProjectFactory,
    RuleFactory,
    ScheduleFactory,
    UserFactory,
    grant,
    user_with,
)

pytestmark = pytest.mark.django_db

WHOLE: dict[str, Any] = {
    "name": "nightly", "enabled": True, "owner": "root", "rule": "web", "environment": "DEV", "project": "shop",
    "type": "promote", "revisions": [{"ref": "main"}], "urgent": False, "comment": "each night", "variables": {"depth": 3},
    "delay": 900, "cron": "30 2 * * 1-5", "every": None, "time_zone": "Europe/Madrid", "starts_at": None,
    "ends_at": "2031-01-01T00:00:00Z", "overlap": "allow", "catch_up": "none",
}  # fmt: skip
READ_ONLY = {"created_at", "next_run_at", "last_run", "next_runs"}


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def root(dev: Environment, prod: Environment) -> Api:
    RuleFactory.create(slug="web")
    ProjectFactory.create(code="shop", repository="/srv/shop.git")
    return Api(UserFactory.create(is_superuser=True, username="root"))


@pytest.fixture
def sara(dev: Environment, prod: Environment) -> User:
    """Staff with Django's permissions, who may create jobs in DEV."""
    user: User = user_with("view_monitor", "create", environments=[dev], is_staff=True, username="sara")
    found = Permission.objects.filter(content_type__app_label="jobs", codename__endswith="_schedule")
    user.user_permissions.set(found)
    return user


def patch(api: Api, body: Any, name: str = "nightly") -> Answer:
    return api.call("PATCH", f"schedules/{name}/", json.dumps(body))


def told(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.json.items() if name not in READ_ONLY}


def few(**changes: Any) -> dict[str, Any]:
    return {"name": "nightly", "rule": "web", "environment": "DEV", "cron": "@daily", **changes}


def test_what_is_made_is_what_is_read_and_can_be_sent_back(root: Api) -> None:
    made = root.post("schedules/", WHOLE)
    assert (made.status, told(made)) == (201, WHOLE)
    assert root.get(made.response["Location"]).json == made.json
    assert len(made.json["next_runs"]) >= 5
    assert made.json["next_runs"][0] == made.json["next_run_at"]
    assert told(patch(root, WHOLE)) == told(patch(root, {})) == WHOLE
    changed = patch(root, {"every": "2h", "project": None, "revisions": [], "delay": None})
    assert (changed.json["every"], changed.json["cron"]) == (7200, None)
    assert (changed.json["project"], changed.json["revisions"], changed.json["delay"]) == (None, [], None)
    off = patch(root, {"enabled": False}).json
    assert (off["enabled"], off["next_run_at"], off["next_runs"]) == (False, None, [])
    (listed,) = root.walk("schedules/?environment=DEV&rule=web")
    assert listed.items() <= off.items()
    assert root.walk("schedules/?environment=PROD") == root.walk("schedules/?project=shop") == []
    assert root.call("DELETE", "schedules/nightly/").status == 204
    for method in ("GET", "PATCH", "DELETE"):
        root.call(method, "schedules/nightly/", "{}").problem(404, "not_found")
    records = AuditRecord.objects.filter(user="root", source="api").order_by("pk")
    actions = list(records.values_list("action", flat=True))
    assert actions == ["create_schedule", "change_schedule", "change_schedule", "delete_schedule"]
    assert records[0].environment == "DEV"


def test_it_comes_by_hand_and_tells_what_came_of_it(root: Api, dev: Environment) -> None:
    root.post("schedules/", few())
    assert root.get("schedules/nightly/").json["last_run"] is None
    asked = root.post("schedules/nightly/run_now/", {})
    assert (asked.status, asked.json["result"], asked.json["by_hand"]) == (202, "waiting", True)
    root.post("schedules/nightly/run_now/", {"when": "now"}).problem(400, "invalid")
    root.post("schedules/nope/run_now/", {}).problem(404, "not_found")
    request = schedules.take(timezone.now() + timedelta(seconds=1))
    assert isinstance(request, CreationRequest)
    assert request.actor.username == "root"
    job = JobFactory.create(environment=dev)
    ScheduleRun.objects.update(result="created", job=job, at=timezone.now(), look_at=None)
    run = root.get("schedules/nightly/").json["last_run"]
    assert (run["result"], run["job"], run["job_name"]) == ("created", job.pk, job.name)


def test_who_sees_the_environment_reads(root: Api, dev: Environment, prod: Environment) -> None:
    near, far = ScheduleFactory.create(environment=dev), ScheduleFactory.create(environment=prod)
    ana = user_with("view_monitor", "create", environments=[dev])
    hidden = JobFactory.create(environment=prod)
    ScheduleRun.objects.create(
        schedule=near, due_at=timezone.now(), result="created", job=hidden, at=timezone.now()
    )
    (seen,) = Api(ana).walk("schedules/")
    assert (seen["name"], seen["last_run"]["job"], seen["last_run"]["job_name"]) == (near.name, None, None)
    there, not_there = (Api(ana).get(f"schedules/{name}/") for name in (far.name, "nope"))
    assert there.problem(404, "not_found") == not_there.problem(404, "not_found")
    assert Api(ana).walk("schedules/?environment=PROD") == []
    assert [each["name"] for each in root.walk("schedules/?limit=1")] == sorted([near.name, far.name])
    limited = Api(User.objects.get(username="root"), environments=["PROD"])
    assert [each["name"] for each in limited.walk("schedules/")] == [far.name]
    for api in (Api(ana), limited):
        for method, path in (
            ("POST", ""),
            ("PATCH", f"{near.name}/"),
            ("DELETE", f"{near.name}/"),
            ("POST", f"{near.name}/run_now/"),
        ):
            api.call(method, f"schedules/{path}", "{}").problem(403, "permission_denied")
    Api().get("schedules/").problem(401, "not_authenticated")


def test_staff_write_where_they_may_create_jobs(root: Api, sara: User, prod: Environment) -> None:
    api = Api(sara)
    assert api.post("schedules/", few()).json["owner"] == "sara"
    hidden = api.post("schedules/", few(name="other", environment="PROD")).field_errors()
    assert hidden["environment"].startswith("Unknown environment: PROD.")
    assert api.post("schedules/", few(name="other", owner="root")).field_errors().keys() == {"owner"}
    grant(sara, "view_monitor", environments=[prod])
    refused = api.post("schedules/", few(name="other", environment="PROD")).problem(403, "right_missing")
    assert refused["right"] == "action.job.create"
    patch(api, {"environment": "PROD"}).problem(403, "right_missing")
    root.post("schedules/", few(name="theirs", environment="PROD"))
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "run_now/")):
        api.call(method, f"schedules/theirs/{path}", "{}").problem(403, "right_missing")
    assert root.get("schedules/nightly/").json["environment"] == "DEV"
    Schedule.objects.filter(name="nightly").update(owner=User.objects.get(username="root"))
    assert patch(api, {"enabled": False}).json["owner"] == "root", "to switch is not to own"
    assert patch(api, {"enabled": True}).json["owner"] == "sara", (
        "jobs come in the name of who lets them come"
    )
    Schedule.objects.filter(name="nightly").update(owner=User.objects.get(username="root"))
    assert patch(api, {"comment": "mine"}).json["owner"] == "sara"


def test_what_came_of_runs_elsewhere_is_not_told(root: Api, dev: Environment, prod: Environment) -> None:
    root.post("schedules/", few(environment="PROD"))
    schedule = Schedule.objects.get()
    now = timezone.now()
    ScheduleRun.objects.create(
        schedule=schedule,
        due_at=now,
        result="skipped",
        message="The job N.PROD-1 of this schedule is active.",
        at=now,
    )
    assert patch(root, {"comment": "x"}).json["last_run"]["message"].startswith("The job N.PROD-1")
    moved = patch(root, {"environment": "DEV"})
    assert moved.json["last_run"]["message"] == "It ran in another environment."


def test_what_could_create_no_job_is_only_switched(root: Api, dev: Environment) -> None:
    ScheduleFactory.create(name="nightly", environment=dev)  # its owner holds no right
    assert patch(root, {"enabled": False}).status == 200
    errors = patch(root, {"comment": "x"}).field_errors()
    assert "may not create jobs in DEV" in errors["owner"]


def test_a_name_is_taken_in_any_case(root: Api) -> None:
    root.post("schedules/", few())
    (error,) = root.post("schedules/", few(name="NIGHTLY")).problem(409, "name_taken")["errors"]
    assert (error["field"], error["message"]) == ("name", "The name NIGHTLY is taken.")
    assert patch(root, {"name": "other"}).field_errors().keys() == {"name"}


@in_one_test(
    ("changes", "field"),
    [
        *(({"name": x}, "name") for x in (None, 5, "", "a b", "a\x00", "x" * 51)),
        *(({"owner": x}, "owner") for x in (None, 5, "nobody", "r\x00")),
        *(({"rule": x}, "rule") for x in (None, 5, "wep", "w\x00")),
        *(({"environment": x}, "environment") for x in (None, "dev", "D\x00", ["DEV"])),
        *(({"project": x}, "project") for x in (5, "shoop", "s\x00")),
        *(({"type": x}, "type") for x in (None, "promot", 5)),
        *(({"revisions": x}, "revisions") for x in ("main", ["main"], None)),
        ({"revisions": [{"ref": "main"}]}, "project"),
        *(({"urgent": x}, "urgent") for x in (None, "no", 0)),
        *(({"variables": x}, "variables") for x in (None, {"a": 10**30}, {"a": "\x00"})),
        *(({"delay": x}, "delay") for x in (-1, "1w", True, 10**30, "366d")),
        *(({"cron": x}, "cron") for x in ("", None, 5, "99 * * * *", "* * *", "x" * 101, "\x00")),
        *(({"cron": None, "every": x}, "every") for x in (59, 10**30, 1.5, "-1h", "400d")),
        ({"every": 600}, "every"),
        *(({"time_zone": x}, "time_zone") for x in (None, "Europe/Madrit", "", 5)),
        *(({"starts_at": x}, "starts_at") for x in ("soon", 5, "2026-01-01T00:00", "9999-01-01T00:00Z", "0001-01-02T00:00Z")),
        ({"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2029-01-01T00:00:00Z"}, "ends_at"),
        ({"overlap": "skp"}, "overlap"),
        ({"catch_up": "latst"}, "catch_up"),
        ({"next_run_at": None}, "next_run_at"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field_and_makes_nothing(root: Api, changes: dict[str, Any], field: str) -> None:
    errors = root.post("schedules/", few(**changes)).field_errors()
    assert field in {name.partition("[")[0].partition(".")[0] for name in errors}
    assert not Schedule.objects.exists()


def test_what_was_meant_is_said(root: Api) -> None:
    errors = root.post("schedules/", few(rule="wep", environment="DVE", project="shoop")).field_errors()
    for field, near in (("rule", "web"), ("environment", "DEV"), ("project", "shop")):
        assert f"Did you mean {near}?" in errors[field]
    assert "Did you mean latest?" in root.post("schedules/", few(catch_up="latst")).field_errors()["catch_up"]
