"""The password in a repository's address stays where it is: not in messages, command lines or files."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.git import Sink
from jobs.repositories import GitRunner, Repository, RepositoryError, public_address
from rules.processes.capturing import Captured
from rules.processes.client import Command
from tests.repositories import git, make_repository

SECRET = "s3cr%t p/w"
WRITTEN = "s3cr%25t%20p%2Fw"


class Recorder(GitRunner):
    """Runs git and remembers its command lines."""

    lines: list[str]

    def run(self, command: Command, deadline: float | None, sink: Sink | None = None) -> Captured:
        self.lines.append(" ".join(command.argv))
        return super().run(command, deadline, sink)


@pytest.fixture
def recorder() -> Recorder:
    found = Recorder()
    object.__setattr__(found, "lines", [])
    return found


class Guarded(SimpleHTTPRequestHandler):
    """Files for bob alone."""

    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(f"bob:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") == expected:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="shop"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def shas(tmp_path: Path) -> dict[str, str]:
    found = make_repository(tmp_path / "origin", {"v1.0.0": "one"})
    git("update-server-info", cwd=tmp_path / "origin")
    return found


@pytest.fixture
def place(tmp_path: Path, shas: dict[str, str]) -> Iterator[str]:
    """Where a web server with the repository listens, ``host:port``."""
    handler = functools.partial(Guarded, directory=str(tmp_path / "origin" / ".git"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def stored(*folders: Path) -> str:
    """Return every file below the folders as one text."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def test_a_password_opens_the_repository_and_is_written_nowhere(
    place: str, shas: dict[str, str], tmp_path: Path, recorder: Recorder
) -> None:
    repository = Repository(f"http://bob:{WRITTEN}@{place}/", tmp_path / "mirrors", recorder)
    assert repository.resolve("v1.0.0", seconds=10) == shas["v1.0.0"]
    repository.checkout(shas["v1.0.0"], tmp_path / "work", seconds=10)
    assert (tmp_path / "work" / "version.txt").read_text() == "one\n"
    assert git("config", "remote.origin.url", cwd=tmp_path / "work") == f"http://{place}/"
    everything = stored(tmp_path / "mirrors", tmp_path / "work") + "\n".join(recorder.lines)
    assert place in everything
    assert not [word for word in ("s3cr", "bob") if word in everything]


@pytest.mark.parametrize("password", [WRITTEN, "wrong-s3cret"])
@pytest.mark.parametrize("ref", ["nonesuch", "f" * 40])
def test_no_message_of_a_web_address_holds_a_password(
    place: str, tmp_path: Path, password: str, ref: str
) -> None:
    repository = Repository(f"http://bob:{password}@{place}/", tmp_path / "mirrors")
    with pytest.raises(RepositoryError) as refused:
        repository.resolve(ref, seconds=10)
    assert f"http://{place}/" in str(refused.value)
    assert not [word for word in ("bob", "s3cr") if word in str(refused.value)]


def test_a_file_address_with_a_password_opens_and_shows_it_nowhere(
    shas: dict[str, str], tmp_path: Path
) -> None:
    repository = Repository(f"file://bob:s3cret@{tmp_path}/origin", tmp_path / "mirrors")
    repository.checkout(shas["v1.0.0"], tmp_path / "work", seconds=10)
    assert git("config", "remote.origin.url", cwd=tmp_path / "work") == f"file://{tmp_path}/origin"
    assert "s3cret" not in stored(tmp_path / "mirrors", tmp_path / "work")
    with pytest.raises(
        RepositoryError, match=r"There is no tag, branch or commit 'v9' in file:///"
    ) as unknown:
        repository.resolve("v9", seconds=10)
    assert "bob" not in str(unknown.value)
    nowhere = Repository(f"file://bob:s3cret@{tmp_path}/nowhere", tmp_path / "mirrors")
    with pytest.raises(RepositoryError, match="nowhere") as refused:
        nowhere.resolve("main", seconds=10)
    assert "s3cret" not in str(refused.value)


def test_a_password_that_git_was_made_to_repeat_is_struck_out(tmp_path: Path) -> None:
    class Repeating(GitRunner):
        """Says what a careless server would make git say."""

        def run(self, command: Command, deadline: float | None, sink: Sink | None = None) -> Captured:
            said = "echo 'fatal: s3cr%t, s3cr%25t and Ym9iOnMzY3IldA== are no good for https://b:s3cr%25t@git.example.com/x'"
            said += " >&2; exit 128"
            return super().run(Command(["/bin/sh", "-c", said], command.cwd, command.env), deadline)

    repository = Repository("https://bob:s3cr%25t@git.example.com/x", tmp_path / "mirrors", Repeating())
    with pytest.raises(RepositoryError) as refused:
        repository.resolve("main", seconds=10)
    assert str(refused.value) == "***, *** and *** are no good for https://git.example.com/x"


def test_a_remote_stored_with_a_password_before_is_stored_without_it(
    shas: dict[str, str], tmp_path: Path
) -> None:
    git("init", "--quiet", str(tmp_path / "work"), cwd=tmp_path)
    git("remote", "add", "origin", f"file://bob:s3cret@{tmp_path}/origin", cwd=tmp_path / "work")
    Repository(f"file://bob:s3cret@{tmp_path}/origin", tmp_path / "mirrors").checkout(
        shas["v1.0.0"], tmp_path / "work", seconds=10
    )
    assert "s3cret" not in stored(tmp_path / "work")


def test_a_password_that_cannot_be_said_to_git_is_refused(tmp_path: Path) -> None:
    repository = Repository("https://bob:a%0Ahost=evil@git.example.com/x", tmp_path / "mirrors")
    with pytest.raises(RepositoryError, match="holds a control character"):
        repository.resolve("main", seconds=10)


@pytest.mark.parametrize(
    ("address", "public"),
    {
        "https://bob:s3cret@git.example.com/x.git": "https://git.example.com/x.git",
        "https://token@git.example.com/x.git": "https://git.example.com/x.git",
        "HTTPS://bob:p@ss@git.example.com:8443/x@v2": "HTTPS://git.example.com:8443/x@v2",
        "https://bob:p/w@git.example.com/x": "https://git.example.com/x",
        "https://bob:s3cret@[::1]:80/x": "https://[::1]:80/x",
        "file://bob:s3cret@/srv/x": "file:///srv/x",
        "ssh://git:s3cret@git.example.com:22/x": "ssh://git@git.example.com:22/x",
        "ssh://git@git.example.com/x": "ssh://git@git.example.com/x",
        "git@git.example.com:team/x.git": "git@git.example.com:team/x.git",
        "/srv/git/x@2": "/srv/git/x@2",
        "https://git.example.com/a@b": "https://git.example.com/a@b",
        "https://bob:p 'w\n@git.example.com/x": "https://git.example.com/x",
        "": "",
    }.items(),
)  # fmt: skip
def test_a_public_address_holds_no_user_information(address: str, public: str) -> None:
    assert public_address(address) == public
