"""What is offered to choose from a real repository, and what a slow or absent one costs."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from jobs.contents import offering
from jobs.contents.offering import Offer
from jobs.repositories import Repository, RepositoryError
from tests.repositories import git, make_repository

VERSIONS = {f"v1.{number}.0": f"1.{number}.0" for number in (1, 2, 9, 10)}


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    make_repository(tmp_path / "shop", VERSIONS)
    git("branch", "hotfix/Login", "v1.2.0", cwd=tmp_path / "shop")
    return Repository(str(tmp_path / "shop"), tmp_path / "mirrors")


def refs(found: Offer, kind: str) -> list[str]:
    return [choice.ref for choice in found.of(kind)]


def test_nothing_typed_offers_the_newest_of_each(shop: Repository) -> None:
    found = offering.offer(shop, "")
    assert refs(found, "tag") == ["v1.10.0", "v1.9.0", "v1.2.0", "v1.1.0"]
    assert refs(found, "branch") == ["main", "hotfix/Login"], "the default branch comes first"
    newest = found.of("commit")[0]
    assert newest.commit is not None
    assert (newest.commit.subject, newest.commit.author) == ("Version v1.10.0", "Ana")
    tag = found.of("tag")[0]
    assert tag.sha == newest.ref, (
        "of an annotated tag the commit, and a commit is offered by its whole number"
    )
    assert tag.commit == newest.commit


@pytest.mark.parametrize(
    ("text", "tags", "branches", "commits"),
    [
        ("v1.1", ["v1.10.0", "v1.1.0"], [], 2),
        ("LOGIN", [], ["hotfix/Login"], 0),
        ("version V1.9", [], [], 1),
        ("nothing like it", [], [], 0),
        ("--all", [], [], 0),
        (".*", [], [], 0),
        ("a\0b", [], [], 0),
        ("x" * 5000, [], [], 0),
    ],
)
def test_what_is_typed_narrows_it(
    shop: Repository, text: str, tags: list[str], branches: list[str], commits: int
) -> None:
    found = offering.offer(shop, text)
    assert (refs(found, "tag"), refs(found, "branch"), len(found.of("commit"))) == (tags, branches, commits)
    assert found.are_commits_known


def test_a_commit_is_found_by_the_beginning_of_its_number(shop: Repository) -> None:
    sha = offering.refs_of(shop).tags["v1.2.0"]
    assert refs(offering.offer(shop, sha[:8].upper()), "commit") == [sha]


def test_a_new_commit_is_offered_with_its_subject(
    shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offering.offer(shop, "")
    git("commit", "--quiet", "--allow-empty", "-m", "Fresh", cwd=tmp_path / "shop")
    monkeypatch.setattr(offering, "_kept", {})
    newest = offering.offer(shop, "").of("branch")[0].commit
    assert newest is not None
    assert newest.subject == "Fresh"


def test_there_is_an_end_to_what_is_offered(tmp_path: Path) -> None:
    make_repository(tmp_path / "many", {"v0": "0"})
    for number in range(30):
        git("tag", f"t{number}", cwd=tmp_path / "many")
        git("commit", "--quiet", "--allow-empty", "-m", f"Number {number}", cwd=tmp_path / "many")
    found = offering.offer(Repository(str(tmp_path / "many"), tmp_path / "mirrors"), "")
    assert found.more == {"tag", "commit"}
    assert len(found.of("tag")) == len(found.of("commit")) == offering.MOST_OF_EACH


def test_a_repository_that_is_not_there_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Repository(str(tmp_path / "absent"), tmp_path / "mirrors")
    with pytest.raises(RepositoryError):
        offering.offer(absent, "")
    monkeypatch.setattr(Repository, "listing", lambda *_args, **_options: pytest.fail("asked again"))
    with pytest.raises(RepositoryError) as first:
        offering.offer(absent, "v1")
    with pytest.raises(RepositoryError) as second:
        offering.offer(absent, "v1")
    assert first.value is not second.value, "what is raised is nobody else's"
    assert (type(first.value), str(first.value)) == (type(second.value), str(second.value))


def test_a_slow_repository_costs_its_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Repository
) -> None:
    """Its server takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        slow = Repository(f"git://127.0.0.1:{server.getsockname()[1]}/shop", tmp_path / "mirrors")
        monkeypatch.setattr(offering, "LOOK_SECONDS", 0.3)
        begun = time.monotonic()
        with pytest.raises(RepositoryError, match="longer than"):
            offering.refs_of(slow, seconds=0.3)
        assert time.monotonic() - begun < 5
    assert refs(offering.offer(shop, "v1.9"), "tag") == ["v1.9.0"], "others are not held up"


def test_names_are_offered_while_nobody_can_read_the_mirror(
    shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object, **_options: object) -> None:
        raise RepositoryError("held by another")

    monkeypatch.setattr(Repository, "_fetch", fails)
    found = offering.offer(shop, "v1.9")
    assert (refs(found, "tag"), found.are_commits_known, found.of("tag")[0].commit) == (
        ["v1.9.0"],
        False,
        None,
    )


def test_no_more_than_a_few_are_asked_at_once(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    full = threading.BoundedSemaphore(1)
    full.acquire()
    monkeypatch.setattr(offering, "_looking", full)
    with pytest.raises(offering.TooManyLook):
        offering.offer(shop, "")


def test_commits_by_ref(shop: Repository) -> None:
    tags = offering.refs_of(shop).tags
    sha = tags["v1.1.0"]
    assert offering.commits_of(shop, ["v1.1.0", "main", sha[:9], sha, "v7"]) == {
        "v1.1.0": sha, "main": tags["v1.10.0"], sha[:9]: sha, sha: sha, "v7": "",
    }  # fmt: skip


def test_what_would_go(shop: Repository) -> None:
    tags = offering.refs_of(shop).tags
    found = offering.apart(shop, [tags["v1.10.0"]], [tags["v1.1.0"]], most=2, current=False).ahead
    assert found is not None
    assert (found.count, [commit.subject for commit in found.listed]) == (
        3,
        ["Version v1.10.0", "Version v1.9.0"],
    )
    unknown = offering.apart(shop, [tags["v1.10.0"]], ["0" * 40], most=2, current=False)
    assert (unknown.ahead, unknown.gone) == (None, "0" * 40)


def test_several_may_compare_at_once_though_nothing_was_fetched_before(shop: Repository) -> None:
    tags = {name: git("rev-parse", f"{name}^{{commit}}", cwd=Path(shop.address)) for name in VERSIONS}
    found: list[tuple[int, int]] = []

    def compare() -> None:
        apart = offering.apart(shop, [tags["v1.10.0"]], [tags["v1.2.0"]], most=1)
        assert apart.ahead is not None
        assert apart.behind is not None
        found.append((apart.ahead.count, apart.behind.count))

    threads = [threading.Thread(target=compare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [(2, 0)] * 4


def test_one_that_refuses_at_once_is_asked_again_sooner_than_a_slow_one(tmp_path: Path) -> None:
    def paused(address: str) -> float:
        repository = Repository(address, tmp_path / "mirrors")
        with pytest.raises(RepositoryError):
            offering.apart(repository, ["a" * 40], [], most=1)
        return offering._paused[repository.mirror.name][0] - time.monotonic()

    assert paused(str(tmp_path / "absent")) < 20
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(offering, "LOOK_SECONDS", 0.3)
        assert paused(f"git://127.0.0.1:{silent.getsockname()[1]}/shop") > 200
