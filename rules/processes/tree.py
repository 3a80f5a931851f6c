"""Finding and ending every descendant of a process.

A descendant cannot get away: its ancestors include a subreaper, so the chain of parents always leads back
here, also after a double fork, in a session of its own or with its parent dead.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

_COMMAND_LIMIT = 300
_RESCAN_SECONDS = 0.05
_GIVE_UP_SECONDS = 20.0
"""A process in the middle of a broken system call cannot be ended; waiting for it for ever helps nobody."""

TERMINATED, KILLED, GONE, REFUSED, ALIVE = "TERM", "KILL", "gone", "not permitted", "alive"


class Process(NamedTuple):
    """One line of the process table.

    Attributes:
        pid: Its number.
        parent: The number of its parent.
        state: The kernel's letter: ``Z`` is dead and not yet collected, ``T`` stopped.
        started: Clock ticks from boot to its start; with the pid it names a process for good.
    """

    pid: int
    parent: int
    state: str
    started: int


class EndedProcess(NamedTuple):
    """How one process was ended.

    Attributes:
        pid: Its number.
        command: Its command line, cut to a readable length.
        how: ``TERM``, ``KILL``, ``gone`` (ended by itself before a signal reached it), ``not permitted`` (it
            belongs to another user) or ``alive`` (the kernel does not let go of it).
    """

    pid: int
    command: str
    how: str


def read_process(pid: int) -> Process | None:
    """Return what the kernel says of ``pid``, ``None`` when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib is not loaded here
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(pid, int(fields[1]), fields[0].decode(), int(fields[19]))


def command_of(pid: int) -> str:
    """Return the command line of ``pid``, empty when it has none any more."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
            raw = file.read(4 * _COMMAND_LIMIT)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    text = raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return text if len(text) <= _COMMAND_LIMIT else text[: _COMMAND_LIMIT - 1] + "…"


def pids() -> list[int]:
    """Return the numbers of all processes that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def descendants(root: int, spared: Collection[int] = ()) -> list[Process]:
    """Return the living descendants of ``root``, nearest first.

    Args:
        root: Whose descendants; itself is not among them.
        spared: Processes to leave out together with everything below them.
    """
    children: dict[int, list[Process]] = {}
    for pid in pids():
        process = read_process(pid)
        if process is not None:
            children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        for process in children.get(waiting.pop(0), ()):
            if process.pid not in spared:
                waiting.append(process.pid)
                found.append(process)
    return [process for process in found if process.state not in "ZX"]


class TreeEnding:
    """Ends all descendants of a process, again and again until none is left."""

    def __init__(self, root: int, grace_seconds: float, spared: Collection[int] = ()) -> None:
        """Prepare; nothing is signalled yet.

        Args:
            root: Whose descendants.
            grace_seconds: Time between TERM and KILL; 0 sends KILL at once.
            spared: Processes to leave alone together with everything below them.
        """
        self._root = root
        self._spared = spared
        self._kill_at = time.monotonic() + grace_seconds
        self._ended: dict[tuple[int, int], EndedProcess] = {}

    def hurry(self) -> None:
        """End the grace now."""
        self._kill_at = 0.0

    def run(self, pause: Callable[[float], None], none_left: Callable[[], bool]) -> list[EndedProcess]:
        """Signal and scan until nothing is left.

        Args:
            pause: Waits for a child to end, at most the given seconds, and collects the dead ones.
            none_left: Whether the kernel knows no child any more. A scan alone may miss what forks and dies
                while the table is being read.

        Returns:
            Every process that was found, in the order of finding.
        """
        give_up_at = max(self._kill_at, time.monotonic()) + _GIVE_UP_SECONDS
        empty_scans = 0
        while not none_left() and empty_scans < 3:
            living = [process for process in descendants(self._root, self._spared) if self._may_end(process)]
            empty_scans = 0 if living else empty_scans + 1
            kill = time.monotonic() >= self._kill_at
            for process in living:
                self._signal(process, kill)
            if time.monotonic() >= give_up_at:
                self._mark_alive(living)
                break
            pause(0.002 if kill else min(_RESCAN_SECONDS, max(self._kill_at - time.monotonic(), 0.002)))
        return list(self._ended.values())

    def _may_end(self, process: Process) -> bool:
        known = self._ended.get((process.pid, process.started))
        return known is None or known.how != REFUSED

    def _signal(self, process: Process, kill: bool) -> None:
        key = (process.pid, process.started)
        known = self._ended.get(key)
        if known is not None and not kill:
            return
        command = known.command if known is not None else command_of(process.pid)
        how = KILLED if kill else TERMINATED
        try:
            os.kill(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
            if not kill and process.state == "T":
                # A stopped process sees its TERM only when it goes on.
                os.kill(process.pid, signal.SIGCONT)
        except ProcessLookupError:
            how = known.how if known is not None else GONE
        except PermissionError:
            how = REFUSED
        self._ended[key] = EndedProcess(process.pid, command, how)

    def _mark_alive(self, living: list[Process]) -> None:
        for process in living:
            key = (process.pid, process.started)
            self._ended[key] = self._ended[key]._replace(how=ALIVE)
