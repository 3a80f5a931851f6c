"""Section 10: environments, projects, natures, rules and who I am."""

import pytest

from jobs.models import ProjectEnvironment
from permissions.models import Environment
from tests.api import Api
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
    grant,
    user_with,
)

pytestmark = pytest.mark.django_db

SOURCE = """\
name: web-deploy
description: Build the shop
steps:
  PRE:
    - log: Builds
  RUN:
    - group:
        - log: One
        - log: Two
"""


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV", name="Development", position=1, variables={"port": 8001})


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD", position=2)


@pytest.fixture
def vera(dev: Environment) -> Api:
    return Api(user_with("view_monitor", environments=[dev], username="vera"))


@pytest.fixture
def nobody() -> Api:
    """Signed in, without any right."""
    return Api(UserFactory.create())


@pytest.fixture
def root() -> Api:
    return Api(UserFactory.create(is_superuser=True, username="root"))


def test_environments_are_those_i_may_view(vera: Api, nobody: Api, root: Api, prod: Environment) -> None:
    assert vera.get("environments/").json == {
        "next": None,
        "previous": None,
        "results": [
            {
                "code": "DEV", "name": "Development", "order": 1, "colour": "#64748b", "expiry": 86400,
                "expiry_urgent": 3600, "variables": {"port": 8001},
            }
        ],
    }  # fmt: skip
    assert vera.get("environments/DEV/").json["code"] == "DEV"
    assert vera.get("environments/PROD/").problem(404, "not_found") == vera.get("environments/NO/").json
    assert nobody.get("environments/").json["results"] == []
    assert [each["code"] for each in root.walk("environments/?limit=1")] == ["DEV", "PROD"]


def test_projects_are_for_those_who_see_an_environment(
    vera: Api, nobody: Api, root: Api, dev: Environment, prod: Environment
) -> None:
    shop = ProjectFactory.create(
        code="shop",
        name="The shop",
        repository="https://bot:hunter2@git.example.org/shop.git",
        variables={"a": 1},
    )
    ProjectFactory.create(code="app")
    for environment in (dev, prod):
        ProjectEnvironment.objects.create(
            project=shop, environment=environment, variables={"at": environment.code}
        )
    found = vera.get("projects/").json["results"]
    assert [project["code"] for project in found] == ["app", "shop"]
    assert found[1] == {
        "code": "shop", "name": "The shop", "repository": "https://***@git.example.org/shop.git",
            "credential": "", "username": "",
        "variables": {"a": 1}, "environments": {"DEV": {"variables": {"at": "DEV"}}},
    }  # fmt: skip
    assert vera.get("projects/shop/").json == found[1]
    assert set(root.get("projects/shop/").json["environments"]) == {"DEV", "PROD"}
    assert nobody.get("projects/").json["results"] == []
    nobody.get("projects/shop/").problem(404, "not_found")


def test_natures(vera: Api, nobody: Api) -> None:
    NatureFactory.create(code="python", name="Python", include=["*.py"], exclude=["tests/"])
    (nature,) = vera.get("natures/").json["results"]
    assert nature == {"code": "python", "name": "Python", "include": ["*.py"], "exclude": ["tests/"]}
    assert vera.get("natures/python/").json == nature
    assert nobody.get("natures/").json["results"] == []


def test_me(vera: Api, root: Api, dev: Environment, prod: Environment) -> None:
    ops = GroupFactory.create(name="ops")
    oscar = user_with("view_monitor", username="oscar", language="en", time_zone="Europe/London")
    oscar.groups.add(ops)
    grant(ops, "restart", environments=[prod])
    assert Api(oscar).get("me/").json == {
        "username": "oscar", "is_superuser": False, "language": "en", "time_zone": "Europe/London",
        "rights": {"DEV": ["view_monitor"], "PROD": ["view_monitor", "restart"]},
    }  # fmt: skip
    found = vera.get("me/").json
    assert (found["language"], found["time_zone"], found["rights"]) == (
        "es",
        "Europe/Madrid",
        {"DEV": ["view_monitor"]},
    )
    everything = ["view_monitor", "approve_all", "restart", "cancel", "delete", "create"]
    assert root.get("me/").json["rights"] == {"DEV": everything, "PROD": everything}


