"""Section 10, ``POST jobs/`` with real workers: 201, and every refusal that only a worker can tell."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from jobs.models import Job, Project
from permissions.models import Environment
from tests.api import Api
from tests.conftest import Workers
from tests.engine import ended, rule
from tests.factories import EnvironmentFactory, ProjectFactory, user_with
from tests.repositories import make_repository

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def api(dev: Environment) -> Api:
    return Api(user_with("view_monitor", "create", environments=[dev], username="ana"))


@pytest.fixture
def crew(workers: Workers) -> Workers:
    started = [
        workers.start_worker(("jobs",), 1, wait=False),
        workers.start_worker(("daemon", "create"), 1, wait=False),
    ]
    for worker in started:
        worker.wait_ready()
    return workers


@pytest.fixture
def shop(dev: Environment, tmp_path: Path) -> tuple[Project, dict[str, str]]:
    """A project with a repository, and its commits by tag."""
    commits = make_repository(tmp_path / "shop", {"v1.0.0": "1.0.0", "v1.1.0": "1.1.0"})
    return ProjectFactory.create(code="shop", repository=str(tmp_path / "shop")), commits


def test_a_job_is_made_read_and_followed(
    api: Api, crew: Workers, shop: tuple[Project, dict[str, str]]
) -> None:
    rule(
        "web",
        """
        PRE:
          - run: echo building
            id: build
        RUN:
          - log: "{{ variables.colour }}"
        """,
    )
    answer = api.post(
        "jobs/",
        {
            "rule": "web", "environment": "DEV", "project": "shop", "revisions": [{"ref": "v1.1.0"}],
            "comment": "why", "variables": {"colour": "green"}, "urgent": True,
        },
    )  # fmt: skip
    assert answer.status == 201, answer.content
    made = answer.json
    assert answer.response["Location"] == f"http://testserver/api/v1/jobs/{made['id']}/"
    assert made["revisions"] == [{"ref": "v1.1.0", "sha": shop[1]["v1.1.0"]}]
    assert re.fullmatch(r"N\.DEV-\d{8}", made["name"])
    assert (made["created_by"], made["urgent"]) == ("ana", True)
    assert (made["comment"], made["variables"], made["type"]) == ("why", {"colour": "green"}, "promote")

    ended(Job.objects.get(pk=made["id"]))
    found = api.get(answer.response["Location"]).json
    assert (found["status"], found["step"], found["outcome"]) == ("finished", "END", "finished")
    assert found["progress"]["percent"] == 100
    assert found["blockers"] == []
    operations = api.get(f"jobs/{made['id']}/operations/").json["results"]
    assert [(each["path"], each["id"], each["status"]) for each in operations] == [
        ("PRE/0", "build", "completed"), ("RUN/0", "RUN/0", "completed"),
    ]  # fmt: skip
    assert all(each["seconds"] is not None for each in operations)
    said = [
        (entry["operation"], entry["text"]) for entry in api.get(f"jobs/{made['id']}/log/").json["results"]
    ]
    assert ("build", "building") in said
    assert ("RUN/0", "green") in said
    (record,) = api.get(f"jobs/{made['id']}/audit/").json["results"]
    assert (record["action"], record["user"], record["source"]) == ("create", "ana", "api")
    assert record["address"] == "127.0.0.1"


def test_check_that_refuses_is_422_with_the_rules_message(api: Api, crew: Workers) -> None:
    rule("strict", 'CHECK:\n  - fail: "Not on a Friday"')
    body = api.post("jobs/", {"rule": "strict", "environment": "DEV"}).problem(422, "check_failed")
    assert "Not on a Friday" in body["detail"]
    assert not Job.objects.exists()


def test_init_that_fails_is_201_at_end_in_error(api: Api, crew: Workers) -> None:
    rule("unlucky", "INIT:\n  - fail: No room")
    answer = api.post("jobs/", {"rule": "unlucky", "environment": "DEV"})
    assert (answer.status, answer.json["step"], answer.json["status"]) == (201, "END", "error")


def test_a_revision_that_is_under_way_is_409_and_names_the_job(
    api: Api, crew: Workers, shop: tuple[Project, dict[str, str]]
) -> None:
    rule("web", "RUN:\n  - log: done")
    body = {
        "rule": "web", "environment": "DEV", "project": "shop", "revisions": [{"ref": "v1.0.0"}],
        "scheduled_at": (timezone.now() + timedelta(days=300)).isoformat(),
    }  # fmt: skip
    first = api.post("jobs/", body).json
    refused = api.post("jobs/", body).problem(409, "revision_in_active_job")
    assert refused["job"] == {"id": first["id"], "name": first["name"]}
    assert first["name"] in refused["detail"]
    assert Job.objects.count() == 1


def test_an_unknown_revision_is_400(api: Api, crew: Workers, shop: tuple[Project, dict[str, str]]) -> None:
    rule("web", "RUN:\n  - log: done")
    errors = api.post(
        "jobs/", {"rule": "web", "environment": "DEV", "project": "shop", "revisions": [{"ref": "v9"}]}
    ).field_errors()
    assert list(errors) == ["revisions[0].ref"], errors
    assert not Job.objects.exists()


def test_without_a_worker_it_is_503_and_no_job(api: Api, broker: str, settings: Settings) -> None:
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 1
    rule("web", "RUN:\n  - log: done")
    api.post("jobs/", {"rule": "web", "environment": "DEV"}).problem(503, "no_worker")
    assert not Job.objects.exists()


def test_a_new_job_with_a_key_is_made_once(
    api: Api, broker: str, workers: Workers, settings: Settings
) -> None:
    rule("web", "RUN: [{log: x}]")
    body, key = {"rule": "web", "environment": "DEV"}, {"Idempotency-Key": "deploy-7"}
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 1
    api.post("jobs/", body, **key).problem(503, "no_worker")
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 20
    workers.start_worker(("daemon", "create"), 1)
    first, again = api.post("jobs/", body, **key), api.post("jobs/", body, **key)
    assert (first.status, again.status, first.content == again.content) == (201, 201, True)
    assert Job.objects.count() == 1
