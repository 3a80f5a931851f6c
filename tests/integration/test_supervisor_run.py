"""The whole product under its supervisor: start, watch, stop."""

import os
import re
import shutil
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
import psycopg
import pytest

from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.services import BASE_DIR, WORKER_GRACE_SECONDS
from tests.installation import Running, ask, free_port, installed, manage, started_once
from tests.waiting import until

EVERYTHING = {
    "postgres",
    "valkey",
    "web",
    "worker-jobs",
    "worker-create",
    "worker-daemon",
    "worker-notify",
    "beat",
}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    shutil.rmtree(Layout.at(home).sockets, ignore_errors=True)


@pytest.fixture
def running(home: Path, port: int) -> Iterator[Running]:
    running = Running(installed(home), port)
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


def test_the_first_start_makes_everything() -> None:
    home, output = started_once()
    for made in ("migrate", "collectstatic"):
        assert made in output
    assert "Sign in" in output
    assert Layout.at(home).database.is_dir()


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
    with psycopg.connect(Layout.at(home).database_url):
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
            for output in (running.output, again.output):
                assert "migrate" not in output
                assert "collectstatic" not in output
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
