"""A whole installation under its supervisor, in processes of its own, and what tests ask of it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.services import BASE_DIR
from tests.waiting import until

START_SECONDS = 240.0


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A supervisor in a process of its own, and what it has printed."""

    def __init__(self, home: Path, port: int, **variables: str) -> None:
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
                    **variables,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_ready(self) -> Running:
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

    def is_up(self, name: str) -> bool:
        """Return whether a service has come back from each of its falls so far."""
        output = self.output
        return output.count(f"  {name:<14} ended") <= output.count(f"  {name:<14} ready again")

    def is_back(self, name: str) -> bool:
        return f"{name:<14} ready again" in self.output

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def started_once() -> tuple[Path, str]:
    """Return the home of an installation that was started once, from nothing, and ended; and what it printed.

    All processes of a test run share it: making one costs more than most tests. Whoever starts it, starts a copy.
    """
    folder = Path(os.environ["CLARIVE_TEST_HOME"], "started-once")
    folder.mkdir(exist_ok=True)
    home, printed = folder / "installation" / "home", folder / "printed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            # Whoever tried before and failed has left something behind.
            shutil.rmtree(home.parent, ignore_errors=True)
            home.parent.mkdir()
            running = Running(home, free_port())
            try:
                running.wait_ready()
            finally:
                code = running.end()
            assert code == 0, running.output
            shutil.rmtree(Layout.at(home).sockets, ignore_errors=True)
            printed.write_text(running.output)
    return home, printed.read_text()


def installed(home: Path) -> Path:
    """Make ``home`` a copy of an installation that has been started before."""
    return shutil.copytree(started_once()[0], home, symlinks=True)


def manage(home: Path, *arguments: str) -> str:
    """Run a command of manage.py against the running product and return what it prints."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPYCACHEPREFIX") if name in os.environ}
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
