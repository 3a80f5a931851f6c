"""Memory of processes, as the kernel tells it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

SAMPLE_SECONDS: Final = 0.1
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory of a process, or of several together, in MiB.

    Attributes:
        rss: All pages of it that are in memory; what processes share is counted for each of them.
        pss: The same with what is shared split between those who share it: this adds up.
    """

    rss: float
    pss: float


def tree(pid: int) -> list[int]:
    """Return a process and all below it that live."""
    found = [pid]
    for parent in found:
        tasks = _PROC / str(parent) / "task"
        try:
            for task in tasks.iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has ended meanwhile
    return found


def usage(pids: Iterable[int]) -> Usage:
    """Return what processes use together; those that have ended use nothing."""
    total = {"Rss": 0, "Pss": 0}
    for pid in pids:
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, rest = line.partition(":")
            if name in total:
                total[name] += int(rest.split()[0])
    return Usage(total["Rss"] / 1024, total["Pss"] / 1024)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return for how many seconds of a processor processes have computed since they began."""
    ticks = 0
    for pid in pids:
        try:
            words = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Peak:
    """Watches a process and all below it for the time of a block."""

    def __init__(self, pid: int) -> None:
        """Take the process; it is looked at from the beginning of the block on."""
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self.rest = usage(tree(self._pid))
        self.peak = self.rest
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    @property
    def grown_mib(self) -> float:
        """By how much the resident memory grew at most."""
        return self.peak.rss - self.rest.rss

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.look()

    def look(self) -> None:
        """Look now; it is looked every 0.1 s in any case."""
        now = usage(tree(self._pid))
        self.peak = Usage(max(now.rss, self.peak.rss), max(now.pss, self.peak.pss))
