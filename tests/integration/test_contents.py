"""What a job carries, settled by its runner with the real git."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from jobs import models, runner
from jobs.actions.base import actions
from jobs.audit import Actor
from jobs.contents import settling
from jobs.deployments import Wanted, newer_elsewhere, places
from jobs.exceptions import StaleClaim
from jobs.execution import draining
from jobs.execution.leases import LeaseKeeper
from jobs.lifecycle import Event
from jobs.log.reader import read_entries
from jobs.log.writer import LogWriter
from jobs.models import Contents, Job, JobNature, JobRevision, Nature, Project
from jobs.secrets.masking import Mask
from permissions.models import Environment
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
    happen,
)
from tests.repositories import git, make_repository

pytestmark = pytest.mark.django_db(transaction=True)

SOURCE = """\
name: {slug}
steps:
  PRE:
    - log: "PRE carries {{ natures | join(',') }}"
    - log: Builds python
      when: "'python' in natures"
  RUN:
    - log: Deploys sql
      when: "'sql' in natures"
"""


class World:
    """A project with a real repository, an environment, and jobs that are run in this process."""

    def __init__(self, origin: Path) -> None:
        self.origin = origin
        self.shas = make_repository(origin, {"v1": "one"})
        self.project: Project = ProjectFactory.create(repository=str(origin))
        self.environment: Environment = EnvironmentFactory.create()
        self.rule = RuleFactory.create(source=SOURCE)
        self.python: Nature = NatureFactory.create(code="python", include=["*.py"])
        self.sql: Nature = NatureFactory.create(code="sql", include=["*.sql"], exclude=["/old/"])

    def commit(self, tag: str, files: dict[str, str]) -> str:
        """Commit ``files`` under ``tag``."""
        for name, text in files.items():
            path = self.origin / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git("add", "--all", cwd=self.origin)
        git("commit", "--quiet", "--allow-empty", "-m", f"Change {tag}", cwd=self.origin)
        git("tag", tag, cwd=self.origin)
        self.shas[tag] = git("rev-parse", "HEAD", cwd=self.origin)
        return self.shas[tag]

    def job(self, *refs: str, **fields: Any) -> Job:
        """Return a job of these tags, in PRE and claimed."""
        given = {"rule": self.rule, "project": self.project, "environment": self.environment, **fields}
        job: Job = JobFactory.at("PRE", "running", revisions=refs, **given)
        for ref in refs:
            JobRevision.objects.filter(job=job, ref=ref).update(sha=self.shas.get(ref, ref))
        return Job.objects.get(pk=job.pk)

    def run(self, *refs: str, **fields: Any) -> Job:
        """Return a job of these tags that ran to its end."""
        job = self.job(*refs, **fields)
        runner.run(job)
        return Job.objects.get(pk=job.pk)


@pytest.fixture
def world(tmp_path: Path, broker: str) -> World:
    return World(tmp_path / "origin")


def natures_of(job: Job) -> list[str]:
    return sorted(job.natures.values_list("code", flat=True))


def said(job: Job, *levels: str) -> list[str]:
    return [
        entry.text for entry in read_entries(job.pk, limit=500).entries if not levels or entry.level in levels
    ]


def test_the_natures_of_what_changed_are_known_when_the_first_operation_begins(world: World) -> None:
    world.commit("v2", {"shop/web.py": "x", "db/1.sql": "y"})
    first = world.run("v2")
    assert first.status == "finished"
    assert natures_of(first) == ["python", "sql"]
    assert {"PRE carries python,sql", "Builds python", "Deploys sql"} <= set(said(first))
    contents = first.contents
    assert (contents.state, contents.base_sha, contents.are_all, contents.files) == ("settled", "", True, 3)
    world.commit("v3", {"db/2.sql": "z"})
    second = world.run("v3")
    assert natures_of(second) == ["sql"]
    assert "Builds python" not in said(second)
    assert "Deploys sql" in said(second)
    contents = second.contents
    assert (contents.base_sha, contents.base_job, contents.are_all, contents.files) == (
        world.shas["v2"], first, False, 1,
    )  # fmt: skip
    assert contents.commits == [
        {"sha": world.shas["v3"], "author": "Ana", "at": "2026-01-01T00:00:00Z", "subject": "Change v3"}
    ]
    assert (contents.commits_count, contents.backed_out, contents.moved) == (1, [], [])
    assert f"Contents: 1 file changed since {world.shas['v2'][:12]} ({first.name}); 1 commit." in said(second)
    assert said(second, "warning", "error") == []


def test_no_match_is_a_warning_and_a_later_nature_changes_no_job(world: World) -> None:
    job = world.run("v1")
    assert said(job, "warning") == ["No nature matches the contents of the job."]
    assert natures_of(job) == []
    Nature.objects.filter(code="python").update(include=["*.txt"])
    assert natures_of(job) == []
    assert natures_of(world.run("v1", environment=EnvironmentFactory.create())) == ["python"]


def test_a_job_without_a_repository_or_revision_asks_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    def never(*_values: object) -> None:
        raise AssertionError("nothing is to be settled")

    monkeypatch.setattr(settling, "base_of", never)
    Project.objects.update(repository="")
    job = Job.objects.select_related("project").get(pk=world.job("v1").pk)
    with django_assert_num_queries(0):
        assert settling.settle(job, None, None, None) is None  # type: ignore[arg-type]
    Project.objects.update(repository=str(world.origin))
    assert world.run().status == "finished"
    assert not Contents.objects.exists()


def test_a_tag_that_moved_is_a_warning_that_names_both_commits(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    job = world.job("v2")
    git("tag", "--force", "v2", "v1", cwd=world.origin)
    runner.run(job)
    moved = {"ref": "v2", "pinned": world.shas["v2"], "now": world.shas["v1"]}
    contents = Contents.objects.get(job=job)
    assert (contents.moved, contents.state) == ([moved], "settled")
    (warning,) = said(job, "warning")
    assert world.shas["v2"] in warning
    assert world.shas["v1"] in warning
    assert natures_of(job) == ["python"]


def test_a_ref_that_is_gone_is_a_warning_while_its_commit_is_there(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    job = world.job("v2")
    git("tag", "--delete", "v2", cwd=world.origin)
    runner.run(job)
    assert said(job, "warning") == [
        f"The repository has no v2 any more; the job keeps the commit {world.shas['v2']} that it named."
    ]


def test_a_revision_that_is_gone_fails_pre_and_says_so(world: World) -> None:
    job = world.run("a" * 40)
    assert (job.step, job.status) == ("END", "error")
    reason = f"The contents cannot be settled: The commit {'a' * 40} is no longer in {world.origin}."
    assert job.reason == reason
    assert f"PRE failed: {reason}" in said(job, "error")
    assert (job.contents.state, job.contents.commits_count) == ("failed", None)
    assert not job.operation_runs.exists()


def test_rewritten_history_is_said_and_never_a_wrong_diff(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    before = JobFactory.at(
        "END", "finished", project=world.project, environment=world.environment, revisions=[("v2", "b" * 40)]
    )
    world.commit("v3", {"b.sql": "x"})
    job = world.run("v3")
    assert job.status == "finished"
    assert natures_of(job) == ["python", "sql"]
    (error,) = said(job, "error")
    assert error.startswith(
        f"The commit {'b' * 40}, which {before.name} brought here, is no longer in the repository"
    )
    contents = job.contents
    assert (contents.state, contents.are_all, contents.files) == ("partial", True, 3)
    assert (contents.commits, contents.commits_count, contents.backed_out_count) == ([], None, None)
    assert contents.problem == error


def test_history_rewritten_under_what_is_there_is_an_error_and_the_diff_is_right(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    before = world.run("v2")
    other = EnvironmentFactory.create()
    world.run("v2", environment=other)
    git("tag", "--delete", "v2", cwd=world.origin)
    git("reset", "--quiet", "--hard", "v1", cwd=world.origin)
    world.commit("v3", {"b.sql": "x"})
    job = world.run("v3")
    (error,) = said(job, "error")
    assert error == (
        f"The commit {world.shas['v2']}, which {before.name} brought here, is no longer in the repository: its history was "
        "rewritten, or the branch or tag that led to it was deleted. It is compared with the copy that was fetched before."
    )
    contents = job.contents
    assert (contents.state, contents.problem, contents.are_all) == ("partial", error, False)
    assert (contents.files, contents.commits_count, contents.backed_out_count) == (2, 1, 1)
    assert natures_of(job) == ["python", "sql"]
    # What else is wrong is a line of its own.
    world.origin.rename(world.origin.with_name("away"))
    lines = world.run("v3", environment=other).contents.problem.splitlines()
    assert [line.partition(",")[0].partition(":")[0] for line in lines] == [
        f"The commit {world.shas['v2']}",
        "It is not known whether the repository still has the same history and tags",
    ]


def test_a_rerun_of_pre_settles_again_and_one_of_run_does_not(world: World) -> None:
    job = world.run("v1")
    Nature.objects.filter(code="python").update(include=["*.txt"])
    for step, expected in (("RUN", []), ("PRE", ["python"])):
        job = Job.objects.get(pk=job.pk)
        actor = Actor(UserFactory.create(is_superuser=True), "api")
        actions()["rerun"].execute(job.pk, actor=actor, now=timezone.now(), step=step)
        while (taken := runner.take_due("test")) is not None:
            runner.run(taken)
        assert natures_of(job) == expected
    assert Contents.objects.get(job=job).attempt == 3


def test_a_static_job_and_a_demotion_carry_what_came_with_the_revision(world: World) -> None:
    world.run("v1")
    world.commit("v2", {"a.py": "x"})
    world.run("v2")
    again = world.run("v2", type="static")
    assert natures_of(again) == ["python"]
    assert (again.contents.base_sha, again.contents.commits_count) == (world.shas["v1"], 1)
    promoted = world.run("v2")
    assert (natures_of(promoted), promoted.contents.files, promoted.contents.commits_count) == ([], 0, 0)
    back = world.run("v2", type="demote")
    assert natures_of(back) == ["python"]
    contents = back.contents
    assert (contents.commits_count, [each["sha"] for each in contents.backed_out]) == (0, [world.shas["v2"]])
    assert any("1 commit backed out" in text for text in said(back))


def test_what_a_deleted_job_brought_is_still_what_is_compared_with(world: World) -> None:
    first = world.run("v1")
    happen(first, Event.DELETE)
    world.commit("v2", {"a.py": "x"})
    job = world.run("v2")
    assert (job.contents.base_sha, job.contents.base_job) == (world.shas["v1"], None)
    assert f"1 file changed since {world.shas['v1'][:12]} ({first.name})" in " ".join(said(job))


def test_going_back_to_an_older_revision_backs_out_commits(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    world.run("v2")
    job = world.run("v1")
    assert natures_of(job) == ["python"]
    assert job.contents.commits_count == 0
    assert [each["subject"] for each in job.contents.backed_out] == ["Change v2"]


def test_newer_is_what_follows_whenever_it_was_deployed(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    later = EnvironmentFactory.create()
    here, there = (f"{each.code} {world.project.code}" for each in (world.environment, later))

    def newer() -> dict[str, str]:
        wanted = Wanted(projects=[world.project.code])
        root = UserFactory.create(is_superuser=True)
        found = places(root, wanted, beyond=None, backward=False, inclusive=False, count=9)
        assert {str(place) for place in found} == {here, there}
        return newer_elsewhere(found)

    world.run("v2")
    older = world.run("v1", environment=later)
    assert newer() == {there: world.environment.code}
    Job.objects.filter(pk=older.pk).delete()
    assert newer() == {there: world.environment.code}, "also when the job is gone"
    world.commit("v3", {"b.sql": "x"})
    world.run("v3", environment=later)
    assert newer() == {here: later.code}
    world.run("v2", "v3")
    assert newer() == {}, "what leads to v3 is no more than v3"
    git("checkout", "--quiet", "-b", "apart", "v1", cwd=world.origin)
    world.commit("a1", {"c.txt": "x"})
    world.commit("a2", {"c.txt": "y"})
    world.run("a2")
    assert newer() == {there: world.environment.code}, "they went apart: what came later"
    world.run("v3", environment=later, type="static")
    assert newer() == {here: later.code}
    # Of what is in no repository, the later one.
    JobFactory.at(
        "END", "finished", project=world.project, environment=world.environment, revisions=[("v0", "b" * 40)]
    )
    assert newer() == {there: world.environment.code}


def test_several_revisions_are_one_content(world: World) -> None:
    world.run("v1")
    git("checkout", "--quiet", "-b", "side", cwd=world.origin)
    world.commit("s1", {"a.py": "x"})
    git("checkout", "--quiet", "main", cwd=world.origin)
    world.commit("m1", {"b.sql": "x"})
    job = world.run("s1", "m1")
    assert natures_of(job) == ["python", "sql"]
    assert {each["sha"] for each in job.contents.commits} == {world.shas["s1"], world.shas["m1"]}
    world.commit("m2", {"c.txt": "x"})
    job = world.run("m2")
    assert natures_of(job) == ["python"], "what m1 brought is there, what s1 brought goes"
    assert (job.contents.files, job.contents.are_all) == (2, False)
    base = f"{world.shas['s1'][:12]}, {world.shas['m1'][:12]}"
    assert any(f"2 files changed since {base} (" in text for text in said(job))
    assert [each["sha"] for each in job.contents.commits] == [world.shas["m2"]]
    assert [each["sha"] for each in job.contents.backed_out] == [world.shas["s1"]]


def test_a_crash_before_the_write_leaves_nothing_and_the_next_runner_settles(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.commit("v2", {"a.py": "x"})
    job = world.job("v2")
    with monkeypatch.context() as patch:
        patch.setattr(settling, "_still_there", lambda base: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            settled_by_hand(job)
    assert not Contents.objects.exists()
    assert not JobNature.objects.exists()
    settled_by_hand(job)
    lines = said(job)
    settled_by_hand(job)
    assert natures_of(job) == ["python"]
    assert said(job) == lines, "it was settled already"


def settled_by_hand(job: Job) -> object:
    assert job.claim is not None
    with (
        LeaseKeeper(job.pk, job.claim, timedelta(seconds=15)) as keeper,
        LogWriter(job.pk, job.claim, job.attempt) as log,
    ):
        return settling.settle(job, keeper, log, Mask())


def test_a_runner_without_its_claim_writes_nothing(world: World) -> None:
    job = world.job("v1")
    happen(job, Event.CANCEL)
    with pytest.raises(StaleClaim):
        settled_by_hand(job)
    assert not Contents.objects.exists()
    assert not JobNature.objects.exists()


def test_a_worker_told_to_stop_hands_the_job_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.job("v1")
    with monkeypatch.context() as patch:
        patch.setattr(draining, "is_draining", lambda: True)
        runner.run(job)
    job.refresh_from_db()
    assert (job.step, job.status, job.claim, job.due_at is not None) == ("PRE", "running", None, True)
    assert not Contents.objects.exists()
    taken = runner.take_due("next")
    assert taken is not None
    runner.run(taken)
    assert Contents.objects.get(job=job).state == "settled"


def test_streams_hear_that_the_natures_are_known(world: World) -> None:
    world.commit("v2", {"a.py": "x"})
    job = world.job("v2")
    before = models.Event.objects.filter(kind="job").count()
    settled_by_hand(job)
    assert models.Event.objects.filter(kind="job").count() == before + 1


def test_a_deleted_job_takes_its_contents_along_and_leaves_those_of_others(world: World) -> None:
    first = world.run("v1")
    world.commit("v2", {"a.py": "x"})
    second = world.run("v2")
    first.delete()
    contents = Contents.objects.get()
    assert (contents.job, contents.base_job, contents.base_sha) == (second, None, world.shas["v1"])
