"""Starting commands from a worker: the one door to this package.

with get_launcher().start(Command(["/bin/sh", "-c", text], cwd, env)) as running:
    ended = running.pump(on_output, deadline=…, interrupted=…)
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rules.processes.exceptions import CommandNotStarted, LauncherLost
from rules.processes.launcher import RUN, SWEEP
from rules.processes.running import Ended, OutputPipe, Running, Stream
from rules.processes.strays import MARKER, Stray, marker_of, reap_strays
from rules.processes.tree import EndedProcess

__all__ = [
    "MARKER",
    "Command",
    "CommandNotStarted",
    "Ended",
    "EndedProcess",
    "Launcher",
    "LauncherLost",
    "Running",
    "Stray",
    "Stream",
    "get_launcher",
    "marker_of",
    "reap_strays",
]

GRACE_SECONDS = 5.0
_MAIN = Path(__file__).with_name("launcher_main.py")
_CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run.

    Attributes:
        argv: Program and arguments. A program without a slash is searched in the PATH of ``env``.
        cwd: The directory it works in.
        env: Its whole environment; nothing of the worker's is added.
        grace_seconds: Time between TERM and KILL when it is stopped, or leaves processes behind.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    grace_seconds: float = GRACE_SECONDS


class Launcher:
    """The worker's end of its launcher process. Threads may share it; processes may not."""

    def __init__(self) -> None:
        """Prepare; the process starts with the first command."""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The launcher process, ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    def start(self, command: Command, *, marker: str = "") -> Running:
        """Start a command.

        Args:
            command: What to run.
            marker: Put into the environment of the command, for ``reap_strays``; made by ``marker_of``.

        Raises:
            CommandNotStarted: The program or the directory is missing, or may not be used.
            LauncherLost: The launcher died at this very moment.
        """
        if not command.argv:
            raise CommandNotStarted("There is no command to run.")
        order = _order(command, marker)
        mine, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pipes = {stream: OutputPipe() for stream in Stream}
        try:
            with keepers:
                far = [pipes[Stream.STDOUT].writer, pipes[Stream.STDERR].writer, order, keepers.fileno()]
                self._send(RUN, far)
            for pipe in pipes.values():
                pipe.close_writer()
            pid = _started(mine, command)
        except BaseException:
            mine.close()
            for pipe in pipes.values():
                pipe.close()
            raise
        finally:
            os.close(order)
        return Running(pid, mine, pipes, command.grace_seconds, self.sweep)

    def sweep(self) -> None:
        """End what a killed keeper left behind, and wait for it."""
        mine, launchers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with mine:
            with launchers:
                self._send(SWEEP, [launchers.fileno()])
            mine.settimeout(_CLOSE_SECONDS)
            mine.recv(1)

    def close(self) -> None:
        """End the launcher and everything below it, and wait for it."""
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """In a process just forked: let go of the parent's launcher without touching it."""
        self._lock = threading.Lock()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.returncode = 0  # not our child, so it is not ours to wait for
        self._socket = self._process = None

    def _send(self, request: bytes, fds: list[int]) -> None:
        with self._lock:
            try:
                socket.send_fds(self._connection(), [request], fds)
            except OSError:
                # It died since the last command; this one was not taken, so it may be sent again.
                self._drop()
                socket.send_fds(self._connection(), [request], fds)

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with far:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_MAIN)],
                    stdin=far.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env={"LC_ALL": "C.UTF-8"},
                    start_new_session=True,
                )
        return self._socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.wait()
        self._socket = self._process = None


def _order(command: Command, marker: str) -> int:
    """Return a file in memory with the order: a message on the socket would be limited in size."""
    environment = dict(command.env)
    if marker:
        environment[MARKER] = marker
    order = {
        "argv": list(command.argv),
        "cwd": str(command.cwd),
        "env": environment,
        "grace_seconds": command.grace_seconds,
    }
    fd = os.memfd_create("order")
    with open(fd, "wb", buffering=0, closefd=False) as file:
        file.write(json.dumps(order).encode())
    return fd


def _started(control: socket.socket, command: Command) -> int:
    data = control.recv(1 << 16)
    if not data:
        raise LauncherLost("The launcher of the worker died while the command was being started.")
    message = json.loads(data)
    if message["kind"] == "started":
        return int(message["pid"])
    raise CommandNotStarted(_reason(message, command))


def _reason(message: dict[str, Any], command: Command) -> str:
    name = command.argv[0]
    if message["at"] == "directory":
        reasons = {
            errno.ENOENT: f"The directory {command.cwd} does not exist.",
            errno.ENOTDIR: f"{command.cwd} is not a directory.",
            errno.EACCES: f"The directory {command.cwd} may not be entered.",
        }
    else:
        reasons = {
            errno.ENOENT: f"Command not found: {name}",
            errno.EACCES: f"No permission to run {name}",
            errno.ENOEXEC: f"{name} is neither a program nor a script that names its interpreter.",
            errno.E2BIG: f"The arguments and the environment of {name} are too long.",
        }
    return reasons.get(message["errno"], f"{name} could not be started: {message['text']}")


_launcher = Launcher()


def get_launcher() -> Launcher:
    """Return the launcher of this process. It starts with its first command, and again should it die."""
    return _launcher


def _after_fork() -> None:
    _launcher.forget()


# A copy of the socket in a forked child would hide the worker's death from the launcher.
os.register_at_fork(after_in_child=_after_fork)
atexit.register(_launcher.close)