def test_a_right_without_view_monitor_does_not_count(dev: Environment) -> None:
    assert Api(user_with("restart", environments=[dev])).get("me/").json["rights"] == {}


def test_publishing_and_reading_rules(root: Api, vera: Api, nobody: Api) -> None:
    answer = root.post("rules/", {"source": SOURCE})
    rule = {
        "slug": "web-deploy", "name": "web-deploy", "description": "Build the shop", "version": 1, "source": SOURCE,
        "versions": [1],
    }  # fmt: skip
    assert (answer.status, answer.json) == (201, rule)
    assert vera.get(answer.response["Location"]).json == rule
    assert vera.get("rules/").json == {"next": None, "previous": None, "results": [rule]}
    assert nobody.get("rules/").json["results"] == []
    nobody.get("rules/web-deploy/").problem(404, "not_found")
    nobody.get("rules/web-deploy/versions/").problem(404, "not_found")

    changed = SOURCE.replace("Build the", "Builds the")
    second = root.post("rules/web-deploy/versions/", {"source": changed, "comment": "better"})
    assert (second.status, second.json["version"], second.json["comment"]) == (201, 2, "better")
    assert (second.json["author"], second.json["operations"]) == ("root", 3)
    found = vera.get("rules/web-deploy/").json
    assert (found["version"], found["versions"], found["description"]) == (2, [2, 1], "Builds the shop")
    pages = vera.walk("rules/web-deploy/versions/?limit=1")
    assert [(each["version"], each["source"]) for each in pages] == [(2, changed), (1, SOURCE)]


def test_rules_are_published_by_administrators_only(vera: Api) -> None:
    RuleFactory.create(slug="web-deploy")
    vera.post("rules/", {"source": SOURCE}).problem(403, "permission_denied")
    vera.post("rules/web-deploy/versions/", {"source": SOURCE}).problem(403, "permission_denied")


def test_a_rule_that_is_refused(root: Api) -> None:
    broken = SOURCE.replace("- log: Builds", "- lgo: Builds")
    (error,) = root.post("rules/", {"source": broken}).problem(400, "rule_invalid")["errors"]
    assert (error["field"], error["line"]) == ("source", 5)
    assert "log" in error["hint"]
    root.post("rules/", {"source": SOURCE})
    taken = root.post("rules/", {"source": SOURCE}).problem(409, "rule_exists")
    assert "rules/web-deploy/versions/" in taken["detail"]
    renamed = SOURCE.replace("web-deploy", "other")
    assert "other" in root.post("rules/web-deploy/versions/", {"source": renamed}).field_errors()["source"]
    root.post("rules/nowhere/versions/", {"source": SOURCE}).problem(404, "not_found")
    assert root.post("rules/", {"source": SOURCE, "sauce": 1}).field_errors() == {
        "sauce": "Unknown field. Did you mean source?"
    }
    assert root.post("rules/", {"source": 5}).field_errors().keys() == {"source"}
    assert root.post("rules/", {"source": "a: \x00"}).field_errors().keys() == {"source"}
    assert root.post("rules/", {}).field_errors().keys() == {"source"}


def test_validating_a_rule(vera: Api) -> None:
    assert vera.post("rules/validate/", {"source": SOURCE}).json == {
        "valid": True,
        "errors": [],
        "operations": 3,
    }
    found = vera.post("rules/validate/", {"source": SOURCE.replace("- log: One", "- lgo: One")}).json
    assert (found["valid"], found["operations"]) == (False, 0)
    (error,) = found["errors"]
    assert set(error) == {"line", "column", "message", "hint"}
    assert (error["line"], error["column"]) == (8, 11)
    for hopeless in ("{", "- 1", "a: &x [*x]", "steps: 5", "name: x"):
        answer = vera.post("rules/validate/", {"source": hopeless})
        assert (answer.status, answer.json["valid"]) == (200, False), hopeless


def test_validating_sees_the_rules_that_are_called(vera: Api) -> None:
    calling = SOURCE.replace("- log: Builds", "- rule: nowhere")
    (error,) = vera.post("rules/validate/", {"source": calling}).json["errors"]
    assert "nowhere" in error["message"]
