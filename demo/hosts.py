"""The machines of the demo's environments: ``python -m demo.hosts`` keeps one service running for each.

A service is the program of the release that ``current`` points to, on the environment's own port; before the first
release a page that says so. It is started again when the file ``restart`` appears, as ``systemctl restart`` would, and
with growing pauses when it dies. Nothing of it outlives this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from demo.places import DEFAULT_PORT, DemoPlaces, EnvironmentFolder, wanted_port

POLL_SECONDS: Final = 0.1
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 10.0
GRACE_SECONDS: Final = 3.0
MOST_PORTS: Final = 50
BASE: Final = Path(__file__).resolve().parent.parent
_PR_SET_PDEATHSIG: Final = 1

Say = Callable[[str], None]


class HostService:
    """The service of one environment."""

    def __init__(self, environment: EnvironmentFolder, host: str, port: int, say: Say) -> None:
        """Start nothing yet.

        Args:
            environment: Whose service it is.
            host: Address to listen to.
            port: A free port.
            say: Takes a line about what happens.
        """
        self._environment, self._host, self._port, self._say = environment, host, port, say
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._start_at = 0.0

    def look_after(self, now: float) -> None:
        """Do what is needed now: nothing, a start, or a restart.

        Args:
            now: Monotonic time.
        """
        if self._environment.restart_file.exists():
            self._environment.restart_file.unlink(missing_ok=True)
            self.stop()
            self._failures, self._start_at = 0, now
        if self._process is not None and self._process.poll() is not None:
            self._failures = 1 if now - self._started_at > STEADY_SECONDS else self._failures + 1
            delay = min(FIRST_DELAY_SECONDS * 2 ** (self._failures - 1), LONGEST_DELAY_SECONDS)
            self._say(f"ended with {self._process.returncode}, starts again in {delay:.1f} s")
            self._process, self._start_at = None, now + delay
        if self._process is None and now >= self._start_at:
            self._start(now)

    def stop(self) -> None:
        """End the service: politely, then not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self, now: float) -> None:
        release = self._environment.current.resolve()
        deployed = self._environment.current.is_symlink() and release.is_dir()
        address = ("--host", self._host, "--port", str(self._port))
        if deployed:
            command = [sys.executable, "-m", "shop", *address]
        else:
            command = [
                sys.executable,
                "-m",
                "demo.placeholder",
                self._environment.code,
                self._host,
                str(self._port),
            ]
        self._process = subprocess.Popen(
            command,
            cwd=release if deployed else BASE,
            stdin=subprocess.DEVNULL,
            env=_environment(self._environment.code),
            preexec_fn=_die_with_parent,
        )
        self._started_at = now
        self._say(
            f"serves {release.name[:12] if deployed else 'nothing yet'} on http://{self._host}:{self._port}/"
        )


def find_port(host: str, base: int, index: int, kept: int | None = None) -> int:
    """Return a free port for an environment: the one it had, else the first free one of its row.

    Raises:
        OSError: None is free.
    """
    row = [wanted_port(base, index, round_) for round_ in range(MOST_PORTS)]
    for port in [kept, *row] if kept in row else row:
        if port is not None and port < 65536 and _is_free(host, port):
            return port
    raise OSError(f"None of {MOST_PORTS} ports from {row[0]} on is free.")


def main() -> int:
    """Keep the services running until TERM or INT.

    Returns:
        0.
    """
    _die_with_parent()
    places = DemoPlaces(Path(os.environ.get("CLARIVE_HOME") or BASE / "var").expanduser().resolve())
    # Rules ask on the machine's own address, so it is always among those that are listened to.
    host = "0.0.0.0" if os.environ.get("CLARIVE_HOST") in {"0.0.0.0", "::"} else "127.0.0.1"
    base = _base_port(os.environ.get("CLARIVE_DEMO_PORT", ""))
    ending = _Ending()
    services = [
        _make(environment, host, base, index) for index, environment in enumerate(places.environments)
    ]
    try:
        while not ending.asked:
            for service in services:
                service.look_after(time.monotonic())
            ending.wait(POLL_SECONDS)
    finally:
        for service in services:
            service.stop()
    return 0


def _base_port(text: str) -> int:
    """Return the port below those of the environments; a useless one is named and replaced by the usual one."""
    if text.strip().isdecimal() and 0 < int(text) < 65000:
        return int(text)
    if text.strip():
        sys.stdout.write(f"CLARIVE_DEMO_PORT must be a port number, not {text!r}; {DEFAULT_PORT} is used\n")
    return DEFAULT_PORT


class _Ending:
    """Remembers that the end was asked for, and cuts waiting short."""

    def __init__(self) -> None:
        self.asked = False
        self._reader, self._writer = socket.socketpair()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        with contextlib.suppress(OSError):
            self._writer.send(b".", socket.MSG_DONTWAIT)

    def wait(self, seconds: float) -> None:
        """Sleep, unless the end is asked for."""
        self._reader.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self._reader.recv(1)


def _make(environment: EnvironmentFolder, host: str, base: int, index: int) -> HostService:
    """Return the service of an environment, its port written where rules and pages find it."""
    environment.releases.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        sys.stdout.write(f"{environment.code} {text}\n")
        sys.stdout.flush()

    port = find_port(host, base, index, _kept_port(environment.port_file))
    if port != wanted_port(base, index, 0):
        say(f"port {wanted_port(base, index, 0)} is taken, {port} is used instead")
    draft = environment.port_file.with_name("port.new")
    draft.write_text(f"{port}\n", encoding="ascii")
    draft.replace(environment.port_file)
    return HostService(environment, host, port, say)


def _kept_port(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _environment(code: str) -> dict[str, str]:
    """Return the environment of a service: none of the product's own settings are its business."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLARIVE_", "DATABASE_", "DJANGO_"))
    }
    # A release stays as it was unpacked.
    return {**kept, "SHOP_ENVIRONMENT": code, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _die_with_parent() -> None:
    """Ask the kernel to end this process with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
