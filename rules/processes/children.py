"""Waiting for children and descriptors at the same time, in a process with one thread."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

_UNTOUCHED = {signal.SIGKILL, signal.SIGSTOP}
# Who tells the worker to stop may tell everything below it; these processes end when the worker does.
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)


def settle_signals() -> None:
    """Ignore polite requests to stop and drop whatever dispositions and mask were inherited."""
    for number in signal.valid_signals() - _UNTOUCHED:
        wanted = signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL
        try:
            signal.signal(number, wanted)
        except (OSError, ValueError):
            continue  # the C library keeps a few for itself
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Watch:
    """Waits for dying children and readable descriptors; collects the dead, so that no zombie stays."""

    def __init__(self, on_death: Callable[[int, int], None]) -> None:
        """Begin to watch.

        Args:
            on_death: Called with pid and wait status of every child that ended, adopted ones included.
        """
        self._on_death = on_death
        self._wakeup, writer = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._wakeup, select.POLLIN)
        self._callbacks: dict[int, Callable[[], None]] = {}
        self.childless = False

    def register(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``fd`` can be read or its other end is closed."""
        self._poll.register(fd, select.POLLIN)
        self._callbacks[fd] = callback

    def unregister(self, fd: int) -> None:
        """Forget ``fd``."""
        self._poll.unregister(fd)
        del self._callbacks[fd]

    def wait(self, seconds: float | None = None) -> None:
        """Wait until something happens, at most ``seconds``, and handle all of it."""
        for fd, _events in self._poll.poll(None if seconds is None else max(seconds * 1000, 0)):
            if fd == self._wakeup:
                os.read(self._wakeup, 4096)
            elif fd in self._callbacks:
                self._callbacks[fd]()
        self.collect()

    def collect(self) -> None:
        """Collect every dead child; ``childless`` says afterwards whether none is left at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.childless = True
                return
            if pid == 0:
                self.childless = False
                return
            self._on_death(pid, status)
