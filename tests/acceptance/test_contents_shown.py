"""Section 8, what a job carries: on its page and in the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Contents, Job
from permissions.models import Environment, User
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, NatureFactory, ProjectFactory, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def job(dev: Environment) -> Job:
    return JobFactory.at(
        "RUN",
        "ready",
        environment=dev,
        project=ProjectFactory.create(code="shop"),
        natures=[NatureFactory.create(code="python")],
    )


def commits(count: int, subject: str = "Change") -> list[dict[str, str | None]]:
    return [
        {
            "sha": f"{number:040x}",
            "author": "Ana & Co",
            "at": "2026-01-01T00:00:00Z",
            "subject": f"{subject} {number}",
        }
        for number in range(count)
    ]


def carries(job: Job, **fields: Any) -> Contents:
    known = {
        "attempt": 1,
        "state": "settled",
        "settled_at": timezone.now(),
        "commits_count": 0,
        "backed_out_count": 0,
    }
    return Contents.objects.create(job=job, **{**known, **fields})


def test_the_api_says_what_is_settled_and_nothing_before(ana: User, dev: Environment, job: Job) -> None:
    api, address = Api(ana), f"jobs/{job.pk}/contents/"
    before = api.get(address).json
    assert (before["state"], before["base"], before["files"], before["commits"]) == (None, None, None, [])
    earlier = JobFactory.at("END", "finished", environment=dev, project=job.project)
    made = carries(
        job, base_sha="a" * 40, base_job=earlier, files=3, commits=commits(2), commits_count=1200,
        moved=[{"ref": "v1", "pinned": "b" * 40, "now": ""}],
    )  # fmt: skip
    assert api.get(address).json == {
        "state": "settled", "attempt": 1, "settled_at": made.settled_at.isoformat().replace("+00:00", "Z"), "problem": "",
        "base": {"sha": "a" * 40, "job": earlier.pk, "job_name": earlier.name}, "files": 3, "all_files": False,
        "natures": ["python"], "commits": commits(2), "commits_count": 1200, "backed_out": [], "backed_out_count": 0,
        "moved": [{"ref": "v1", "pinned": "b" * 40, "now": ""}],
    }  # fmt: skip
    assert api.get(f"jobs/{job.pk}/").json["natures"] == ["python"]
    assert [row["id"] for row in api.get("jobs/?nature=python").json["results"]] == [job.pk]
    other = JobFactory.at("RUN", "ready")
    assert Api(ana).get(f"jobs/{other.pk}/contents/").status == 404


def test_the_page_shows_the_first_commits_and_how_many_follow(ana: User, dev: Environment, job: Job) -> None:
    reader, address = Reader(ana, "en"), f"/jobs/{job.pk}/"
    assert "contents-title" not in text(reader.get(address))
    earlier = JobFactory.at("END", "finished", environment=dev, project=job.project)
    carries(
        job, base_sha="a" * 40, base_job=earlier, files=3, commits=commits(25, "<b>Change"), commits_count=1200,
        backed_out=commits(1, "Taken"), backed_out_count=1, moved=[{"ref": "v1", "pinned": "b" * 40, "now": "c" * 40}],
    )  # fmt: skip
    page = reader.get(address)
    shown = words(page)
    for part in (
        "3 files changed · compared with aaaaaaaaaa", earlier.name, "1200 commits", "<b>Change 0", "<b>Change 19",
        "and 1180 more", "1 commit backed out", "Taken 0", "Ana & Co",
        "The tag v1 was moved: the job keeps bbbbbbbbbb, and the tag names cccccccccc now.",
    ):  # fmt: skip
        assert part in shown, part
    assert "<b>Change" not in text(page)
    assert "Change 20" not in shown


@pytest.mark.parametrize("state", ["partial", "failed"])
def test_the_page_says_what_is_wrong(ana: User, job: Job, state: str) -> None:
    problem = f"The commit {'a' * 40} is no longer in /srv/shop.git."
    carries(job, state=state, problem=problem, commits_count=None, backed_out_count=None, base_sha="a" * 40)
    assert problem in words(Reader(ana, "en").get(f"/jobs/{job.pk}/"))


def test_several_things_that_are_wrong_are_each_said_in_the_reader_s_language(ana: User, job: Job) -> None:
    lines = (
        "The repository has not all of its history: commits may be missing from the list.",
        "It is not known whether the repository still has the same history and tags: git took longer than 4 seconds.",
    )
    carries(job, state="partial", problem="\n".join(lines))
    assert Api(ana).get(f"jobs/{job.pk}/contents/").json["problem"] == " ".join(lines)
    shown = words(Reader(ana).get(f"/jobs/{job.pk}/"))
    assert (
        "El repositorio no tiene toda su historia: pueden faltar commits en la lista. No se sabe si" in shown
    )
    assert "git tardó más de 4 segundos." in shown


def test_the_monitor_is_narrowed_by_natures_and_shows_them(dev: Environment, ana: User, job: Job) -> None:
    sql, both = NatureFactory.create(code="sql"), job.natures.get()
    other = JobFactory.at("RUN", "ready", environment=dev, natures=[sql])
    mixed = JobFactory.at("RUN", "ready", environment=dev, natures=[sql, both])
    none = JobFactory.at("RUN", "ready", environment=dev)
    hidden = JobFactory.at("RUN", "ready", environment=EnvironmentFactory.create(), natures=[sql, both])
    reader = Reader(ana, "en")

    def shown(query: str) -> set[str]:
        page = text(reader.get(f"/?{query}"))
        return {each.name for each in (job, other, mixed, none, hidden) if f">{each.name}<" in page}

    assert shown("") == {job.name, other.name, mixed.name, none.name}
    assert shown("nature=python") == {job.name, mixed.name}
    assert reader.get("/?search=nature:python")["Location"].endswith("?nature=python")
    assert shown("nature=python&nature=sql") == {job.name, other.name, mixed.name}
    assert shown("exclude_nature=sql") == {job.name, none.name}
    assert shown("nature=nowhere") == set()
    row = words(reader.get(f"/?q={mixed.name}"))
    assert "python" in row
    assert "sql" in row
    answer: Any = reader.get("/?nature=python&format=json&columns=name,natures")
    exported = b"".join(answer.streaming_content).decode()
    assert [name in exported for name in (job.name, mixed.name, other.name)] == [True, True, False]
