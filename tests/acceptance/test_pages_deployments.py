"""Section 8: what is where, at any past instant, and how far two environments are apart; section 7: how good estimates were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import deployments
from jobs.execution import naming
from jobs.lifecycle import Event
from jobs.models import Estimate, Job, Project
from jobs.monitor.revisions import look_up
from jobs.repositories import Repository, RepositoryError
from permissions.models import Environment
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    ProjectFactory,
    RuleFactory,
    happen,
    user_with,
)
from tests.pages import Reader, words
from tests.repositories import git, make_repository

pytestmark = pytest.mark.django_db

BEGINNING = timezone.now().replace(microsecond=0) - timedelta(days=10)


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV", position=1)


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD", position=2)


@pytest.fixture
def shop() -> Project:
    return ProjectFactory.create(code="shop")


@pytest.fixture
def ana(dev: Environment, prod: Environment) -> Reader:
    return Reader(user_with("view_monitor", environments=[dev, prod]), "en")


def finished(
    where: Environment,
    what: Project,
    ref: str,
    days: float,
    sha: str = "",
    also: tuple[str, str] | None = None,
) -> Job:
    at = BEGINNING + timedelta(days=days)
    revisions = [(ref, sha) if sha else ref, *([also] if also else [])]
    return JobFactory.at("END", "finished", now=at, environment=where, project=what, revisions=revisions)


def cells(reader: Reader, query: str = "") -> str:
    answer = reader.get(f"/deployments/{query}")
    assert answer.status_code == 200
    return words(answer)


def test_each_place_says_what_it_has_and_where_something_newer_is(
    ana: Reader, dev: Environment, prod: Environment, shop: Project
) -> None:
    finished(prod, shop, "v1", 1)
    newer = finished(dev, shop, "v2", 2)
    page = ana.get("/deployments/")
    shown = words(page)
    assert "v1" in shown
    assert shown.count("newer in DEV") == 1
    assert "newer in PROD" not in shown
    assert f'href="/jobs/{newer.pk}/"' in page.content.decode()
    # Also when that environment is not shown.
    assert "newer in DEV" in cells(ana, "?environment=PROD")
    # The same commit in both is newer nowhere.
    finished(prod, shop, "v2", 3, newer.revisions.get().sha)
    assert "newer in" not in cells(ana)


def test_the_past_is_shown_as_it_was(ana: Reader, dev: Environment, shop: Project) -> None:
    finished(dev, shop, "v1", 1)
    finished(dev, shop, "v2", 2)
    at = (BEGINNING + timedelta(days=1.5)).isoformat().replace("+00:00", "Z")
    shown = cells(ana, f"?at={at}")
    assert "v1" in shown
    assert "v2" not in shown
    assert "As it was" in shown
    assert "v2" in cells(ana)


def test_what_a_deleted_job_brought_is_still_there(
    ana: Reader, dev: Environment, prod: Environment, shop: Project
) -> None:
    job = finished(dev, shop, "v1", 1)
    link = f'href="/jobs/{job.pk}/"'
    addresses = ("/deployments/", "/deployments/drift/?project=shop&from=DEV&to=PROD")
    assert all(link in ana.get(address).content.decode() for address in addresses)
    happen(job, Event.DELETE)
    for address in addresses:
        page = ana.get(address).content.decode()
        assert (link in page, f"{job.name}, deleted since" in page) == (False, True), address
    assert "v1" in cells(ana)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?at=noon", "ISO 8601"),
        ("?enviroment=DEV", "enviroment: There is no such parameter here. Did you mean environment?"),
        ("?q=%00", "Null characters"),
        ("?at=9999-12-31T23:59:59Z", "use the years 1970 to 2200"),
        ("?at=0001-01-01T00:00:00Z", "use the years 1970 to 2200"),
    ],
)
def test_what_cannot_be_used_is_named(
    ana: Reader, shop: Project, dev: Environment, prod: Environment, query: str, said: str
) -> None:
    for page in ("", "drift/"):
        answer = ana.get(f"/deployments/{page}{query}&project=shop&from=DEV&to=PROD")
        assert (answer.status_code, said in words(answer)) == (400, True), page


def test_hidden_environments_are_no_column_and_no_newer_place(
    dev: Environment, prod: Environment, shop: Project
) -> None:
    finished(dev, shop, "v1", 1)
    finished(prod, shop, "v2", 2)
    bea = Reader(user_with("view_monitor", environments=[dev]), "en")
    assert "PROD" not in bea.get("/deployments/").content.decode()
    assert "v2" not in cells(bea)
    assert bea.get("/deployments/drift/?project=shop&from=DEV&to=PROD").status_code == 404
    assert "PROD" not in cells(bea, "?environment=PROD")


def test_projects_come_in_pages_of_the_same_cost(ana: Reader, dev: Environment) -> None:
    def ask() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            cells(ana)
        return len(asked)

    finished(dev, ProjectFactory.create(code="p000"), "v0", 1)
    # The first request of a session notes in it when that was.
    ask()
    before = ask()
    for number in range(1, 60):
        project = ProjectFactory.create(code=f"p{number:03}")
        if number % 10 == 0:
            finished(dev, project, f"v{number}", 2)
    assert ask() == before
    shown = cells(ana)
    assert "p049" in shown
    assert "p050" not in shown
    rest = cells(ana, "?after=p049")
    assert "p050" in rest
    assert "v50" in rest
    assert "p049" not in rest
    found = cells(ana, "?q=P05")
    assert "p051" in found
    assert "p049" not in found


def test_the_difference_of_two_environments_is_a_list_of_commits(
    ana: Reader, dev: Environment, prod: Environment, tmp_path: Path
) -> None:
    shas = make_repository(tmp_path / "shop", {"v1": "one", "v2": "two", "v3": "three"})
    shop = ProjectFactory.create(code="shop", repository=str(tmp_path / "shop"))
    finished(prod, shop, "v1", 1, shas["v1"])
    finished(dev, shop, "v3", 2, shas["v3"])
    address = "/deployments/drift/?project=shop&from=DEV&to=PROD"
    shown = words(ana.get(address))
    assert "In DEV and not in PROD 2" in shown
    assert "Version v3" in shown
    assert "Version v2" in shown
    assert "Version v1" not in shown
    assert "In PROD and not in DEV 0 Nothing." in shown
    finished(prod, shop, "v3", 3, shas["v3"])
    assert "Both have the same." in words(ana.get(address))
    # Then it was another story.
    at = (BEGINNING + timedelta(days=2.5)).isoformat().replace("+00:00", "Z")
    assert "In DEV and not in PROD 2" in words(ana.get(f"{address}&at={at}"))


def test_jobs_of_several_revisions_are_compared_with_all_of_them(
    ana: Reader, dev: Environment, prod: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "shop"
    shas = make_repository(path, {"v1": "one", "v2": "two"})
    git("checkout", "--quiet", "-b", "side", shas["v1"], cwd=path)
    git("commit", "--quiet", "--allow-empty", "-m", "Beside", cwd=path)
    side = git("rev-parse", "HEAD", cwd=path).strip()
    shop = ProjectFactory.create(code="shop", repository=str(path))
    finished(prod, shop, "v1", 1, shas["v1"])
    finished(dev, shop, "v2", 2, shas["v2"], also=("side", side))
    address = "/deployments/drift/?project=shop&from=DEV&to=PROD"
    shown = words(ana.get(address))
    assert "In DEV and not in PROD 2" in shown
    assert ("Beside" in shown, "Version v2" in shown, "Version v1" in shown) == (True, True, False)
    finished(prod, shop, "v1", 3, shas["v1"], also=("side", side))
    shown = words(ana.get(address))
    assert "In DEV and not in PROD 1" in shown
    assert ("Beside" in shown, "Version v2" in shown) == (False, True)


def test_a_machine_that_cannot_keep_a_mirror_is_said_and_is_no_error(
    ana: Reader, dev: Environment, prod: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a disk that is full: here the folder of the mirrors is a file."""
    shas = make_repository(tmp_path / "shop", {"v1": "one", "v2": "two"})
    shop = ProjectFactory.create(code="shop", repository=str(tmp_path / "shop"))
    finished(prod, shop, "v1", 1, shas["v1"])
    finished(dev, shop, "v2", 2, shas["v2"])
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(naming, "mirrors", lambda: tmp_path / "file")
    answer = ana.get("/deployments/drift/?project=shop&from=DEV&to=PROD")
    assert (answer.status_code, "cannot be read" in words(answer)) == (200, True)
    found = look_up(shop, "")
    assert [choice.ref for group in found.groups for choice in group.choices] == ["v2", "v1", "main"]
    assert "Commits cannot be read here yet" in found.problem
    with pytest.raises(RepositoryError, match="cannot keep a copy of the repository") as refused:
        Repository(shop.repository, naming.mirrors()).resolve(shas["v1"], seconds=5)
    assert str(tmp_path) not in str(refused.value)


