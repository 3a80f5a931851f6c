"""The launcher: one small process per worker child, parent of everything the child runs.

A worker child is large and has threads, so forking it is slow and delicate. The launcher is small, has one
thread and forks a keeper for each command in about a millisecond. It ends everything below it when the worker
child is gone, and what a killed keeper left behind.
"""

from __future__ import annotations

import array
import gc
import os
import socket
import sys
import traceback

from rules.processes.children import Watch, settle_signals
from rules.processes.keeper import keep
from rules.processes.linux import become_subreaper
from rules.processes.tree import TreeEnding

RUN, SWEEP = b"r", b"s"
_MOST_FDS = 4


class Launcher:
    """The loop of the launcher process."""

    def __init__(self, worker: socket.socket) -> None:
        """Prepare.

        Args:
            worker: Connection with the worker child; its end is the worker child's end.
        """
        self._worker = worker
        self._keepers: set[int] = set()
        self._life, self._life_end = os.pipe()
        self._orphans = False
        self._done = False
        self._watch = Watch(self._on_death)
        self._watch.register(worker.fileno(), self._on_request)
        # The socket alone would do, unless something the worker forked holds a copy of its end.
        try:
            self._watch.register(os.pidfd_open(os.getppid()), self._on_worker_gone)
        except OSError:
            self._done = False  # an older kernel: the socket has to do

    def run(self) -> None:
        """Serve until the worker child is gone, then end everything."""
        while not self._done:
            self._watch.wait()
            if self._orphans and not self._done:
                self._end_orphans()
        self._watch.collect()
        TreeEnding(os.getpid(), 0).run(self._watch.wait, lambda: self._watch.childless)

    def _on_worker_gone(self) -> None:
        self._done = True

    def _on_request(self) -> None:
        data, fds = _receive(self._worker)
        if not data:
            self._done = True
        elif data == RUN and len(fds) == _MOST_FDS:
            self._fork_keeper(fds)
        elif data == SWEEP:
            self._watch.collect()
            self._end_orphans()
        for fd in fds:
            os.close(fd)

    def _fork_keeper(self, fds: list[int]) -> None:
        stdout, stderr, order, control = fds
        pid = os.fork()
        if pid:
            self._keepers.add(pid)
            return
        code = 1
        try:
            keep(stdout, stderr, order, control, self._life)
            code = 0
        except BaseException:  # whatever it is, a keeper must never go on as a second launcher
            traceback.print_exc()
        finally:
            os._exit(code)

    def _on_death(self, pid: int, status: int) -> None:
        if pid not in self._keepers or status != 0:
            # A keeper that was killed, or a process that one left behind: look for more.
            self._orphans = True
        self._keepers.discard(pid)

    def _end_orphans(self) -> None:
        self._orphans = False
        ending = TreeEnding(os.getpid(), 0, self._keepers)
        ending.run(self._watch.wait, lambda: self._watch.childless)


def _receive(worker: socket.socket) -> tuple[bytes, list[int]]:
    """Return a request and its descriptors, none of which a command inherits.

    ``socket.recv_fds`` would do, but drops its ``flags`` in Python 3.11 and 3.12.
    """
    received = array.array("i")
    size = socket.CMSG_SPACE(_MOST_FDS * received.itemsize)
    data, ancillary, _flags, _address = worker.recvmsg(16, size, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            received.frombytes(content[: len(content) - len(content) % received.itemsize])
    return data, list(received)


def main() -> None:
    """Be a launcher; the connection with the worker child is standard input."""
    os.chdir("/")
    become_subreaper()
    settle_signals()
    worker = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    launcher = Launcher(worker)
    # What exists now is never collected, so forks share its memory.
    gc.disable()
    gc.freeze()
    launcher.run()
    sys.exit(0)
