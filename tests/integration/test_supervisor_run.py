"""The whole product under its supervisor: start, watch, stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.services import BASE_DIR, WORKER_GRACE_SECONDS
from tests.waiting import until

START_SECONDS = 120.0
EVERYTHING = {"postgres", "valkey", "web", "worker-jobs", "worker-create", "worker-daemon", "beat"}


class Running:
    """A supervisor in a process of its own, and what it has printed."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self._output = home.parent / f"output-{len(list(home.parent.iterdir()))}"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLARIVE_", "DATABASE_URL", "DJANGO_", "MAKE"))
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "clarive_monitor.supervisor"],
                cwd=BASE_DIR,
                env={
                    **environment,
                    "CLARIVE_HOME": str(home),
                    "CLARIVE_PORT": str(port),
                    "CLARIVE_DEMO": "0",
                    "CLARIVE_ENV_FILE": os.devnull,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_ready(self) -> "Running":
        until(
            lambda: "Sign in" in self.output or self.process.poll() is not None,
            START_SECONDS,
            "being ready",
        )
        assert self.process.poll() is None, self.output
        return self

    @property
    def address(self) -> str:
        found = re.search(r"http://\S+/", self.output)
        assert found, self.output
        return found.group()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, name: str) -> int:
        return int((self.home / "pids" / name).read_text().split()[0])

    def is_back(self, name: str) -> bool:
        return f"{name:<14} ready again" in self.output

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    sockets = Layout.at(home).sockets
    if sockets.exists():
        for left in sockets.iterdir():
            left.unlink()
        sockets.rmdir()


@pytest.fixture
def running(home: Path, port: int) -> Iterator[Running]:
    running = Running(home, port)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}healthz", timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def test_start_fall_restart_and_ordered_end(running: Running, home: Path, port: int) -> None:
    running.wait_ready()
    assert running.address == f"http://127.0.0.1:{port}/"
    assert answers(running.address)
    assert {note.name for note in (home / "pids").iterdir()} == EVERYTHING

    second = Running(home, port)
    assert second.process.wait(30) == 1
    assert f"runs already with {home}" in second.output
    assert running.address in second.output

    lost = {name: running.pid_of(name) for name in ("web", "worker-jobs")}
    for pid in lost.values():
        os.kill(pid, signal.SIGKILL)
    for name in lost:
        until(partial(running.is_back, name), 60, f"{name} again")
        assert running.pid_of(name) != lost[name]
    # Asked to end by somebody else, PostgreSQL would wait for clients that never leave.
    for name in ("postgres", "beat"):
        os.kill(running.pid_of(name), signal.SIGTERM)
    for name in ("postgres", "beat"):
        until(partial(running.is_back, name), 60, f"{name} again")
    assert answers(running.address)

    family = running.family()
    assert len(family) > len(EVERYTHING)
    assert running.end() == 0
    assert not any(process.is_running() for process in family)
    stopped = re.findall(r"^  (\S+) +stopped$", running.output, re.MULTILINE)
    assert set(stopped) == EVERYTHING
    assert stopped[-2:] == ["valkey", "postgres"]
    assert stopped.index("web") < stopped.index("worker-jobs")
    assert list((home / "pids").iterdir()) == []


def test_kill_9_leaves_nothing_and_the_next_start_is_quick_on_another_port(
    running: Running, home: Path, port: int
) -> None:
    running.wait_ready()
    family = running.family()
    running.process.kill()
    running.process.wait()
    until(lambda: not any(process.is_running() for process in family), 30, "the end of all")

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        again = Running(home, port).wait_ready()
        try:
            assert f"port {port} is taken" in again.output
            assert answers(again.address)
            assert "migrate" not in again.output
            assert "collectstatic" not in again.output
        finally:
            assert again.end(signal.SIGTERM) == 0


def test_a_bad_variable_is_one_line_and_nothing_is_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "clarive_monitor.supervisor"],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "CLARIVE_HOME": str(home), "CLARIVE_WORKERS": "many"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == "CLARIVE_WORKERS must be a whole number, not 'many'.\n"
    assert not home.exists()


def test_a_database_that_does_not_answer_is_named(home: Path, port: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "clarive_monitor.supervisor"],
        cwd=BASE_DIR,
        env={
            "PATH": os.environ["PATH"],
            "CLARIVE_HOME": str(home),
            "CLARIVE_PORT": str(port),
            "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{port}/nothing",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "DATABASE_URL does not answer" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (home / "postgres").exists()


SLOW = """
environments: [{code: DEV, name: Development, order: 1}]
rules: [{file: slow.yaml}]
"""
# A number of this run alone: another run on the same machine has sleepers of its own.
SLEEP_SECONDS = str(100_000 + os.getpid())
SLOW_RULE = f"""
name: slow
steps:
  RUN:
    - run: trap '' TERM; sleep {SLEEP_SECONDS} & sleep {SLEEP_SECONDS}
"""


def manage(home: Path, *arguments: str) -> str:
    """Run a command of manage.py against the running product and return what it prints."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env={**kept, "CLARIVE_HOME": str(home), "CLARIVE_ENV_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def ask(address: str, token: str, body: dict[str, object] | None = None) -> dict[str, Any]:
    """Return the answer of the API."""
    request = urllib.request.Request(
        address,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        found: dict[str, Any] = json.load(response)
    return found


def sleepers() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] == ["sleep", SLEEP_SECONDS]
    ]


def test_a_long_command_is_cut_by_the_end_of_everything_and_its_job_says_so_at_the_next_start(
    running: Running, home: Path, port: int, tmp_path: Path
) -> None:
    running.wait_ready()
    (tmp_path / "site.yaml").write_text(SLOW)
    (tmp_path / "slow.yaml").write_text(SLOW_RULE)
    manage(home, "apply", str(tmp_path / "site.yaml"))
    token = manage(home, "create_token", "admin", "--name", "test")
    job = ask(f"{running.address}api/v1/jobs/", token, {"rule": "slow", "environment": "DEV"})
    until(lambda: len(sleepers()) == 2, 30, "the command at work")

    begun = time.monotonic()
    assert running.end() == 0
    assert time.monotonic() - begun < WORKER_GRACE_SECONDS + 15
    assert sleepers() == []

    again = Running(home, port).wait_ready()
    try:

        def found() -> dict[str, Any] | None:
            seen = ask(f"{again.address}api/v1/jobs/{job['id']}/", token)
            return seen if seen["status"] != "running" else None

        seen = until(found, 60, "the job's end")
        log = ask(f"{again.address}api/v1/jobs/{job['id']}/log/", token)["results"]
        assert (seen["step"], seen["status"]) == ("RUN", "abend"), log
        assert re.fullmatch(r"The worker \S+ is gone: its lease ran out at [0-9:]{8} UTC\.", log[-1]["text"])
        assert sleepers() == []
    finally:
        assert again.end() == 0