def test_a_repository_that_is_away_is_said_and_is_no_error(
    ana: Reader, dev: Environment, prod: Environment, tmp_path: Path
) -> None:
    shop = ProjectFactory.create(code="shop", repository=str(tmp_path / "gone"))
    finished(prod, shop, "v1", 1)
    finished(dev, shop, "v2", 2)
    answer = ana.get("/deployments/drift/?project=shop&from=DEV&to=PROD")
    assert answer.status_code == 200
    assert "cannot be read" in words(answer)


@pytest.mark.parametrize(
    "query",
    [
        "project=other&from=DEV&to=PROD",
        "project=shop&from=DEV",
        "project=%00&from=DEV&to=PROD",
        "project=shop&from=DEV&to=QA",
    ],
)
def test_what_is_not_there_is_not_compared(ana: Reader, shop: Project, query: str) -> None:
    assert ana.get(f"/deployments/drift/?{query}").status_code == 404


def estimate(rule_id: int, where: Environment, job_id: int, **figures: Any) -> None:
    known = {"p50": 60.0, "p90": 90.0, "actual": 80.0, "rivals": [160.0, 40.0, 80.0]}
    Estimate.objects.create(
        job_id=job_id,
        rule_id=rule_id,
        environment_id=where.pk,
        attempt=1,
        step="RUN",
        at=BEGINNING,
        **{**known, **figures},
    )


