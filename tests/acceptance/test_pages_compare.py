"""Section 9, a job beside another of the same rule: contents, variables, version of the rule, durations."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.audit import Author
from jobs.models import Contents, Job, JobNature, OperationRun, Trap
from jobs.secrets import vault
from permissions.models import Environment, User
from rules.models import Rule
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    publish,
    user_with,
)
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

SOURCE = "name: web\nsteps:\n  PRE:\n    - run: make\n      id: build\n      name: Build\n"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana, "en")


@pytest.fixture
def rule() -> Rule:
    return RuleFactory.create(slug="web", source=SOURCE)


def finished(dev: Environment, rule: Rule, variables: dict[str, Any] | None = None, **fields: Any) -> Job:
    given = {name: {"value": value, "origin": "job"} for name, value in (variables or {}).items()}
    return JobFactory.at("END", "finished", environment=dev, rule=rule, variables=given, **fields)


def ran(job: Job, path: str, seconds: float, **fields: Any) -> None:
    OperationRun.objects.create(
        job=job, attempt=1, path=path, identifier=path, step=path.partition("/")[0], status="completed",
        started_at=job.created_at, finished_at=job.created_at + timedelta(seconds=seconds), **{"key": "run", **fields},
    )  # fmt: skip


def rows(markup: str, name: str) -> list[str]:
    """Return the cells of the row that begins with ``name``."""
    plain = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", found))
        for found in re.findall(r"<tr.*?</tr>", markup, re.DOTALL)
    ]
    return [found.strip() for found in plain if found.strip().startswith(name)]


def test_it_is_compared_with_the_last_finished_one_of_rule_and_environment(
    reader: Reader, dev: Environment, rule: Rule
) -> None:
    finished(dev, rule, name="N.DEV-1")
    finished(dev, rule, name="N.DEV-2")
    finished(dev, RuleFactory.create(), name="N.DEV-3")
    JobFactory.at("RUN", "cancelled", environment=dev, rule=rule, name="N.DEV-4")
    job = finished(dev, rule, name="N.DEV-5")
    finished(dev, rule, name="N.DEV-6")
    shown = words(reader.get(f"/jobs/{job.pk}/compare/"))
    assert "N.DEV-5 compared with N.DEV-2" in shown
    assert "N.DEV-4 · Cancelled" in shown, "others can be chosen"
    assert "N.DEV-3" not in shown
    assert f'href="/jobs/{job.pk}/compare/"' in text(reader.get(f"/jobs/{job.pk}/"))


def test_variables_that_are_not_the_same(reader: Reader, dev: Environment, rule: Rule) -> None:
    other = finished(dev, rule, {"same": 1, "size": "big", "old": True, "token": "was-hunter2-here"})
    author = Author("root", "command")
    vault.keep("password", "hunter2", vault.Scope(dev), by=author, now=timezone.now())
    job = finished(dev, rule, {"same": 1, "size": "small", "new": [1, 2], "token": "now-hunter2-there"})
    markup = text(reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}"))
    assert rows(markup, "size") == ["size Changed small Job big Job"]
    assert rows(markup, "new") == ["new Only in this one [1, 2] Job –"]
    assert rows(markup, "old") == ["old Only in the other – true Job"]
    assert rows(markup, "token") == ["token Changed now-***-there Job was-***-here Job"]
    assert "hunter2" not in markup
    assert "1 is the same" in words(reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}"))
    assert "hunter2" not in text(reader.get(f"/jobs/{job.pk}/"))


def test_the_sources_of_two_versions_are_compared(reader: Reader, dev: Environment, rule: Rule) -> None:
    other = finished(dev, rule)
    newer = publish(SOURCE.replace("make", "make <all>"))
    job = finished(dev, rule)
    Job.objects.filter(pk=job.pk).update(rule_version=newer, rule_pins={"called": 2})
    markup = text(reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}"))
    assert '<code class="diff-removed">-    - run: make</code>' in markup
    assert '<code class="diff-added">+    - run: make &lt;all&gt;</code>' in markup
    assert "It calls called: version 2 here, 0 there." in words(
        reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}")
    )


def test_durations_side_by_side_without_what_a_trap_took(
    reader: Reader, dev: Environment, rule: Rule
) -> None:
    other, job = finished(dev, rule), finished(dev, rule)
    ran(other, "PRE/0", 4, name="Build")
    ran(other, "PRE/1", 5, name="Gone")
    ran(job, "PRE/0", 3610, name="Build")
    for turn in range(3):
        ran(job, f"PRE/2/foreach[{turn}]/0", 2, name="Each")
    start = job.created_at
    Trap.objects.create(
        job=job, attempt=1, step="PRE", path="PRE/0", operation="build", began_at=start, on_timeout="abort",
        closed_at=start + timedelta(hours=1), deadline=start, answer="retry",
    )  # fmt: skip
    markup = text(reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}"))
    assert rows(markup, "Build") == ["Build 10 s 4.0 s +6.0 s"]
    assert rows(markup, "Gone") == ["Gone – 5.0 s"]
    assert rows(markup, "Each") == ["Each 6.0 s –"]
    assert '<tr class=" timing-slower">' in markup


def test_contents_of_each_alone(reader: Reader, dev: Environment, rule: Rule) -> None:
    project = ProjectFactory.create()
    other, job = (finished(dev, rule, project=project) for _ in range(2))

    def settle(job: Job, *shas: str) -> None:
        commits = [
            {"sha": sha * 40, "author": "Marc", "at": None, "subject": f"About <{sha}>"} for sha in shas
        ]
        Contents.objects.create(
            job=job,
            attempt=1,
            state="settled",
            commits=commits,
            commits_count=len(commits),
            settled_at=timezone.now(),
        )

    settle(other, "a", "b")
    settle(job, "b", "c")
    JobNature.objects.create(job=job, nature=NatureFactory.create(code="sql"))
    shown = words(reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}"))
    assert "1 commit in common" in shown
    assert re.search(
        rf"Only in {job.name} sql cccccccccc About <c> Marc Only in {other.name} aaaaaaaaaa About <a>", shown
    )


def test_what_contents_nobody_knows_have_in_common_is_not_said(
    reader: Reader, dev: Environment, rule: Rule
) -> None:
    other, job = finished(dev, rule), finished(dev, rule)
    shown = words(reader.get(f"/jobs/{job.pk}/compare/?with={other.pk}"))
    assert "The contents of one of them are not known." in shown
    assert "in common" not in shown


def test_a_hidden_job_does_not_exist_here_either(reader: Reader, dev: Environment, rule: Rule) -> None:
    secret = EnvironmentFactory.create(code="SECRET")
    hidden = finished(secret, rule, name="N.SECRET-1")
    job = finished(dev, rule)
    for number in (hidden.pk, 10**9, 10**18, 10**40):
        assert reader.get(f"/jobs/{job.pk}/compare/?with={number}").status_code == 404
    assert reader.get(f"/jobs/{hidden.pk}/compare/?with={job.pk}").status_code == 404
    page = reader.get(f"/jobs/{job.pk}/compare/")
    assert page.status_code == 200
    assert "SECRET" not in text(page)
    assert "There is nothing to compare with" in words(page)


def test_what_cannot_be_compared_is_said(reader: Reader, dev: Environment, rule: Rule) -> None:
    job = finished(dev, rule)
    strange = finished(dev, RuleFactory.create(slug="other"), name="N.DEV-9")
    address = f"/jobs/{job.pk}/compare/?with="
    for given, said in {
        "x": "with: write the number of a job, not x.",
        "%00": "with: write the number of a job",
        str(job.pk): "with: a job is not compared with itself.",
        str(strange.pk): "with: N.DEV-9 is a job of the rule other, not of web.",
    }.items():
        answer = reader.get(address + given)
        assert answer.status_code == 400
        assert said in words(answer)


def test_queries_do_not_grow(reader: Reader, dev: Environment, rule: Rule) -> None:
    other, job = finished(dev, rule), finished(dev, rule)
    address = f"/jobs/{job.pk}/compare/?with={other.pk}"

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(address).status_code == 200
        return len(queries)

    ran(job, "PRE/0", 1, name="Build")
    asked()
    before = asked()
    for number in range(20):
        finished(dev, rule)
        ran(job, f"PRE/1/foreach[{number}]/0", 1)
        ran(other, f"PRE/1/foreach[{number}]/0", 1)
    assert asked() == before
