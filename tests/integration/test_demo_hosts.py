"""The demo's hosts: a real process for each environment, which serves what is deployed and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pytest

from demo.hosts import find_port
from demo.places import DemoPlaces
from demo.repository import make_repository
from tests import waiting

SECONDS = 20.0
BASE = Path(__file__).resolve().parent.parent.parent


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    waiting.until(condition, SECONDS)


def ask(port: int, path: str) -> tuple[int, str]:
    """Return status and body; 0 when nobody answers, or who does ends in the middle of it."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (URLError, OSError, HTTPException):
        return 0, ""


def answers(port: int, version: str) -> bool:
    """Return whether the service says that it is this version."""
    return ask(port, "/version") == (200, version)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The hosts of a home of its own, on ports that were free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base = min(probe.getsockname()[1], 60000)
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.hosts"],
        cwd=BASE,
        env={**os.environ, "CLARIVE_HOME": str(tmp_path), "CLARIVE_DEMO_PORT": str(base)},
    )
    yield process
    process.terminate()
    process.wait(SECONDS)


def deploy(home: Path, tag: str) -> str:
    """Put a version of the shop on DEV with the shop's own program; its commit."""
    places = DemoPlaces(home)
    make_repository(places.repository)
    tree = home / f"tree-{tag}"
    subprocess.run(
        ["git", "clone", "-q", "-b", tag, places.repository, tree], check=True, capture_output=True
    )
    commit = subprocess.check_output(["git", "-C", tree, "rev-parse", "HEAD"], text=True).strip()
    subprocess.run(["sh", tree / "deploy/build.sh"], check=True, capture_output=True)
    program = [sys.executable, str(tree / "deploy/release.py")]
    folder = str(places.environments[0].folder)
    archive = str(tree / "dist/shop.tar.gz")
    subprocess.run([*program, "install", folder, archive, commit], check=True, capture_output=True)
    subprocess.run([*program, "switch", folder, commit], check=True, capture_output=True)
    return commit


def test_an_environment_serves_what_is_deployed_and_restarts_when_asked(
    hosts: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    dev = DemoPlaces(tmp_path).environments[0]
    until(dev.port_file.exists)
    port = int(dev.port_file.read_text())
    until(lambda: ask(port, "/")[0] == 503)
    assert "Nothing is deployed here yet" in ask(port, "/")[1]
    for tag, version in (("v1.1.0", "1.1.0"), ("v1.2.0", "1.2.0")):
        commit = deploy(tmp_path, tag)
        expected = f'{{"version":"{version}","commit":"{commit}"}}'
        until(partial(answers, port, expected))
    assert "DEV" in ask(port, "/")[1]
    assert ask(port, "/health") == (200, "ok\n")


def test_a_service_that_dies_is_started_again(hosts: subprocess.Popen[bytes], tmp_path: Path) -> None:
    dev = DemoPlaces(tmp_path).environments[0]
    until(dev.port_file.exists)
    port = int(dev.port_file.read_text())
    commit = deploy(tmp_path, "v1.0.0")
    until(lambda: ask(port, "/version")[0] == 200)
    assert json.loads(ask(port, "/version")[1])["commit"] == commit
    (service,) = [child for child in psutil.Process(hosts.pid).children() if str(port) in child.cmdline()]
    service.kill()
    until(lambda: ask(port, "/version")[0] == 200 and not service.is_running())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(hosts: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals) -> None:
    until(lambda: len(psutil.Process(hosts.pid).children()) == 3)
    services = psutil.Process(hosts.pid).children()
    hosts.send_signal(number)
    hosts.wait(SECONDS)
    until(lambda: not any(service.is_running() for service in services))


def test_each_environment_says_its_port_and_a_taken_one_is_left_alone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert find_port("127.0.0.1", port - 1, 0) == port + 10
    assert find_port("127.0.0.1", port - 1, 0, kept=port + 20) == port + 20
