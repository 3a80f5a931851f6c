"""Sections 8 and 10: how far two environments are apart in a project, as commits, for programs and on the page."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.audit import Author
from jobs.contents import offering
from jobs.contents.history import MOST_COMMITS
from jobs.models import Job, Project
from jobs.secrets import vault
from permissions.models import Environment
from tests.api import Api
from tests.cases import in_one_test
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, UserFactory, user_with
from tests.git_server import git_server
from tests.pages import Reader, words
from tests.repositories import git, make_repository

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(microsecond=0) - timedelta(days=10)
ASK = "project=shop&from=QA&to=PROD"
PAGE = f"/deployments/drift/?{ASK}"
NOTHING = {"commits": [], "commits_count": 0}
GONE = "a" * 40


@pytest.fixture
def qa() -> Environment:
    return EnvironmentFactory.create(code="QA")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def root(qa: Environment, prod: Environment) -> Api:
    return Api(UserFactory.create(is_superuser=True))


@pytest.fixture
def reader(qa: Environment, prod: Environment) -> Reader:
    return Reader(user_with("view_monitor", environments=[qa, prod]), "es")


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """No repository is let alone for what another test saw of one."""
    offering._paused.clear()
    yield
    offering._paused.clear()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def shas(origin: Path) -> dict[str, str]:
    return make_repository(origin, {"v1": "one", "v2": "two", "v3": "three"})


@pytest.fixture
def shop(origin: Path, shas: dict[str, str]) -> Project:
    return ProjectFactory.create(code="shop", repository=str(origin))


def finished(where: Environment, what: Project, ref: str, sha: str, hours: float, **fields: Any) -> Job:
    """Return a job that finished so many hours after the beginning."""
    at = NOW + timedelta(hours=hours)
    return JobFactory.at(
        "END", "finished", now=at, environment=where, project=what, revisions=[(ref, sha)], **fields
    )


def moment(hours: float) -> str:
    at: datetime = NOW + timedelta(hours=hours)
    return at.isoformat().replace("+00:00", "Z")


def drift(api: Api, query: str = ASK) -> Any:
    answer = api.get(f"deployments/drift/?{query}")
    assert answer.status == 200, answer.content
    return answer.json


def subjects(side: Any) -> list[str]:
    return [commit["subject"] for commit in side["commits"]]


def problem(api: Api, reader: Reader) -> tuple[str, str]:
    """Return why the commits are not known: what a program is told, and what the page says in Spanish."""
    found = drift(api)
    assert (found["ahead"], found["behind"], found["same"]) == (None, None, False)
    page = reader.get(PAGE)
    assert page.status_code == 200
    shown = words(page)
    assert "En QA y no en PROD" not in shown, "no heading stands over what is not known"
    return found["problem"], shown


def test_what_each_has_and_the_other_one_lacks(
    root: Api, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str]
) -> None:
    old = finished(prod, shop, "v1", shas["v1"], 1)
    new = finished(qa, shop, "v3", shas["v3"], 2)
    found = drift(root)
    commit = {"author": "Ana", "at": "2026-01-01T00:00:00Z"}
    ahead = {
        "commits": [{"sha": shas[tag], **commit, "subject": f"Version {tag}"} for tag in ("v3", "v2")],
        "commits_count": 2,
    }
    revisions = {tag: {"ref": tag, "sha": shas[tag]} for tag in shas}
    assert found == {
        "project": "shop",
        "from": {
            "environment": "QA", "project": "shop", "revision": revisions["v3"], "revisions": [revisions["v3"]],
            "job": new.pk, "job_name": new.name, "since": moment(2),
        },
        "to": {
            "environment": "PROD", "project": "shop", "revision": revisions["v1"], "revisions": [revisions["v1"]],
            "job": old.pk, "job_name": old.name, "since": moment(1),
        },
        "same": False, "ahead": ahead, "behind": NOTHING, "problem": "",
    }  # fmt: skip
    turned = drift(root, "project=shop&from=PROD&to=QA")
    assert (turned["from"], turned["ahead"], turned["behind"]) == (found["to"], NOTHING, ahead)
    # Backed out, v2 is there again, and then it comes to PROD as well.
    finished(qa, shop, "v2", shas["v2"], 1.5)
    finished(qa, shop, "v3", shas["v3"], 3, type="demote")
    found = drift(root)
    assert (found["from"]["revision"]["ref"], subjects(found["ahead"])) == ("v2", ["Version v2"])
    finished(prod, shop, "v2", shas["v2"], 4)
    found = drift(root)
    assert (found["same"], found["ahead"], found["behind"], found["problem"]) == (True, NOTHING, NOTHING, "")
    # Of then the answer is what it was.
    assert subjects(drift(root, f"{ASK}&at={moment(2.5)}")["ahead"]) == ["Version v3", "Version v2"]
    assert drift(root, f"{ASK}&at={moment(1.2)}")["from"] is None


def test_both_may_have_what_the_other_one_lacks_and_no_more_than_a_thousand_are_listed(
    root: Api, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str], origin: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    git("checkout", "--quiet", "-b", "hotfix", "v1", cwd=origin)
    git("commit", "--quiet", "--allow-empty", "-m", "Hot ünd\tfixed: t0ken-9876 g0ne-5432", cwd=origin)
    for name, value, where in (("token", "t0ken-9876", prod), ("old", "g0ne-5432", qa)):
        vault.keep(name, value, vault.Scope(where), by=Author("ana", "admin"), now=timezone.now())
    finished(prod, shop, "hotfix", git("rev-parse", "HEAD", cwd=origin), 1)
    finished(qa, shop, "v3", shas["v3"], 2)
    found = drift(root)
    assert subjects(found["ahead"]) == ["Version v3", "Version v2"]
    assert subjects(found["behind"]) == ["Hot ünd\tfixed: *** ***"], "secrets of both environments are hidden"
    assert MOST_COMMITS == 1000
    monkeypatch.setattr("jobs.api.drift.MOST_COMMITS", 1)
    ahead = drift(root)["ahead"]
    assert (subjects(ahead), ahead["commits_count"]) == (["Version v3"], 2)


def test_what_leads_to_the_other_makes_no_difference(
    root: Api, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str]
) -> None:
    JobFactory.at(
        "END", "finished", environment=qa, project=shop,
        revisions=[("v1", shas["v1"]), ("v3", shas["v3"])],
    )  # fmt: skip
    finished(prod, shop, "v3", shas["v3"], 2)
    found = drift(root)
    assert (found["same"], found["ahead"], found["behind"], found["problem"]) == (True, NOTHING, NOTHING, "")


def test_where_nothing_is_all_history_is_lacking(
    root: Api, reader: Reader, qa: Environment, shop: Project, shas: dict[str, str]
) -> None:
    found = drift(root)
    assert (found["from"], found["to"], found["same"], found["problem"]) == (None, None, True, "")
    assert (found["ahead"], found["behind"]) == (NOTHING, NOTHING)
    assert "Los dos tienen lo mismo" not in words(reader.get(PAGE))
    finished(qa, shop, "v2", shas["v2"], 1)
    found = drift(root)
    assert (found["to"], found["same"], subjects(found["ahead"])) == (
        None,
        False,
        ["Version v2", "Version v1"],
    )
    assert (found["behind"], found["problem"]) == (NOTHING, "")
    assert "En QA y no en PROD 2" in words(reader.get(PAGE))
    assert subjects(drift(root, "project=shop&from=PROD&to=QA")["behind"]) == ["Version v2", "Version v1"]


def test_a_commit_that_is_gone_is_named_with_who_brought_it(
    root: Api, reader: Reader, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str]
) -> None:
    job = finished(prod, shop, "lost", GONE, 1)
    finished(qa, shop, "v2", shas["v2"], 2)
    said, shown = problem(root, reader)
    assert said == (
        f"The commit {GONE}, which {job.name} brought to PROD, is no longer in the repository: its history was rewritten, or "
        "the branch or tag that led to it was deleted. The commits are not known."
    )
    assert GONE in shown
    assert job.name in shown


def test_a_repository_without_all_of_its_history_is_said(
    root: Api, reader: Reader, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str], origin: Path
) -> None:  # fmt: skip
    shallow = origin.with_name("shallow")
    git("clone", "--quiet", "--depth=2", "--no-tags", f"file://{origin}", str(shallow), cwd=origin)
    Project.objects.filter(pk=shop.pk).update(repository=str(shallow))
    finished(prod, shop, "v2", shas["v2"], 1)
    finished(qa, shop, "v3", shas["v3"], 2)
    found = drift(root)
    assert subjects(found["ahead"]) == ["Version v3"]
    assert found["problem"] == (
        "The repository has not all of its history: commits may be missing from the list."
    )
    assert "El repositorio no tiene toda su historia: pueden faltar commits en la lista." in words(
        reader.get(PAGE)
    )
    job = finished(prod, shop, "v1", shas["v1"], 3)
    said, _shown = problem(root, reader)
    assert said == (
        f"The commit {shas['v1']}, which {job.name} brought to PROD, is not in the repository, which has not all of its history. "
        "The commits are not known."
    )


def test_rewritten_history_is_said_and_the_commits_are_right(
    root: Api, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str], origin: Path
) -> None:
    old = finished(prod, shop, "v3", shas["v3"], 1)
    finished(qa, shop, "v1", shas["v1"], 2)
    assert drift(root)["problem"] == ""
    git("reset", "--quiet", "--hard", "v1", cwd=origin)
    git("tag", "-d", "v2", "v3", cwd=origin)
    git("commit", "--quiet", "--allow-empty", "-m", "Another story", cwd=origin)
    assert "is no longer in the repository" in drift(root)["problem"], "before anybody else has fetched"
    finished(qa, shop, "main", git("rev-parse", "HEAD", cwd=origin), 3)
    found = drift(root)
    assert (subjects(found["ahead"]), subjects(found["behind"])) == (
        ["Another story"],
        ["Version v3", "Version v2"],
    )
    assert found["problem"] == (
        f"The commit {shas['v3']}, which {old.name} brought to PROD, is no longer in the repository: its history was rewritten, "
        "or the branch or tag that led to it was deleted. It is compared with the copy that was fetched before."
    )


def test_a_repository_that_cannot_be_read_is_said(
    root: Api, reader: Reader, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str], origin: Path
) -> None:  # fmt: skip
    finished(prod, shop, "v1", shas["v1"], 1)
    finished(qa, shop, "v2", shas["v2"], 2)
    away = origin.rename(origin.with_name("away"))
    said, shown = problem(root, reader)
    assert said.startswith("The repository cannot be read: ")
    assert "does not appear to be a git repository" in said
    assert "No se puede leer el repositorio: " in shown
    # For a moment it is not asked again, and the reason is the same.
    away.rename(origin)
    assert problem(root, reader)[0] == said
    offering._paused.clear()
    assert subjects(drift(root)["ahead"]) == ["Version v2"]
    # What is known here needs no repository.
    origin.rename(away)
    assert subjects(drift(root)["ahead"]) == ["Version v2"]
    Project.objects.filter(pk=shop.pk).update(repository="")
    said, shown = problem(root, reader)
    assert said == "The project shop has no repository."
    assert "El proyecto shop no tiene repositorio." in shown
    # What is the same is so without a repository.
    finished(qa, shop, "v1", shas["v1"], 3)
    found = drift(root)
    assert (found["same"], found["ahead"], found["problem"]) == (True, NOTHING, "")


def test_a_refused_credential_is_said_without_it(
    root: Api, reader: Reader, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str], tmp_path: Path
) -> None:  # fmt: skip
    finished(prod, shop, "v1", shas["v1"], 1)
    finished(qa, shop, "v2", shas["v2"], 2)
    with git_server(tmp_path, user="bob", password="right") as server:
        address = server.address("shop/.git")
        given = address.replace("//", "//bob:wr0ng-pass@")
        Project.objects.filter(pk=shop.pk).update(repository=given)
        said, shown = problem(root, reader)
        assert f"Authentication failed for '{address}/'" in said
        assert "wr0ng" not in said + shown
        assert "bob" not in said + shown
        Project.objects.filter(pk=shop.pk).update(repository=address, credential="git_token")
        said, shown = problem(root, reader)
        assert (
            said
            == "The repository cannot be read: The project shop names the secret git_token, which is not set."
        )
        assert "El proyecto shop nombra el secreto git_token" in shown
        vault.keep("git_token", "wr0ng-token", vault.Scope(), by=Author("ana", "admin"), now=timezone.now())
        offering._paused.clear()
        said, shown = problem(root, reader)
        assert (
            "The secret git_token, which the project shop names, was not accepted: Authentication failed"
            in said
        )
        assert "El secreto git_token, que nombra el proyecto shop, no se aceptó: " in shown
        assert "wr0ng" not in said + shown
        assert server.packs == 0


def test_a_repository_that_says_nothing_costs_its_time_once(
    root: Api, reader: Reader, qa: Environment, prod: Environment, shop: Project, shas: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    finished(prod, shop, "v1", shas["v1"], 1)
    finished(qa, shop, "v2", shas["v2"], 2)
    monkeypatch.setattr(offering, "LOOK_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/shop"
        Project.objects.filter(pk=shop.pk).update(repository=address)
        begun = time.monotonic()
        said, shown = problem(root, reader)
        assert time.monotonic() - begun < 5
        assert said == "The repository cannot be read: git took longer than 1 seconds."
        assert "git tardó más de 1 segundos" in shown
    full = threading.BoundedSemaphore(1)
    full.acquire()
    monkeypatch.setattr(offering, "_looking", full)
    said, shown = problem(root, reader)
    assert said == (
        "The repository cannot be read: Too many repositories are being looked at right now; try again."
    )
    assert "Too many" not in shown


def test_what_is_hidden_is_as_what_is_not_there(
    qa: Environment, prod: Environment, shop: Project, shas: dict[str, str]
) -> None:
    finished(prod, shop, "v1", shas["v1"], 1)
    finished(qa, shop, "v2", shas["v2"], 2)
    Api().get(f"deployments/drift/?{ASK}").problem(401, "not_authenticated")
    ana = Api(user_with("view_monitor", environments=[qa]))
    ana.get("me/")  # the token's time of use is written once a minute
    asked: list[tuple[bytes, list[str]]] = []
    for query in ("from=QA&to=PROD", "from=QA&to=NONE", "from=PROD&to=QA", "from=NONE&to=QA"):
        with CaptureQueriesContext(connection) as captured:
            answer = ana.get(f"deployments/drift/?project=shop&{query}")
        answer.problem(404, "not_found")
        said = [each["sql"].replace("PROD", "NONE") for each in captured]
        asked.append((answer.content, said))
    assert (asked[0], asked[2]) == (asked[1], asked[3]), "not even the database is asked anything else"
    for query in ("project=no&from=QA&to=QA", "project=SHOP&from=QA&to=QA", "project=shop&from=qa&to=QA"):
        ana.get(f"deployments/drift/?{query}").problem(404, "not_found")
    assert drift(ana, "project=shop&from=QA&to=QA")["same"] is True
    Api(UserFactory.create()).get(f"deployments/drift/?{ASK}").problem(404, "not_found")
    everywhere = user_with("view_monitor")
    assert drift(Api(everywhere))["to"]["environment"] == "PROD"
    Api(everywhere, environments=["QA"]).get(f"deployments/drift/?{ASK}").problem(404, "not_found")


@in_one_test(
    ("query", "fields"),
    [
        ("", {"project", "from", "to"}), ("project=shop&from=QA", {"to"}), ("project=&from=QA&to=PROD", {"project"}),
        (f"{ASK}&at=noon", {"at"}), ("from=QA&at=noon", {"project", "to", "at"}), (f"{ASK}&from=PROD", {"from"}),
        ("project=%00&from=QA&to=PROD", {"project"}), ("project=shop&from=QA&to=" + "x" * 300, {"to"}),
        (f"{ASK}&limit=5", {"limit"}), (f"{ASK}&environment=QA", {"environment"}),
    ],
)  # fmt: skip
def test_parameters_that_are_missing_or_not_usable_are_named(
    root: Api, shop: Project, query: str, fields: set[str]
) -> None:
    assert root.get(f"deployments/drift/?{query}").field_errors().keys() == fields