def test_estimates_are_judged_beside_their_rivals(ana: Reader, dev: Environment, prod: Environment) -> None:
    assert "has finished yet" in words(ana.get("/deployments/estimates/"))
    rule = RuleFactory.create(slug="build")
    hidden = EnvironmentFactory.create(code="HIDDEN")

    def said(times: int, first: int) -> str:
        for number in range(first, first + times):
            estimate(rule.pk, dev, number)
            estimate(rule.pk, prod, 100 + number, actual=120.0, rivals=[120.0, 240.0, 60.0])
            estimate(rule.pk, hidden, 200 + number)
        return words(ana.get("/deployments/estimates/"))

    few = said(1, 1)
    assert "2 estimates whose jobs have finished: too few to judge. There have to be 20." in few
    assert ("build DEV 1 too few to judge" in few, "%" in few) == (True, False)
    shown = said(19, 2)
    assert (
        "Of 40 estimates whose jobs have finished, the upper end was enough in 50 % and the lower one in 0 %"
        in shown
    )
    # 20 of 80 and 60 of 120.
    assert "This monitor 38 %" in shown
    assert "Mean of all jobs 50 %" in shown
    assert "Last job 75 %" in shown
    assert "build DEV 20 100 %" in shown
    assert "HIDDEN" not in shown


_MANY = """
INSERT INTO jobs_deployment (environment_id, project_id, at, kind, job_number, job_name, revisions, shas)
SELECT %s, %s, now() - number * interval '1 minute',
       CASE number %% 10 WHEN 1 THEN 'undone' WHEN 2 THEN 'backed_out' ELSE 'brought' END,
       1000000 + number / 10 * 10, 'N', '[{"ref": "v", "sha": "0"}]', ARRAY[md5((number / 10)::text)]
FROM generate_series(1, 3000) number
"""


@pytest.mark.parametrize("at", [None, BEGINNING + timedelta(days=5)])
def test_each_place_reads_the_newest_jobs_that_finished_there_and_no_others(
    dev: Environment, shop: Project, at: datetime | None
) -> None:
    """However much there was: the index of what was brought has it in order, so the first that fits is the last read."""
    finished(dev, shop, "v1", 1)
    with connection.cursor() as cursor:
        # Three thousand of another project: with fewer the whole table is as good as an index.
        cursor.execute(_MANY, [dev.pk, ProjectFactory.create().pk])
        cursor.execute("ANALYZE jobs_deployment")
    user = user_with("view_monitor", environments=[dev])
    with CaptureQueriesContext(connection) as asked:
        deployments.places(
            user, deployments.Wanted(at=at), beyond=None, backward=False, inclusive=False, count=50
        )
    (statement,) = [query["sql"] for query in asked if "LATERAL" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    nodes = list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
    reads = [node for node in nodes if node.get("Relation Name") == "jobs_deployment"]
    assert all("Index Cond" in node for node in reads), reads
    used = {(node["Alias"], node["Index Name"]) for node in reads}
    assert {("brought", "deployment_brought_newest"), ("back", "deployment_taken")} <= used
    (limit,) = [
        node for node in nodes
        if node["Node Type"] == "Limit" and node.get("Parent Relationship") in {"Inner", "Subquery"}
    ]  # fmt: skip
    assert not [node for node in _nodes(limit) if "Sort" in node["Node Type"]], "in the order of the index"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
