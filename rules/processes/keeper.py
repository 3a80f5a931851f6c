"""The keeper of one command: starts it, waits for it, and leaves nothing of it behind.

Forked by the launcher. It adopts every orphan below it, so that "no child left" means that no process of the
command is left. It ends the whole tree when the command has ended, when it is asked to, and at once when the
worker or the launcher is gone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any

from rules.processes.children import Watch
from rules.processes.linux import become_subreaper, close_all_but
from rules.processes.tree import EndedProcess, TreeEnding

_REPORT_SIZE = 50
"""Processes per message: a message has to fit into the socket's buffer as a whole."""


class Keeper:
    """Life of one command."""

    def __init__(self, order: dict[str, Any], control: socket.socket, life_fd: int) -> None:
        """Prepare.

        Args:
            order: ``argv``, ``cwd``, ``env`` and ``grace_seconds``.
            control: Connection with the thread that asked for the command.
            life_fd: Readable when the launcher is gone.
        """
        self._order = order
        self._control = control
        self._grace = float(order["grace_seconds"])
        self._stopping = False
        self._abandoned = False
        self._main = 0
        self._status: int | None = None
        self._at = "command"
        self._ending: TreeEnding | None = None
        self._watch = Watch(self._on_death)
        self._watch.register(control.fileno(), self._on_message)
        self._watch.register(life_fd, lambda: self._abandon(life_fd))

    def run(self, stdout: int, stderr: int) -> None:
        """Run the command to its end and report."""
        try:
            self._main = self._spawn(stdout, stderr)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else None
            self._send({"kind": "refused", "errno": number, "text": str(error), "at": self._at})
            return
        finally:
            os.close(stdout)
            os.close(stderr)
        self._send({"kind": "started", "pid": self._main})
        while self._status is None and not self._stopping and not self._abandoned:
            self._watch.wait()
        self._report(self._end_tree())

    def _spawn(self, stdout: int, stderr: int) -> int:
        self._at = "directory"
        os.chdir(self._order["cwd"])
        self._at = "command"
        environment: dict[str, str] = self._order["env"]
        # The search for the program follows the PATH that the command will see.
        os.environ["PATH"] = environment.get("PATH", os.defpath)
        return os.posix_spawnp(
            self._order["argv"][0],
            self._order["argv"],
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, stderr, 2)],
            # A session of its own: a command that signals its group must not hit its keeper.
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )

    def _on_death(self, pid: int, status: int) -> None:
        if pid == self._main:
            self._status = status

    def _on_message(self) -> None:
        try:
            data = self._control.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._abandon(self._control.fileno())
            return
        self._grace = float(json.loads(data)["grace_seconds"])
        self._stopping = True
        if self._ending is not None and self._grace <= 0:
            self._ending.hurry()

    def _abandon(self, fd: int) -> None:
        """The worker or the launcher is gone: nobody is left who could record anything, so KILL at once."""
        self._watch.unregister(fd)
        self._abandoned = True
        if self._ending is not None:
            self._ending.hurry()

    def _end_tree(self) -> list[EndedProcess]:
        self._watch.collect()
        if self._watch.childless:
            return []
        self._ending = TreeEnding(os.getpid(), 0 if self._abandoned else self._grace)
        return self._ending.run(self._watch.wait, lambda: self._watch.childless)

    def _report(self, processes: list[EndedProcess]) -> None:
        for first in range(0, len(processes), _REPORT_SIZE):
            self._send({"kind": "processes", "items": processes[first : first + _REPORT_SIZE]})
        self._send({"kind": "ended", "status": self._status, "abandoned": self._abandoned})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            self._abandoned = True  # the worker is gone


def keep(stdout: int, stderr: int, order_fd: int, control_fd: int, life_fd: int) -> None:
    """Be the keeper of one command; called in a process just forked for it.

    Args:
        stdout: Where the command's output goes.
        stderr: Where its errors go.
        order_fd: A file with the order as JSON.
        control_fd: Connection with the thread that asked.
        life_fd: Readable when the launcher is gone.
    """
    os.setsid()
    become_subreaper()
    close_all_but({stdout, stderr, order_fd, control_fd, life_fd})
    order = json.loads(os.pread(order_fd, os.fstat(order_fd).st_size, 0))
    os.close(order_fd)
    with socket.socket(fileno=control_fd) as control:
        Keeper(order, control, life_fd).run(stdout, stderr)
