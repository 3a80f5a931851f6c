"""A fetch that ends in the middle of the data: afterwards the mirror works, and what comes out of it is right."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from jobs.repositories import Repository, RepositoryError
from tests.git_server import GitServer, git_server
from tests.integration.processes.conftest import marked
from tests.repositories import git, make_repository
from tests.waiting import until

LARGE = 1 << 19
WORKER = """\
import sys
from pathlib import Path
from jobs.repositories import GitRunner, Repository
address, mirrors, marker, sha, directory = sys.argv[1:]
sys.stdin.readline()
Repository(address, Path(mirrors), GitRunner(marker)).checkout(sha, Path(directory), seconds=60)
"""


@pytest.fixture
def shas(tmp_path: Path) -> dict[str, str]:
    found = make_repository(tmp_path / "root" / "shop", {"v1": "one"})
    found["v2"] = commit(tmp_path, "two")
    return found


@pytest.fixture
def server(tmp_path: Path, shas: dict[str, str]) -> Iterator[GitServer]:
    with git_server(tmp_path / "root") as found:
        yield found


@pytest.fixture
def repository(server: GitServer, tmp_path: Path) -> Repository:
    return Repository(server.address("shop/.git"), tmp_path / "mirrors")


@pytest.fixture
def marker() -> Iterator[str]:
    name = f"test:{uuid.uuid4()}"
    yield name
    kill(name)


def kill(marker: str) -> None:
    for process in marked(marker):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def commit(tmp_path: Path, text: str) -> str:
    """Commit a version with a file that cannot be packed into less, and return it."""
    origin = tmp_path / "root" / "shop"
    (origin / "version.txt").write_text(f"{text}\n")
    (origin / "large.bin").write_bytes(os.urandom(LARGE))
    git("add", "--all", cwd=origin)
    git("commit", "--quiet", "-m", text, cwd=origin)
    return git("rev-parse", "HEAD", cwd=origin)


def check(repository: Repository, sha: str, where: Path) -> None:
    """Check a commit out, and that all of it is there and as it is in the origin."""
    repository.checkout(sha, where, seconds=60)
    assert git("status", "--porcelain", cwd=where) == ""
    assert git("rev-parse", "HEAD", cwd=where) == sha
    assert git("--git-dir", str(repository.mirror), "fsck", "--full", "--no-dangling", cwd=where) == ""
    left = [path.name for path in repository.mirrors.rglob("*") if path.name.startswith("tmp_")]
    assert left == [], "nobody takes these away later"


def test_a_server_that_dies_while_it_sends_costs_a_clear_error_and_nothing_else(
    repository: Repository, server: GitServer, shas: dict[str, str], tmp_path: Path
) -> None:
    server.stops_after = LARGE // 4
    with pytest.raises(RepositoryError, match=r"(?i)early EOF|hung up|disconnect|transfer closed|RPC failed"):
        repository.checkout(shas["v1"], tmp_path / "a", seconds=60)
    server.stops_after = None
    check(repository, shas["v1"], tmp_path / "b")
    # The same once there is a mirror: what it has it keeps, also while the server is away.
    newer = commit(tmp_path, "three")
    server.stops_after = LARGE // 4
    with pytest.raises(RepositoryError):
        repository.checkout(newer, tmp_path / "c", seconds=60)
    packs = server.packs
    repository.checkout(shas["v2"], tmp_path / "c", seconds=60)
    assert server.packs == packs
    server.stops_after = None
    check(repository, newer, tmp_path / "c")
    assert (tmp_path / "c" / "version.txt").read_text() == "three\n"


@pytest.mark.parametrize("victim", ["worker", "git"])
def test_a_process_killed_while_it_fetches_does_not_hinder_the_next(
    repository: Repository, server: GitServer, shas: dict[str, str], marker: str, tmp_path: Path, victim: str
) -> None:
    check(repository, shas["v1"], tmp_path / "a")
    newer = commit(tmp_path, "three")
    server.stops_after, server.hangs = LARGE // 4, True
    (worker,) = begin(repository, marker, {tmp_path / "b": newer})
    assert server.is_sending.wait(20)

    def receiving() -> bool:
        return any("index-pack" in process.cmdline() for process in marked(marker))

    until(receiving, 10, "git receiving a pack")
    (repository.mirror / "refs" / "heads" / "main.lock").touch()
    if victim == "worker":
        worker.kill()
    else:
        kill(marker)
        server.let_go.set()
        server.stops_after = None
    worker.wait(30)
    until(lambda: not marked(marker), 10, "the end of git")
    server.let_go.set()
    server.stops_after = None
    check(repository, newer, tmp_path / "b")
    assert (tmp_path / "b" / "version.txt").read_text() == "three\n"


def test_two_worker_processes_fetch_into_one_mirror_at_once(
    repository: Repository, server: GitServer, shas: dict[str, str], marker: str, tmp_path: Path
) -> None:
    newer = commit(tmp_path, "three")
    wanted = {
        tmp_path / f"{name}{number}": sha
        for number in range(2)
        for name, sha in (("old", shas["v1"]), ("new", newer))
    }
    workers = begin(repository, marker, wanted)
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert server.packs == 1, "who comes second finds what the first one fetched"
    for number in range(2):
        assert (tmp_path / f"old{number}" / "version.txt").read_text() == "one\n"
        check(repository, newer, tmp_path / f"new{number}")


def begin(repository: Repository, marker: str, wanted: Mapping[Path, str]) -> list[psutil.Popen]:
    """Start workers that check commits out into folders, and let them go on all at once."""
    workers = []
    for directory, sha in wanted.items():
        command = [sys.executable, "-c", WORKER, repository.address, str(repository.mirrors), marker, sha]
        workers.append(
            psutil.Popen([*command, str(directory)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
    for worker in workers:
        worker.stdin.write(b"\n")
        worker.stdin.close()
    return workers
