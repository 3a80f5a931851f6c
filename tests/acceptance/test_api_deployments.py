"""Section 10: environment × project → revision, job, since; of the environments that one may see."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.lifecycle import Event
from jobs.models import Job, Project
from permissions.models import Environment
from tests.api import Api
from tests.cases import in_one_test
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, UserFactory, happen, user_with

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(microsecond=0) - timedelta(days=10)


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def shop() -> Project:
    return ProjectFactory.create(code="shop")


@pytest.fixture
def root(dev: Environment, shop: Project) -> Api:
    return Api(UserFactory.create(is_superuser=True))


def finished(
    where: Environment, what: Project | None, ref: str, hours: float, sha: str = "", **fields: Any
) -> Job:
    """Return a job that finished so many hours after the beginning."""
    at = NOW + timedelta(hours=hours)
    revision = (ref, sha) if sha else ref
    return JobFactory.at(
        "END", "finished", now=at, environment=where, project=what, revisions=[revision], **fields
    )


def undo(job: Job, hours: float, outcome: Event = Event.ASKED_UNDONE) -> None:
    """Let somebody ask for the rollback of a job, which ends so many hours after the beginning."""
    for event in (Event.ASK_ROLLBACK, outcome):
        happen(job, event, now=NOW + timedelta(hours=hours))


def refs(api: Api, query: str = "") -> dict[tuple[str, str], str]:
    return {
        (row["environment"], row["project"]): row["revision"]["ref"]
        for row in api.walk(f"deployments/{query}")
    }


def moment(hours: float) -> str:
    at: datetime = NOW + timedelta(hours=hours)
    return at.isoformat().replace("+00:00", "Z")


def test_the_last_job_that_finished_counts(root: Api, dev: Environment, shop: Project) -> None:
    assert root.get("deployments/").json["results"] == []
    newer = finished(dev, shop, "v2", 5)
    finished(dev, shop, "v1", 3)
    for step, status in (("RUN", "ready"), ("END", "error"), ("RUN", "cancelled")):
        JobFactory.at(step, status, environment=dev, project=shop, revisions=["v3"])
    finished(dev, None, "none", 6)
    JobFactory.at("END", "finished", environment=dev, project=shop, revisions=[])
    revision = {"ref": "v2", "sha": newer.revisions.get().sha}
    assert root.get("deployments/").json["results"] == [
        {
            "environment": "DEV", "project": "shop", "revision": revision, "revisions": [revision],
            "job": newer.pk, "job_name": newer.name, "since": moment(5),
            "newer_in": None,
        }
    ]  # fmt: skip


def test_what_was_rolled_back_restores_the_one_before(root: Api, dev: Environment, shop: Project) -> None:
    finished(dev, shop, "v1", 1)
    second = finished(dev, shop, "v2", 2)
    assert refs(root) == {("DEV", "shop"): "v2"}
    undo(second, 3, Event.ASKED_UNDO_FAILED)
    assert refs(root) == {("DEV", "shop"): "v2"}, "who failed to take it away left it there"
    undo(second, 4)
    assert refs(root) == {("DEV", "shop"): "v1"}


def test_what_was_backed_out_restores_the_one_before(root: Api, dev: Environment, shop: Project) -> None:
    finished(dev, shop, "v1", 1)
    second = finished(dev, shop, "v2", 2)
    finished(dev, shop, "v2", 2.5, type="demote")
    assert refs(root) == {("DEV", "shop"): "v2"}, "another commit is another revision"
    sha = second.revisions.get().sha
    back = finished(dev, shop, "v2", 3, sha, type="demote")
    assert refs(root) == {("DEV", "shop"): "v1"}
    assert refs(root, f"?at={moment(2.7)}") == {("DEV", "shop"): "v2"}
    undo(back, 3.5)
    assert refs(root) == {("DEV", "shop"): "v2"}, "what was undone backs nothing out"
    finished(dev, shop, "v2", 3.6, sha, type="demote")
    finished(dev, shop, "v2", 4, sha)
    assert refs(root) == {("DEV", "shop"): "v2"}, "what is backed out may come again"


def test_what_was_deployed_then(root: Api, dev: Environment, shop: Project) -> None:
    finished(dev, shop, "v1", 1)
    finished(dev, shop, "v2", 2)
    for hours, ref in ((0.5, None), (1, "v1"), (1.5, "v1"), (2, "v2"), (9, "v2")):
        assert refs(root, f"?at={moment(hours)}").get(("DEV", "shop")) == ref


def test_each_place_says_which_environment_got_something_else_later(
    root: Api, dev: Environment, shop: Project
) -> None:
    prod, hidden = (EnvironmentFactory.create(code=code) for code in ("PROD", "SECRET"))
    finished(prod, shop, "v1", 1)
    same = finished(dev, shop, "v2", 2)
    finished(prod, ProjectFactory.create(code="api"), "v9", 9)
    finished(hidden, shop, "v3", 3)

    def newer(api: Api, query: str = "") -> dict[tuple[str, str], str | None]:
        rows = api.walk(f"deployments/{query}")
        return {(row["environment"], row["project"]): row["newer_in"] for row in rows}

    everywhere = {
        ("DEV", "shop"): "SECRET",
        ("PROD", "api"): None,
        ("PROD", "shop"): "SECRET",
        ("SECRET", "shop"): None,
    }
    assert newer(root) == newer(root, "?limit=1") == everywhere
    assert newer(root, "?environment=PROD&project=shop") == {("PROD", "shop"): "SECRET"}
    ana = Api(user_with("view_monitor", environments=[dev, prod]))
    assert newer(ana) == {("DEV", "shop"): None, ("PROD", "api"): None, ("PROD", "shop"): "DEV"}
    assert newer(ana, f"?at={moment(1.5)}") == {("PROD", "shop"): None}
    finished(prod, shop, "v2", 4, same.revisions.get().sha)
    assert set(newer(ana).values()) == {None}, "the same commit is no newer one"


def test_filters_and_pages(root: Api, dev: Environment, shop: Project) -> None:
    places = [dev, *(EnvironmentFactory.create(code=code) for code in ("PRE", "PROD"))]
    projects = [shop, ProjectFactory.create(code="api")]
    for place in places:
        for project in projects:
            finished(place, project, f"{place.code}-{project.code}", 1)
    every = root.walk("deployments/?limit=200")
    assert [(row["environment"], row["project"]) for row in every] == [
        (place, project) for place in ("DEV", "PRE", "PROD") for project in ("api", "shop")
    ]
    assert root.walk("deployments/?limit=1") == root.walk("deployments/?limit=4") == every
    second = root.get(root.get("deployments/?limit=2").json["next"]).json
    assert root.get(second["previous"]).json["results"] == every[:2]
    assert len(refs(root, "?environment=DEV&environment=PROD&project=api")) == 2
    assert refs(root, "?environment=NO") == refs(root, "?project=no") == {}


def test_only_environments_that_one_may_see(root: Api, dev: Environment, shop: Project) -> None:
    prod = EnvironmentFactory.create(code="PROD")
    for place in (dev, prod):
        finished(place, shop, place.code, 1)
    ana = user_with("view_monitor", environments=[dev])
    assert refs(Api(ana)) == {("DEV", "shop"): "DEV"}
    assert refs(Api(ana), "?environment=PROD") == refs(Api(UserFactory.create())) == {}
    everywhere = user_with("view_monitor")
    assert len(refs(Api(everywhere))) == 2
    assert refs(Api(everywhere, environments=["PROD"])) == {("PROD", "shop"): "PROD"}
    Api().get("deployments/").problem(401, "not_authenticated")


@in_one_test(
    ("query", "field"),
    [
        ("at=yesterday", "at"), ("at=2026-01-01T00:00:00", "at"), ("at=9999-12-31T23:59:59-23:59", "at"), ("at=%00", "at"),
        (f"at={moment(1)}&at={moment(2)}", "at"), ("environment=%00", "environment"), ("project=" + "x" * 300, "project"),
        ("enviroment=DEV", "enviroment"), ("limit=0", "limit"), ("cursor=abc", "cursor"),
        ("cursor=WyJwbGFjZSIsIkRFViIsMCwwLDBd", "cursor"),
    ],
)  # fmt: skip
def test_parameters_that_are_not_usable_are_named(root: Api, query: str, field: str) -> None:
    assert root.get(f"deployments/?{query}").field_errors().keys() == {field}


def test_a_page_is_few_queries_whatever_there_is(root: Api, dev: Environment, shop: Project) -> None:
    root.get("me/")  # the token's time of use is written once a minute
    counts = []
    for number in range(2):
        finished(dev, ProjectFactory.create(), f"v{number}", number)
        with CaptureQueriesContext(connection) as captured:
            root.get("deployments/")
        counts.append(len(captured))
    assert counts[0] == counts[1]
