"""Section 10, jobs: list, summary and read."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.audit import Actor, record
from jobs.choices import StatusChoice
from jobs.lifecycle import Event
from jobs.models import Job
from permissions.models import Environment
from tests.api import Api
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
    happen,
    moment,
    user_with,
)

pytestmark = pytest.mark.django_db

LISTED = {
    "id", "name", "type", "rule", "rule_version", "environment", "project", "revisions", "natures", "status", "step",
    "outcome", "attempt", "urgent", "comment", "variables", "created_by", "created_at", "scheduled_at",
    "max_start_at", "started_at", "finished_at", "rollback", "progress",
}  # fmt: skip


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def api(dev: Environment) -> Api:
    """A user who sees DEV only."""
    return Api(user_with("view_monitor", environments=[dev], username="vera"))


def test_a_job_in_a_list_has_all_of_section_2(api: Api, dev: Environment) -> None:
    nature = NatureFactory.create(code="python")
    variables = {
        "a": {"value": [1, "é"], "origin": "job"},
        "b": {"value": 2, "origin": "environment"},
    }
    job = JobFactory.at(
        "RUN", "ready", environment=dev, now=moment(), project=ProjectFactory.create(code="shop"), natures=[nature],
        revisions=["v1.1.0"], variables=variables, comment="why", urgent=True, name="N.DEV-1",
        rule=RuleFactory.create(slug="web"), created_by=UserFactory.create(username="ana"),
        scheduled_at=moment("2026-03-01T12:00"),
    )  # fmt: skip
    (row,) = api.get("jobs/").json["results"]
    assert set(row) == LISTED
    sha = job.revisions.get().sha
    assert row == {
        "id": job.pk, "name": "N.DEV-1", "type": "promote", "rule": "web", "rule_version": 1, "environment": "DEV",
        "project": "shop", "revisions": [{"ref": "v1.1.0", "sha": sha}], "natures": ["python"], "status": "ready",
        "step": "RUN", "outcome": None, "attempt": 1, "urgent": True, "comment": "why", "variables": {"a": [1, "é"]},
        "created_by": "ana", "created_at": "2026-03-01T10:00:00Z", "scheduled_at": "2026-03-01T12:00:00Z",
        "max_start_at": "2026-03-02T12:00:00Z", "started_at": "2026-03-01T10:00:00Z", "finished_at": None,
        "rollback": "none",
        "progress": {
            "operations_done": 0, "operations_expected": 3, "percent": 0, "basis": "tree", "eta": None,
        },
    }  # fmt: skip


def test_one_job_has_actions_trap_approval_and_blockers_on_top(api: Api, dev: Environment) -> None:
    job = JobFactory.at("PRE", "running", environment=dev, project=None)
    found = api.get(f"jobs/{job.pk}/").json
    assert set(found) == LISTED | {"actions", "trap", "approval", "blockers"}
    assert (found["project"], found["revisions"], found["trap"], found["approval"]) == (None, [], None, None)
    assert (found["actions"], found["blockers"]) == (["comment"], [])


def test_a_job_of_a_hidden_environment_does_not_exist(api: Api, dev: Environment, prod: Environment) -> None:
    seen, hidden = JobFactory.create(environment=dev), JobFactory.create(environment=prod)
    assert api.get("jobs/").ids == [seen.pk]
    assert api.get("jobs/?environment=PROD").ids == []
    assert api.get(f"jobs/?q={hidden.name}").ids == []
    assert api.get("jobs/summary/").json["total"] == 1
    for path in ("", "log/", "log/download/", "operations/", "audit/"):
        shown = api.get(f"jobs/{hidden.pk}/{path}").problem(404, "not_found")
        never = api.get(f"jobs/{hidden.pk + 1000}/{path}").problem(404, "not_found")
        assert shown["detail"].replace(str(hidden.pk), "") == never["detail"].replace(
            str(hidden.pk + 1000), ""
        )


def test_every_filter_keeps_what_it_says(api: Api, dev: Environment) -> None:
    nature = NatureFactory.create(code="python")
    wanted = JobFactory.at(
        "END", "finished", environment=dev, now=moment("2026-05-01T00:00"), natures=[nature], type="demote",
        project=ProjectFactory.create(code="shop"), rule=RuleFactory.create(slug="web"), comment="needle in hay",
        created_by=UserFactory.create(username="ana"), revisions=["v7"],
    )  # fmt: skip
    other = JobFactory.at("PRE", "ready", environment=dev, now=moment("2026-04-01T00:00"))
    sha = wanted.revisions.get().sha
    for only_wanted in (
        "status=finished", "step=END", "type=demote", "environment=DEV&project=shop", "nature=python", "rule=web",
        "created_by=ana", "q=NEEDLE", f"q={sha[:9]}", "q=v7", f"q={wanted.name}",
        "status=finished&status=error", "created_after=2026-05-01T00:00:00Z",
        "scheduled_after=2026-05-01T02:00:00%2B02:00", "scheduled_after=2026-05-01T02:00:00+02:00",
        "started_after=2026-04-30T00:00:00Z", "finished_before=2026-05-02T00:00:00Z",
        "exclude_status=ready", "exclude_step=PRE&exclude_step=RUN", "exclude_type=promote", "q=hay+NEED", 'q="in hay" v7',
        f"exclude_rule={other.rule.slug}", f"exclude_created_by={other.created_by.username}",
    ):  # fmt: skip
        assert api.get(f"jobs/?{only_wanted}").ids == [wanted.pk], only_wanted
    for none in (
        "nature=other",
        "project=shop&status=ready",
        "finished_before=2026-05-01T00:00:00Z",
        "q=%25",
        'q="hay needle"',
        "project=shop&exclude_nature=python",
        "exclude_environment=DEV",
        "status=finished&exclude_status=finished",
    ):
        assert api.get(f"jobs/?{none}").ids == [], none
    assert wanted.pk in api.get(f"jobs/?q={wanted.pk}").ids
    for other_alone in (
        "exclude_nature=python",
        "exclude_project=shop",
        "exclude_rule=web&exclude_status=error",
    ):
        assert api.get(f"jobs/?{other_alone}").ids == [other.pk], other_alone
    assert api.get("jobs/?created_before=2026-05-01T00:00:00Z").ids == [other.pk]


def test_summary_counts_under_the_same_filters(api: Api, dev: Environment, prod: Environment) -> None:
    JobFactory.at("END", "finished", environment=dev)
    JobFactory.at("PRE", "ready", environment=dev, type="static")
    JobFactory.create(environment=prod)
    found = api.get("jobs/summary/").json
    assert found["total"] == 2
    assert found["by_status"] == {**dict.fromkeys(StatusChoice.values, 0), "finished": 1, "ready": 1}
    assert api.get("jobs/summary/?type=static").json["total"] == 1
    assert api.get("jobs/summary/?limit=3").field_errors().keys() == {"limit"}


@pytest.mark.parametrize("column", ["id", "created_at", "scheduled_at", "started_at", "finished_at"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_in_any_order_hold_every_job_once(api: Api, dev: Environment, column: str, sign: str) -> None:
    common = {
        "environment": dev,
        "rule": RuleFactory.create(),
        "project": None,
        "created_by": UserFactory.create(),
    }
    for hours, (step, status) in enumerate([("PRE", "ready"), ("END", "finished"), ("RUN", "cancelled")] * 3):
        JobFactory.at(step, status, now=moment() + timedelta(hours=hours % 4), **common)
    rows = api.walk(f"jobs/?limit=2&ordering={sign}{column}")
    expected = Job.objects.order_by(f"{sign}{column}", f"{sign}id").values_list("pk", flat=True)
    assert [row["id"] for row in rows] == list(expected)


def test_pages_lead_both_ways_by_full_addresses(api: Api, dev: Environment) -> None:
    for _ in range(5):
        JobFactory.create(environment=dev, project=None)
    first = api.get("jobs/?limit=2&status=running")
    second = api.get(first.json["next"])
    assert first.json["previous"] is None
    assert first.json["next"].startswith("http://testserver/api/v1/jobs/?")
    assert api.get(second.json["previous"]).ids == first.ids
    assert set(first.ids).isdisjoint(second.ids)


def test_a_list_costs_the_same_queries_however_long_it_is(api: Api, dev: Environment) -> None:
    counts = []
    # The first use of a token is written down.
    api.get("me/")
    for more in (2, 10):
        for _ in range(more):
            JobFactory.at("PRE", "ready", environment=dev, natures=[NatureFactory.create()])
        with CaptureQueriesContext(connection) as queries:
            assert api.get("jobs/").status == 200
        counts.append(len(queries))
    # Token, rights, the numbers of the jobs, what they are with revisions and natures.
    assert counts == [4, 4]


def test_actions_are_the_table_and_the_rights(dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    may = Api(user_with("view_monitor", "cancel", environments=[dev]))
    known = api_actions(may, job)
    assert known <= {"cancel", "comment"}
    assert not api_actions(Api(user_with("view_monitor", environments=[dev])), job) - {"comment"}


def api_actions(api: Api, job: Job) -> set[str]:
    return set(api.get(f"jobs/{job.pk}/").json["actions"])


def test_blockers_say_why_it_waits(api: Api, dev: Environment) -> None:
    user_with("view_monitor", "restart", environments=[dev], username="oscar")
    later = moment("2999-01-01T00:00")
    job = JobFactory.at("RUN", "ready", environment=dev, now=moment(), scheduled_at=later)
    schedule, daemon = api.get(f"jobs/{job.pk}/").json["blockers"]
    assert schedule == {
        "kind": "schedule", "detail": "RUN waits for its scheduled date.", "since": "2026-03-01T10:00:00Z",
        "until": "2999-01-01T00:00:00Z", "who": ["user:oscar"],
    }  # fmt: skip
    assert (daemon["kind"], daemon["who"]) == ("daemon", [])


def test_the_audit_of_a_job(api: Api, dev: Environment) -> None:
    job = JobFactory.create(environment=dev)
    actor = Actor(UserFactory.create(username="ana"), "api", "10.0.0.1")
    kept = record(actor, "create", job, now=moment(), comment="because")
    happen(job, Event.STEP_OK)
    page = api.get(f"jobs/{job.pk}/audit/").json
    assert (page["next"], page["previous"]) == (None, None)
    assert page["results"] == [
        {
            "id": kept.pk, "at": "2026-03-01T10:00:00Z", "user": "ana", "action": "create", "from_status": None,
            "to_status": "running", "step": "INIT", "attempt": 1, "comment": "because", "source": "api",
            "address": "10.0.0.1",
        }
    ]  # fmt: skip


def test_operations_come_in_pages(api: Api, dev: Environment) -> None:
    steps = "\n".join(f"    - log: line {number}" for number in range(60))
    job = JobFactory.at(
        "RUN",
        "ready",
        environment=dev,
        rule=RuleFactory.create(source=f"name: {{slug}}\nsteps:\n  RUN:\n{steps}\n"),
    )
    first = api.get(f"jobs/{job.pk}/operations/").json
    assert len(first["results"]) == 50
    second = api.get(first["next"]).json
    assert api.get(second["previous"]).json["results"] == first["results"]
    assert (first["previous"], second["next"]) == (None, None)
    walked = api.walk(f"jobs/{job.pk}/operations/?limit=7&attempt=1")
    assert [each["path"] for each in walked] == [f"RUN/{number}" for number in range(60)]
    assert walked[0] == {
        "path": "RUN/0", "id": "RUN/0", "name": "log", "key": "log", "step": "RUN", "status": "pending",
        "started_at": None, "finished_at": None, "seconds": None, "usual_seconds": None,
    }  # fmt: skip
    assert "attempt 1" in api.get(f"jobs/{job.pk}/operations/?attempt=2").field_errors()["attempt"]
