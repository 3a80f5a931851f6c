"""What lies between two revisions, with the real git and repositories of every odd kind."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobs import natures
from jobs.contents import history
from jobs.contents.history import History, Moved
from jobs.repositories import GitRunner, GitStopped, Repository, RepositoryError, UnknownRef
from tests.integration.processes.conftest import marked
from tests.repositories import git, make_repository
from tests.waiting import until

NOWHERE = ("a" * 40, "a" * 40)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    make_repository(tmp_path / "origin", {"v1": "one"})
    return tmp_path / "origin"


@pytest.fixture
def repository(origin: Path, tmp_path: Path) -> Repository:
    return Repository(str(origin), tmp_path / "mirrors")


def commit(origin: Path, files: dict[str, str] | None = None, message: str = "Change") -> str:
    """Commit files and return the commit."""
    for name, text in (files or {}).items():
        path = origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git("add", "--all", cwd=origin)
    git("commit", "--quiet", "--allow-empty", "-m", message, cwd=origin)
    return head(origin)


def head(origin: Path, name: str = "HEAD") -> str:
    return git("rev-parse", f"{name}^{{commit}}", cwd=origin)


def between(repository: Repository, base: str, *shas: str) -> History:
    return history.read(repository, [base] if base else [], [(sha, sha) for sha in shas], seconds=30)


def subjects(commits: history.Commits | None) -> list[str]:
    assert commits is not None
    return [each.subject for each in commits.listed]


def test_a_rename_is_both_paths_and_a_deletion_is_a_change(repository: Repository, origin: Path) -> None:
    base = commit(origin, {"a/old.py": "x\n" * 50, "gone.sql": "y"})
    git("mv", "a/old.py", "new.py", cwd=origin)
    (origin / "gone.sql").unlink()
    found = between(repository, base, commit(origin))
    assert found.paths == {"a/old.py", "new.py", "gone.sql"}
    assert not found.are_all


def test_a_merge_brings_the_commits_of_both_sides(repository: Repository, origin: Path) -> None:
    base = head(origin)
    git("checkout", "--quiet", "-b", "side", cwd=origin)
    commit(origin, {"side.py": "x"}, "On the side")
    git("checkout", "--quiet", "main", cwd=origin)
    commit(origin, {"main.sql": "x"}, "On main")
    git("merge", "--quiet", "--no-ff", "-m", "Merged", "side", cwd=origin)
    found = between(repository, base, head(origin))
    assert found.paths == {"side.py", "main.sql"}
    assert sorted(subjects(found.brought)) == ["Merged", "On main", "On the side"]
    assert subjects(found.lacking) == []


def test_revisions_that_went_apart_bring_some_commits_and_lack_others(
    repository: Repository, origin: Path
) -> None:
    git("checkout", "--quiet", "-b", "side", cwd=origin)
    side = commit(origin, {"side.py": "x"}, "On the side")
    git("checkout", "--quiet", "main", cwd=origin)
    found = between(repository, side, commit(origin, {"main.sql": "x"}, "On main"))
    assert (subjects(found.brought), subjects(found.lacking)) == (["On main"], ["On the side"])
    assert found.paths == {"side.py", "main.sql"}


def test_of_several_that_are_there_one_may_lead_to_the_other(repository: Repository, origin: Path) -> None:
    """What the older one of them had just so is no longer there, so it changes back."""
    shas = [head(origin, "v1")]
    for name in ("a.py", "b.sql", "c.java", "d.txt"):
        shas.append(commit(origin, {name: "x"}, name))
    v1, v3, v5 = shas[0], shas[2], shas[4]
    for bases in ([v1, v5], [v5, v1]):
        found = history.read(repository, bases, [(v3, v3)], seconds=30)
        assert found.paths == {"c.java", "d.txt"}
        back = history.read(repository, bases, [(v1, v1)], seconds=30)
        assert back.paths == {"a.py", "b.sql", "c.java", "d.txt"}
        assert (subjects(back.brought), subjects(back.lacking)) == ([], ["d.txt", "c.java", "b.sql", "a.py"])


def test_of_several_that_went_apart_each_is_there_as_it_changed_things(
    repository: Repository, origin: Path
) -> None:
    sides = []
    for name in ("one", "two"):
        git("checkout", "--quiet", "-b", name, "v1", cwd=origin)
        sides.append(commit(origin, {f"{name}.py": name, "both.py": name}))
    git("checkout", "--quiet", "-b", "new", "one", cwd=origin)
    git("merge", "--quiet", "-s", "ours", "-m", "Merged", "two", cwd=origin)
    ours = commit(origin, {"two.py": "two", "new.sql": "x"})
    found = history.read(repository, sides, [(ours, ours)], seconds=30)
    assert found.paths == {"both.py", "new.sql"}, "whose both.py is there nobody knows"
    lost = history.read(repository, sides, [(sides[0], "v1"), (sides[0], sides[0])][1:], seconds=30)
    assert lost.paths == {"both.py", "two.py"}
    git("checkout", "--quiet", "--orphan", "other", cwd=origin)
    orphan = commit(origin, {"three.py": "x"})
    apart = history.read(repository, [sides[0], orphan], [(sides[0], sides[0])], seconds=30)
    assert {"three.py"} <= apart.paths


def test_a_submodule_is_a_path_and_nobody_looks_into_it(
    repository: Repository, origin: Path, tmp_path: Path
) -> None:
    make_repository(tmp_path / "library", {"v1": "one"})
    git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(tmp_path / "library"),
        "lib",
        cwd=origin,
    )
    base = commit(origin)
    assert between(repository, "", base).paths == {".gitmodules", "lib", "version.txt"}
    inside = origin / "lib"
    commit(inside, {"x.py": "x"})
    assert between(repository, base, commit(origin)).paths == {"lib"}


def test_names_with_anything_in_them_are_read_as_they_are(repository: Repository, origin: Path) -> None:
    odd = [
        "a b.py",
        "quo'te\".py",
        "line\nfeed.py",
        "tab\there.py",
        "ñandú/日本.py",
        "-rf.py",
        "*.py",
        "back\\slash.py",
    ]
    sha = commit(origin, dict.fromkeys(odd, "x"))
    raw = os.fsencode(str(origin)) + b"/caf\xe9.py"
    Path(os.fsdecode(raw)).write_text("x")
    second = commit(origin)
    assert between(repository, head(origin, "v1"), sha).paths == set(odd)
    (latin,) = between(repository, sha, second).paths
    assert latin == "caf\udce9.py"
    matcher = natures.Matcher(["*.py"])
    assert natures.found({"python": matcher}, [latin]) == {"python"}
    assert all(matcher.decide(path).matches for path in odd)


def test_a_hundred_thousand_files(repository: Repository, origin: Path) -> None:
    stream = ["commit refs/heads/big\ncommitter A <a@example.org> 1700000000 +0000\ndata 3\nBig\n"]
    stream += [
        f"M 100644 inline d{place % 100}/e{place % 1000}/a rather long name of a file {place}.txt\ndata 1\nx\n"
        for place in range(100_000)
    ]
    stream.append("M 100644 inline d5/last.sql\ndata 1\ny\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=origin, input="".join(stream).encode(), check=True)
    found = between(repository, head(origin, "v1"), head(origin, "big"))
    assert len(found.paths) == 100_002
    matchers = {"sql": natures.Matcher(["d*/*.sql"]), "none": natures.Matcher(["/x/**/y.c"])}
    assert natures.found(matchers, found.paths, seconds=60) == {"sql"}


def test_of_very_many_commits_a_thousand_are_listed_and_the_others_counted(
    repository: Repository, origin: Path
) -> None:
    base = head(origin)
    stream = [f"reset refs/heads/many\nfrom {base}\n"]
    for number in range(1_200):
        who = f"Ñ A <a@example.org> {1700000000 + number} +0100"
        stream.append(f"commit refs/heads/many\ncommitter {who}\ndata {len(str(number))}\n{number}\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=origin, input="".join(stream).encode(), check=True)
    brought = between(repository, base, head(origin, "many")).brought
    assert brought is not None
    assert (len(brought.listed), brought.more, brought.count) == (1000, 200, 1200)
    first = brought.listed[0]
    assert (first.subject, first.author) == ("1199", "Ñ A")
    assert first.at is not None
    assert first.at.isoformat() == "2023-11-14T22:33:19+00:00"


def test_what_replaces_objects_in_the_repository_changes_nothing(
    repository: Repository, origin: Path
) -> None:
    base = head(origin)
    sha = commit(origin, {"a.py": "x"}, "Real")
    git("checkout", "--quiet", "--detach", base, cwd=origin)
    forged = commit(origin, {"b.sql": "x"}, "Forged")
    git("replace", sha, forged, cwd=origin)
    found = between(repository, base, sha)
    assert (set(found.paths), subjects(found.brought)) == ({"a.py"}, ["Real"])


def test_a_shallow_repository_is_read_and_said_to_be_one(origin: Path, tmp_path: Path) -> None:
    first = head(origin)
    base, sha = commit(origin, {"a.py": "x"}, "Two"), commit(origin, {"b.sql": "x"}, "Three")
    git("clone", "--quiet", "--depth", "2", f"file://{origin}", str(tmp_path / "shallow"), cwd=tmp_path)
    shallow = Repository(str(tmp_path / "shallow"), tmp_path / "mirrors")
    found = between(shallow, base, sha)
    assert (set(found.paths), subjects(found.brought), found.is_shallow) == ({"b.sql"}, ["Three"], True)
    beyond = between(shallow, first, sha)
    assert (beyond.is_base_gone, beyond.are_all, beyond.brought) == (True, True, None)
    shallow.checkout(sha, tmp_path / "work", seconds=30)
    assert (tmp_path / "work" / "b.sql").read_text() == "x"
    assert git("log", "--format=%s", cwd=tmp_path / "work").splitlines() == ["Three", "Two"]


def test_a_base_that_is_gone_is_no_diff_and_a_revision_that_is_gone_an_error(
    repository: Repository, origin: Path
) -> None:
    gone = between(repository, "a" * 40, head(origin))
    assert (gone.is_base_gone, gone.are_all, set(gone.paths)) == (True, True, {"version.txt"})
    assert (gone.brought, gone.lacking) == (None, None)
    with pytest.raises(UnknownRef, match=f"The commit {'b' * 40} is no longer in"):
        between(repository, head(origin), "b" * 40)


@pytest.mark.parametrize("lost", ["rewritten", "deleted"])
def test_a_base_that_history_left_behind_is_said_and_compared_all_the_same(
    repository: Repository, origin: Path, lost: str
) -> None:
    git("checkout", "--quiet", "-b", "side", cwd=origin)
    base = commit(origin, {"a.py": "x"}, "To be lost")
    assert between(repository, base, base).left_behind == ""
    if lost == "rewritten":
        git("reset", "--quiet", "--hard", "v1", cwd=origin)
        sha = commit(origin, {"b.sql": "x"}, "Rewritten")
    else:
        git("checkout", "--quiet", "main", cwd=origin)
        git("branch", "--quiet", "-D", "side", cwd=origin)
        # What the mirror holds already: nothing has to be fetched for it.
        sha = head(origin, "v1")
    git("reflog", "expire", "--expire=now", "--all", cwd=origin)
    git("gc", "--quiet", "--prune=now", cwd=origin)
    found = between(repository, base, sha)
    assert (found.left_behind, found.gone, found.outdated) == (base, "", "")
    assert found.paths == ({"a.py", "b.sql"} if lost == "rewritten" else {"a.py"})
    assert subjects(found.brought) == (["Rewritten"] if lost == "rewritten" else [])
    assert subjects(found.lacking) == ["To be lost"]


def test_a_repository_that_is_away_is_done_without_when_all_is_known(
    repository: Repository, origin: Path
) -> None:
    base, sha = head(origin), commit(origin, {"a.py": "x"})
    between(repository, base, sha)
    origin.rename(origin.with_name("away"))
    found = between(repository, base, sha)
    assert (found.paths, found.left_behind, found.moved) == (frozenset({"a.py"}), "", ())
    assert "does not appear to be a git repository" in found.outdated
    with pytest.raises(RepositoryError):
        between(repository, base, *NOWHERE[:1])


def test_only_tags_that_name_something_else_have_moved(repository: Repository, origin: Path) -> None:
    first = head(origin)
    git("tag", "light", cwd=origin)
    second = commit(origin)
    git("tag", "--force", "-a", "v1", "-m", "again", cwd=origin)
    asked = [
        ("v1", first),
        ("light", first),
        ("main", first),
        (first, first),
        (first[:9], first),
        ("lost", first),
    ]
    asked += [("HEAD", first), ("refs/tags/v1", first)]
    assert history.read(repository, [], asked, seconds=30).moved == (
        Moved("v1", first, second),
        Moved("lost", first, ""),
        Moved("refs/tags/v1", first, second),
    )


def test_a_damaged_mirror_is_made_anew(repository: Repository, origin: Path) -> None:
    base, sha = head(origin), commit(origin, {"a.py": "x"})
    between(repository, base, sha)
    tree = git("rev-parse", f"{sha}^{{tree}}", cwd=origin)
    for pack in (repository.mirror / "objects" / "pack").glob("*.pack"):
        moved = pack.rename(repository.mirror / pack.name)
        pack.with_suffix(".idx").unlink()
        command = ["git", "--git-dir", str(repository.mirror), "unpack-objects", "-q"]
        subprocess.run(command, input=moved.read_bytes(), check=True)
        moved.unlink()
    (repository.mirror / "objects" / tree[:2] / tree[2:]).unlink()
    assert between(repository, base, sha).paths == {"a.py"}


def test_two_workers_at_once_on_one_cache(repository: Repository, origin: Path) -> None:
    base, sha = head(origin), commit(origin, {"a.py": "x"})
    found: list[History] = []
    threads = [
        threading.Thread(target=lambda: found.append(between(repository, base, sha))) for _number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [each.paths for each in found] == [{"a.py"}] * 4


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"git://127.0.0.1:{server.getsockname()[1]}/shop"


def test_a_remote_that_hangs_is_left_in_time(silent: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    repository = Repository(silent, tmp_path / "mirrors")
    with pytest.raises(GitStopped, match="git took longer than 1 seconds"):
        history.read(repository, [], [NOWHERE], seconds=1)
    assert time.monotonic() - begun < 10


def test_a_fetch_that_is_killed_half_way_is_made_again(origin: Path, silent: str, tmp_path: Path) -> None:
    marker = f"test:{uuid.uuid4()}"
    mirrors = tmp_path / "mirrors"
    hanging = Repository(silent, mirrors, GitRunner(marker))
    errors: list[RepositoryError] = []

    def read() -> None:
        try:
            history.read(hanging, [], [NOWHERE], seconds=60)
        except RepositoryError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()

    def fetching() -> list[psutil.Process]:
        return [process for process in marked(marker) if "fetch" in process.cmdline()]

    for process in until(fetching, 20, "a fetch"):
        process.kill()
    thread.join(20)
    assert len(errors) == 1
    # What it left behind stands where the mirror of the real repository is to be.
    repository = Repository(str(origin), mirrors)
    half = hanging.mirror.with_suffix(".new")
    assert half.is_dir()
    half.rename(repository.mirror.with_suffix(".new"))
    assert between(repository, "", head(origin)).paths == {"version.txt"}
