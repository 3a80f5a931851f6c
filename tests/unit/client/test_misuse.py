"""What cannot work ends in a sentence and the exit code that is documented: never in a traceback, never in 1."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clarive_monitor.client.exits import Exit
from tests.unit.client.conftest import Client
from tests.unit.client.stub import TOKEN, Answer, Stub, job, page, problem

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("token", ["bad\ntok", "two words", "naïve", "bad\x7ftok"])
def test_a_token_that_cannot_be_sent_is_not_shown_either(
    client: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("CLARIVE_TOKEN", token)
    ended = client("whoami")
    assert ended.code == Exit.USAGE
    assert ended.err.startswith("Error: This is no token")
    assert "tok" not in ended.err.removeprefix("Error: This is no token")
    assert len(ended.err.splitlines()) == 1
    assert stub.asked == []


@pytest.mark.parametrize("key", ["secret\nkey", "sécret"])
def test_no_value_of_a_header_is_shown(client: Client, stub: Stub, key: str) -> None:
    ended = client("jobs", "create", "--rule", "web", "-e", "DEV", "--idempotency-key", key)
    assert ended.code == Exit.USAGE
    assert "cret" not in ended.err
    assert stub.asked == []


@pytest.mark.parametrize(
    "address", ["http://[bad", "http://a:99999999", "http://a:b", "http://a\nb", "http://"]
)
def test_an_address_that_is_none(bare: Client, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CLARIVE_URL", address)
    monkeypatch.setenv("CLARIVE_TOKEN", TOKEN)
    ended = bare("whoami")
    assert ended.code == Exit.USAGE
    assert "no address of a server" in ended.err


def test_a_configuration_that_cannot_be_written(
    bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on("GET me/", Answer({"username": "ana", "rights": {}}))
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/nope")
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))
    ended = bare("login", stub.address, "--token-stdin")
    assert ended.code == Exit.USAGE
    assert "/proc/nope/clarive/config.toml cannot be written" in ended.err


@pytest.mark.parametrize(
    "words", [("login", "http://localhost", "--token-stdin"), ("rules", "validate", "-")]
)
def test_a_closed_input(client: Client, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setattr("sys.stdin", None)
    ended = client(*words)
    assert ended.code == Exit.USAGE
    assert "tandard input is closed" in ended.err


@pytest.mark.parametrize(("redirected", "said"), [(">&-", "is closed"), (">/dev/full", "cannot be written")])
def test_an_output_that_takes_nothing(stub: Stub, redirected: str, said: str) -> None:
    stub.on("GET jobs/", page(job()))
    words = f"{sys.executable} -m clarive_monitor.client jobs list --quiet {redirected}"
    environment = {
        "PATH": os.environ["PATH"],
        "NO_PROXY": "*",
        "CLARIVE_URL": stub.address,
        "CLARIVE_TOKEN": TOKEN,
    }
    done = subprocess.run(
        ["bash", "-c", words], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60
    )
    assert done.returncode == Exit.USAGE
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.parametrize("words", [("jobs", "list"), ("jobs", "show", "7"), ("rules", "list")])
@pytest.mark.parametrize("answer", [{"hello": 1}, [], "hello", None])
def test_an_answer_of_something_else(
    client: Client, stub: Stub, words: tuple[str, ...], answer: object
) -> None:
    for path in ("jobs/", "jobs/7/", "rules/"):
        stub.on(f"GET {path}", Answer(answer))
    ended = client(*words)
    assert ended.code == Exit.UNREACHABLE
    assert re.search("(no|not a) Clarive server", ended.err)


@pytest.fixture
def stranger() -> Iterator[str]:
    """An address where something answers that is no web server."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(10000)
                    caller.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("http", "does not speak HTTP"), ("https", "perhaps its address begins with http://")],
)
def test_what_does_not_go_away_is_not_tried_again(
    bare: Client, monkeypatch: pytest.MonkeyPatch, stranger: str, scheme: str, said: str
) -> None:
    monkeypatch.setenv("CLARIVE_URL", f"{scheme}://{stranger}")
    monkeypatch.setenv("CLARIVE_TOKEN", TOKEN)
    ended = bare("whoami")
    assert ended.code == Exit.UNREACHABLE
    assert said in ended.err
    assert "Trying again" not in ended.err


def test_names_of_contexts_are_of_one_line(bare: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))
    ended = bare("login", stub.address, "--token-stdin", "--context", "a\x1b[2Jb")
    assert (ended.code, stub.asked) == (Exit.USAGE, [])


def test_a_rule_that_is_not_there_is_named(client: Client, stub: Stub) -> None:
    stub.on("GET rules/nope/", problem(404, "not_found", "Not found."))
    ended = client("rules", "show", "nope")
    assert (ended.code, ended.err) == (Exit.NOT_FOUND, "Error: There is no rule nope.\n")
