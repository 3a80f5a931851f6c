"""One command under way, seen from the worker: its output, its end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Any, Self

from rules.processes.exceptions import LauncherLost
from rules.processes.tree import EndedProcess

READ_SIZE = 1 << 18
_PIPE_SIZE = 1 << 19
_CLOSE_SECONDS = 10.0


class Stream(IntEnum):
    """Where a piece of output came from."""

    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        returncode: Its exit code, ``None`` when a signal ended it.
        signal: Number of the signal that ended it, ``None`` when it exited by itself.
        timed_out: It was stopped because its time was over.
        interrupted: It was stopped because the caller asked.
        processes: What had to be ended: after a stop the whole tree, otherwise what the command left behind.
        duration_seconds: From its start to the end of its last process.
    """

    returncode: int | None
    signal: int | None
    timed_out: bool
    interrupted: bool
    processes: tuple[EndedProcess, ...]
    duration_seconds: float


class OutputPipe:
    """Both ends of the pipe of one stream, until the far end is handed over."""

    def __init__(self) -> None:
        """Make the pipe, larger than usual where the kernel lets us: fewer and larger reads."""
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        with contextlib.suppress(OSError):  # the user's budget for pipes is used up: the usual size will do
            fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)

    def read(self) -> bytes | None:
        """Return what is there, ``b""`` at the end, ``None`` when nothing is there now."""
        try:
            return os.read(self.reader, READ_SIZE)
        except BlockingIOError:
            return None

    @property
    def capacity(self) -> int:
        """Bytes that fit in."""
        return fcntl.fcntl(self.reader, fcntl.F_GETPIPE_SZ)

    def close_writer(self) -> None:
        """Give up the far end."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Give up both ends."""
        self.close_writer()
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1


class Running:
    """A started command. Leaving the ``with`` block ends whatever is left of it, with KILL and at once."""

    def __init__(
        self,
        pid: int,
        control: socket.socket,
        pipes: dict[Stream, OutputPipe],
        grace_seconds: float,
        sweep: Callable[[], None],
    ) -> None:
        """Take over a command that the launcher has started.

        Args:
            pid: Process of the command.
            control: Connection with its keeper.
            pipes: Its output.
            grace_seconds: Time between TERM and KILL when it is stopped.
            sweep: Ends what a killed keeper left behind, and waits for it.
        """
        self.pid = pid
        self._sweep = sweep
        self._control = control
        self._pipes = pipes
        self._open = {pipe.reader: stream for stream, pipe in pipes.items()}
        self._grace_seconds = grace_seconds
        self._started = time.monotonic()
        self._processes: list[EndedProcess] = []
        self._end: dict[str, Any] | None = None
        self._stop_asked = False

    def __enter__(self) -> Self:
        """Return the command itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is left of the command."""
        self.close()

    def close(self) -> None:
        """End what is left of the command, wait for it, and free everything."""
        try:
            if self._end is None:
                self._abandon()
        finally:
            self._control.close()
            for pipe in self._pipes.values():
                pipe.close()

    def stop(self, grace_seconds: float | None = None) -> None:
        """Ask for the end of the whole tree; ``pump`` returns when it is there. Any thread may call this.

        Args:
            grace_seconds: Time between TERM and KILL; by default the command's own, 0 is KILL at once.
        """
        grace = self._grace_seconds if grace_seconds is None else grace_seconds
        self._stop_asked = True
        with contextlib.suppress(OSError):  # the keeper is gone already
            self._control.send(json.dumps({"grace_seconds": grace}).encode())

    def pump(
        self,
        on_output: Callable[[Stream, bytes], None],
        *,
        deadline: float | None = None,
        interrupted: Callable[[], bool] = lambda: False,
        poll_seconds: float = 0.2,
    ) -> Ended:
        """Hand over the output as it comes, until the command and everything it started has ended.

        Args:
            on_output: Gets pieces of at most ``READ_SIZE``; while it works nothing is read, so a slow store slows
                the command down instead of filling the memory. What it raises ends the command.
            deadline: On the clock of ``time.monotonic``; past it the command is stopped.
            interrupted: Asked every ``poll_seconds``; once it is true the command is stopped.
            poll_seconds: See there.

        Returns:
            How it ended, with all output handed over before.

        Raises:
            LauncherLost: Launcher or keeper died; the processes are gone, the result is not known.
        """
        poll = self._poll()
        timed_out = was_interrupted = False
        ask_at = 0.0
        while self._end is None:
            now = time.monotonic()
            if not self._stop_asked:
                timed_out = deadline is not None and now >= deadline
                if not timed_out and now >= ask_at:
                    was_interrupted = interrupted()
                    ask_at = now + poll_seconds
                if timed_out or was_interrupted:
                    self.stop()
            until = poll_seconds if deadline is None else min(poll_seconds, max(deadline - now, 0.001))
            self._handle(poll, on_output, until)
        self._drain(on_output)
        return self._ended(timed_out, was_interrupted)

    def _poll(self) -> select.poll:
        poll = select.poll()
        for fd in (*self._open, self._control.fileno()):
            poll.register(fd, select.POLLIN)
        return poll

    def _handle(self, poll: select.poll, on_output: Callable[[Stream, bytes], None], seconds: float) -> None:
        ready = {fd for fd, _events in poll.poll(seconds * 1000)}
        for fd, stream in list(self._open.items()):
            if fd not in ready:
                continue
            data = self._pipes[stream].read()
            if data:
                on_output(stream, data)
            elif data is not None:
                poll.unregister(fd)
                del self._open[fd]
        if self._control.fileno() in ready:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._control.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            with contextlib.suppress(OSError):  # the launcher is gone as well; nobody is left to ask
                self._sweep()
            raise LauncherLost("The process that watches over the command was killed; the command was ended.")
        message = json.loads(data)
        if message["kind"] == "processes":
            self._processes.extend(EndedProcess(*item) for item in message["items"])
        elif message["abandoned"]:
            raise LauncherLost("The launcher of the worker was killed; the command was ended.")
        else:
            self._end = message

    def _drain(self, on_output: Callable[[Stream, bytes], None]) -> None:
        """Read what is left: no waiting, and no more than a pipe holds.

        The tree is dead, so who still has a pipe open, and perhaps goes on writing, is a stranger.
        """
        for stream in self._open.values():
            left = self._pipes[stream].capacity
            while left > 0 and (data := self._pipes[stream].read()):
                on_output(stream, data)
                left -= len(data)

    def _ended(self, timed_out: bool, interrupted: bool) -> Ended:
        status = self._end["status"] if self._end is not None else None
        code = os.waitstatus_to_exitcode(status) if status is not None else None
        return Ended(
            returncode=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            timed_out=timed_out,
            interrupted=interrupted,
            processes=tuple(self._processes),
            duration_seconds=time.monotonic() - self._started,
        )

    def _abandon(self) -> None:
        """Tell the keeper that nobody listens any more, and wait until it has ended everything."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            self._control.settimeout(_CLOSE_SECONDS)
            while self._control.recv(1 << 18):
                continue
