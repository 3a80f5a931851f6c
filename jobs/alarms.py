"""Calls that are made later unless they are called off: one thread of a process makes them all. Pure.

What a runner needs beside it only when a job takes its time, such as a thread that renews its lease, is started by an alarm: most
steps are over before.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)


class Alarm:
    """A call that is to be made."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Call it off. One that is being made right now goes on."""
        self._call = None

    def ring(self) -> None:
        """Make the call unless it was called off."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            call()
        except Exception:
            logger.exception("An alarm met a defect.")


class Clock:
    """Makes calls in their time, one after the other: they have to be short."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Alarm]] = []
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, call: Callable[[], object]) -> Alarm:
        """Have ``call`` made after so many seconds, in the clock's thread."""
        alarm = Alarm(call)
        entry = (time.monotonic() + seconds, next(self._numbers), alarm)
        with self._changed:
            heapq.heappush(self._due, entry)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="alarms", daemon=True)
                thread.start()
                self._thread = thread
            elif self._due[0] is entry:
                self._changed.notify()
        return alarm

    def _run(self) -> None:
        while True:
            self._next().ring()

    def _next(self) -> Alarm:
        """Return what is due next, as soon as it is."""
        with self._changed:
            while True:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)


_clocks: Final = [Clock()]


def after(seconds: float, call: Callable[[], object]) -> Alarm:
    """Have ``call`` made after so many seconds by this process's clock; it has to be short."""
    return _clocks[0].after(seconds, call)


def _begin_anew() -> None:
    """In a child that was forked there is no thread, and its parent's alarms are not its own."""
    _clocks[0] = Clock()


os.register_at_fork(after_in_child=_begin_anew)
