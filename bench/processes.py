"""The product as real processes, under its own supervisor: web, workers and beat on servers that keep what they are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench.ports import free_port

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 0.1
_IDLE_SECONDS: Final = 2.0


class NotStarted(Exception):
    """The processes did not come up; the text holds the end of what they printed."""


@dataclass(frozen=True, slots=True)
class Processes:
    """A running product.

    Attributes:
        address: Of the web server, with a slash at its end.
        token: Of an administrator, for the API.
        home: Its ``CLARIVE_HOME``.
        pid: Of the supervisor.
    """

    address: str
    token: str
    home: Path
    pid: int

    def api(self) -> Api:
        """Return a client of the API with a connection of its own."""
        return Api(self.address, self.token)

    def pids(self) -> dict[str, int]:
        """Return the process of each service by name: ``web``, ``worker-jobs``, ``postgres``."""
        return {note.name: int(note.read_text().split()[0]) for note in (self.home / "pids").iterdir()}


class Api:
    """Asks the API over one connection that is kept open, as a program would."""

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        self._connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
        self._used_at = 0.0
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer to a request.

        Args:
            method: ``GET`` or ``POST``.
            path: Below the address, without a slash in front.
            body: To be sent as JSON; ``None`` for none.

        Raises:
            RuntimeError: It was refused.
        """
        data = None if body is None else json.dumps(body)
        if time.monotonic() - self._used_at > _IDLE_SECONDS:
            self._connection.close()  # it is opened again; the server may be about to close it
        self._connection.request(method, f"/{path}", data, self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        self._used_at = time.monotonic()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:500]!r}")
        return json.loads(answer) if answer else None


@contextmanager
def running(home: Path, variables: Mapping[str, str], *, token: str, workers: int = 2) -> Iterator[Processes]:
    """Run the product until the block ends.

    Args:
        home: Its ``CLARIVE_HOME``; kept.
        variables: Where database and broker are, ``DATABASE_URL`` and ``CLARIVE_BROKER_URL``; without them the product's own
            servers are started, which keep what they are told.
        token: Of the API, for whoever uses it.
        workers: Jobs at once.

    Raises:
        NotStarted: It did not come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **bare_environment(),
        "CLARIVE_HOME": str(home),
        "CLARIVE_PORT": str(free_port()),
        "CLARIVE_DEMO": "0",
        "CLARIVE_WORKERS": str(workers),
        "CLARIVE_API_RATE": "0",
        "CLARIVE_ENV_FILE": os.devnull,
        **variables,
    }
    output = home / "supervisor.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "clarive_monitor.supervisor"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{_port_of(output, process, environment['CLARIVE_PORT'])}/"
        yield Processes(address, token, home, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def bare_environment() -> dict[str, str]:
    """Return the environment of this process without what it says of a product, which would be another one."""
    ours = ("CLARIVE_", "DATABASE_URL", "DJANGO_", "MAKE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _port_of(output: Path, process: subprocess.Popen[bytes], asked: str) -> str:
    """Wait until the product says that it is ready, and return its port."""
    until = time.monotonic() + START_SECONDS
    while "Ready in" not in (said := output.read_text()):
        if process.poll() is not None or time.monotonic() > until:
            raise NotStarted("\n".join(said.splitlines()[-20:]))
        time.sleep(_LOOK_SECONDS)
    other = [
        line.rpartition(" is taken, ")[2].split()[0] for line in said.splitlines() if " is taken, " in line
    ]
    return other[-1] if other else asked


def answers(address: str) -> bool:
    """Return whether somebody listens there."""
    try:
        with urllib.request.urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
