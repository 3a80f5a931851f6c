"""Git as a process of a job: it ends with its runner, in time, and leaves nothing that hinders the next one."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from jobs import runner
from jobs.execution import naming
from jobs.lifecycle import Event
from jobs.models import Job
from jobs.repositories import GitRunner, GitStopped, Repository, RepositoryError
from rules.processes.client import marker_of
from tests.factories import JobFactory, ProjectFactory, RuleFactory, happen
from tests.integration.processes.conftest import marked
from tests.repositories import git, make_repository
from tests.waiting import until


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"git://127.0.0.1:{server.getsockname()[1]}/shop"


@pytest.fixture
def marker() -> Iterator[str]:
    name = f"test:{uuid.uuid4()}"
    yield name
    for process in marked(name):
        process.kill()


@pytest.fixture
def shas(tmp_path: Path) -> dict[str, str]:
    return make_repository(tmp_path / "origin", {"v1.0.0": "one", "v1.1.0": "two"})


@pytest.fixture
def repository(tmp_path: Path, shas: dict[str, str]) -> Repository:
    return Repository(str(tmp_path / "origin"), tmp_path / "mirrors")


def commit(tmp_path: Path, text: str) -> str:
    (tmp_path / "origin" / "version.txt").write_text(text + "\n")
    git("commit", "--quiet", "-am", text, cwd=tmp_path / "origin")
    return git("rev-parse", "HEAD", cwd=tmp_path / "origin")


def test_git_is_stopped_as_soon_as_its_runner_asks(silent: str, marker: str, tmp_path: Path) -> None:
    told = threading.Event()
    errors: list[RepositoryError] = []

    def check_out() -> None:
        try:
            Repository(silent, tmp_path / "mirrors", GitRunner(marker, told.is_set)).checkout(
                "a" * 40, tmp_path / "work", seconds=None
            )
        except RepositoryError as error:
            errors.append(error)

    thread = threading.Thread(target=check_out)
    thread.start()
    until(lambda: any("fetch" in process.cmdline() for process in marked(marker)), 10, "git at work, marked")
    told.set()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [GitStopped]
    assert marked(marker) == []


def test_git_may_take_no_longer_than_it_was_given_in_all(silent: str, marker: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(GitStopped, match="git took longer than 1 seconds"):
        Repository(silent, tmp_path / "mirrors", GitRunner(marker)).checkout(
            "a" * 40, tmp_path / "work", seconds=1
        )
    assert time.monotonic() - begun < 5
    assert marked(marker) == []


def test_git_ends_with_a_killed_worker(silent: str, marker: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from jobs.repositories import GitRunner, Repository\n"
        "Repository(sys.argv[1], Path(sys.argv[2]), GitRunner(sys.argv[3])).resolve('main', seconds=60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program, silent, str(tmp_path / "mirrors"), marker])
    until(lambda: any("ls-remote" in process.cmdline() for process in marked(marker)), 10, "git at work")
    worker.kill()
    worker.wait()
    until(lambda: not marked(marker), 10, "the end of git")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["PRE", "RUN"])
def test_git_of_a_cancelled_job_is_stopped_as_it_settles_the_contents_and_as_it_checks_out(
    silent: str, step: str
) -> None:
    rule = RuleFactory.create(source="name: {slug}\nsteps:\n  RUN:\n    - git: {}\n")
    project = ProjectFactory.create(repository=silent)
    job: Job = JobFactory.at(step, "running", rule=rule, project=project, revisions=["main"])

    def run() -> None:
        runner.run(Job.objects.get(pk=job.pk))
        connections.close_all()

    def processes() -> bool:
        return bool(marked(marker_of(naming.scope(), str(job.claim))))

    thread = threading.Thread(target=run)
    thread.start()
    until(processes, 10, "git at work under the job's claim")
    happen(Job.objects.get(pk=job.pk), Event.CANCEL)
    thread.join(15)
    assert not thread.is_alive()
    assert not processes()
    job.refresh_from_db()
    assert (job.status, job.reason) == ("cancelled", "")


@pytest.mark.django_db(transaction=True)
def test_the_time_limit_of_a_checkout_is_that_of_its_operation(silent: str) -> None:
    rule = RuleFactory.create(source="name: {slug}\nsteps:\n  RUN:\n    - git: {}\n      timeout: 1s\n")
    project = ProjectFactory.create(repository=silent)
    job: Job = JobFactory.at("RUN", "running", rule=rule, project=project, revisions=["main"])
    runner.run(Job.objects.get(pk=job.pk))
    assert [run.error for run in job.operation_runs.all()] == ["The time limit of 1s ran out."]


def test_who_waits_for_another_s_fetch_gives_up_in_time(
    repository: Repository, shas: dict[str, str], tmp_path: Path
) -> None:
    repository.mirrors.mkdir()
    with repository.mirror.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RepositoryError, match=r"^Another job is fetching"):
            repository.checkout(shas["v1.0.0"], tmp_path / "a", seconds=0.3)
    repository.checkout(shas["v1.0.0"], tmp_path / "a", seconds=10)


def test_what_a_killed_git_left_locked_does_not_hinder_the_next(
    repository: Repository, shas: dict[str, str], tmp_path: Path
) -> None:
    repository.checkout(shas["v1.0.0"], tmp_path / "a", seconds=10)
    mirror = repository.mirror
    inode = mirror.stat().st_ino
    for lock in (
        mirror / "refs/heads/main.lock",
        mirror / "packed-refs.lock",
        tmp_path / "a/.git/index.lock",
    ):
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    sha = commit(tmp_path, "three")
    repository.checkout(sha, tmp_path / "a", seconds=10)
    assert (tmp_path / "a" / "version.txt").read_text() == "three\n"
    assert mirror.stat().st_ino == inode, "the mirror was mended and not made anew"


@pytest.mark.parametrize("damage", ["an object is missing", "a ref is empty"])
def test_a_damaged_mirror_is_made_anew(
    repository: Repository, shas: dict[str, str], tmp_path: Path, damage: str
) -> None:
    repository.checkout(shas["v1.0.0"], tmp_path / "a", seconds=10)
    if damage == "an object is missing":
        sha, text = shas["v1.1.0"], "two"
        lose_an_object(repository.mirror, git("rev-parse", f"{sha}:version.txt", cwd=tmp_path / "origin"))
    else:
        sha, text = commit(tmp_path, "three"), "three"
        (repository.mirror / "refs" / "heads" / "main").write_text("")
    repository.checkout(sha, tmp_path / "b", seconds=10)
    assert (tmp_path / "b" / "version.txt").read_text() == f"{text}\n"


def lose_an_object(mirror: Path, sha: str) -> None:
    """Take one object out of a mirror that holds packs."""
    for pack in (mirror / "objects" / "pack").glob("*.pack"):
        moved = pack.rename(mirror / pack.name)
        pack.with_suffix(".idx").unlink()
        unpack = ["git", "--git-dir", str(mirror), "unpack-objects", "-q"]
        subprocess.run(unpack, input=moved.read_bytes(), check=True)
        moved.unlink()
    (mirror / "objects" / sha[:2] / sha[2:]).unlink()


def test_a_fetch_that_was_killed_leaves_no_half_mirror_and_no_old_one_in_the_way(
    repository: Repository, shas: dict[str, str], tmp_path: Path
) -> None:
    half = repository.mirror.with_suffix(".new")
    (half / "objects").mkdir(parents=True)
    (half / "HEAD").write_text("ref: refs/heads/nowhere\n")
    repository.checkout(shas["v1.1.0"], tmp_path / "a", seconds=10)
    assert [path.name for path in repository.mirrors.iterdir() if path.is_dir()] == [repository.mirror.name]


def test_git_s_complaint_is_what_people_read(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"not a git repository|does not exist|not appear"):
        Repository(str(tmp_path / "nowhere"), tmp_path / "mirrors").checkout(
            "a" * 40, tmp_path / "a", seconds=10
        )
