from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from rules.processes.client import MARKER, Command, Ended, Launcher, Stream, get_launcher

HERE = Path(__file__).parent
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
DEADLINE_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition; fail the test when it does not come true."""
    poll = 0.005
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(poll)


def marked(marker: str) -> list[psutil.Process]:
    """Return the living processes that carry this marker in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARKER) == marker:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@dataclass
class Runner:
    """Runs commands in one directory under one marker and keeps their output."""

    launcher: Launcher
    cwd: Path
    marker: str = field(default_factory=lambda: f"test:{uuid.uuid4()}")
    stdout: bytes = b""
    stderr: bytes = b""

    def command(self, *argv: str, grace_seconds: float = 5.0, **environment: str) -> Command:
        return Command(list(argv), self.cwd, {**ENVIRONMENT, **environment}, grace_seconds)

    def keep(self, stream: Stream, data: bytes) -> None:
        if stream is Stream.STDOUT:
            self.stdout += data
        else:
            self.stderr += data

    def run(
        self,
        command: Command,
        *,
        deadline: float | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> Ended:
        with self.launcher.start(command, marker=self.marker) as running:
            return running.pump(self.keep, deadline=deadline, interrupted=interrupted, poll_seconds=0.02)

    def shell(self, text: str, *, grace_seconds: float = 5.0) -> Ended:
        return self.run(self.command("/bin/sh", "-c", text, grace_seconds=grace_seconds))


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(get_launcher(), tmp_path)
    yield runner
    left = marked(runner.marker)
    for process in left:
        process.kill()
    assert left == []


@dataclass
class Worker:
    """A worker child of its own process, with the pids it told."""

    process: subprocess.Popen[str]
    launcher: int
    command: int
    marker: str

    @property
    def keeper(self) -> int:
        return psutil.Process(self.command).ppid()


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(*argv: str, leak: bool = False) -> Worker:
        marker = f"test:{uuid.uuid4()}"
        order = json.dumps({"argv": argv, "cwd": str(tmp_path), "marker": marker, "leak": leak})
        process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), order],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert process.stdout is not None
        launcher, command = map(int, process.stdout.readline().split())
        started.append(Worker(process, launcher, command, marker))
        return started[-1]

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.communicate()
        for process in marked(worker.marker):
            process.kill()


def zoo(ready: Path) -> list[str]:
    """Return the command line that fills a zoo of stubborn processes."""
    return [sys.executable, "-I", "-S", str(HERE / "zoo.py"), str(ready)]
