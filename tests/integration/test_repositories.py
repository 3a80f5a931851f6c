"""Git repositories of projects, with the real git."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs.repositories import Repository, RepositoryError, UnknownRef
from tests.repositories import git, make_repository


@pytest.fixture
def shas(tmp_path: Path) -> dict[str, str]:
    return make_repository(tmp_path / "origin", {"v1.0.0": "one", "v1.1.0": "two"})


@pytest.fixture
def repository(tmp_path: Path, shas: dict[str, str]) -> Repository:
    return Repository(str(tmp_path / "origin"), tmp_path / "mirrors")


def test_tags_branches_and_commits_are_resolved_to_commits(
    repository: Repository, shas: dict[str, str]
) -> None:
    assert repository.resolve("v1.0.0", seconds=10) == shas["v1.0.0"]
    assert repository.resolve("main", seconds=10) == shas["v1.1.0"]
    assert repository.resolve(shas["v1.0.0"], seconds=10) == shas["v1.0.0"]
    assert repository.resolve(shas["v1.0.0"][:9], seconds=10) == shas["v1.0.0"]
    assert repository.resolve("refs/tags/v1.0.0", seconds=10) == shas["v1.0.0"]
    assert repository.resolve("HEAD", seconds=10) == shas["v1.1.0"]
    git("branch", "corrección/ñandú", "v1.0.0", cwd=Path(repository.address))
    assert repository.resolve("corrección/ñandú", seconds=10) == shas["v1.0.0"]


@pytest.mark.parametrize(
    "ref", ["v9", "--upload-pack=touch /tmp/x", "-x", "a..b", "a b", "", "f" * 40, "f" * 12, "*"]
)
def test_what_is_no_ref_is_unknown_and_never_an_option(repository: Repository, ref: str) -> None:
    with pytest.raises(UnknownRef):
        repository.resolve(ref, seconds=10)


def test_a_repository_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"does not appear to be a git repository|not exist|not found"):
        Repository(str(tmp_path / "nowhere"), tmp_path / "mirrors").resolve("main", seconds=10)


def test_a_transport_that_runs_commands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="not allowed"):
        Repository(f"ext::sh -c touch% {tmp_path}/owned", tmp_path / "mirrors").resolve("main", seconds=10)
    assert not (tmp_path / "owned").exists()


def test_a_checkout_holds_the_revision_and_moves_to_another(
    repository: Repository, shas: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "work" / "src"
    repository.checkout(shas["v1.0.0"], target, seconds=10)
    assert (target / "version.txt").read_text() == "one\n"
    (target / "version.txt").write_text("changed by a build\n")
    repository.checkout(shas["v1.1.0"], target, seconds=10)
    assert (target / "version.txt").read_text() == "two\n"
    assert git("rev-parse", "HEAD", cwd=target) == shas["v1.1.0"]


def test_a_commit_made_after_the_mirror_is_fetched(
    repository: Repository, shas: dict[str, str], tmp_path: Path
) -> None:
    repository.checkout(shas["v1.0.0"], tmp_path / "a", seconds=10)
    (tmp_path / "origin" / "version.txt").write_text("three\n")
    git("commit", "--quiet", "-am", "Three", cwd=tmp_path / "origin")
    sha = repository.resolve("main", seconds=10)
    repository.checkout(sha, tmp_path / "b", seconds=10)
    assert (tmp_path / "b" / "version.txt").read_text() == "three\n"


def test_a_mirror_left_half_made_is_made_anew(
    repository: Repository, shas: dict[str, str], tmp_path: Path
) -> None:
    repository.mirror.mkdir(parents=True)
    repository.checkout(shas["v1.0.0"], tmp_path / "a", seconds=10)
    assert (tmp_path / "a" / "version.txt").read_text() == "one\n"


def test_many_at_once_share_one_mirror(repository: Repository, shas: dict[str, str], tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def check_out(number: int) -> None:
        try:
            repository.checkout(shas["v1.1.0"], tmp_path / str(number), seconds=30)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=check_out, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {(tmp_path / str(number) / "version.txt").read_text() for number in range(6)} == {"two\n"}
