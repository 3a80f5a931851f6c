"""Telling the processes of a worker's pool to end the operation at hand and hand over: the worker was told to stop, or drained.

The flags lie in memory that parent and children share, made before the children are forked, so that it needs
neither the broker nor
the database: a worker is often told to stop because one of these is about to go.
"""

from __future__ import annotations

import mmap
from typing import Final

_STOPPING: Final = 0
_DRAINED: Final = 1
_flags: Final = [mmap.mmap(-1, 2)]


def begin() -> None:
    """Tell this worker's processes to end the operation at hand, keep their place, and hand over: it stops."""
    _flags[0][_STOPPING] = 1


def set_drained(drained: bool) -> None:
    """Tell them the same while the worker is drained, and that they may go on afterwards."""
    _flags[0][_DRAINED] = drained


def reset() -> None:
    """Forget it; a worker that starts is not stopping. Called before its pool is forked.

    The memory is new each time: workers that were forked from one process would share what that one had, and the first
    to be told to stop would stop them all.
    """
    _flags[0] = mmap.mmap(-1, 2)


def is_draining() -> bool:
    """Return whether the worker was told to stop, or is drained."""
    return any(_flags[0][:])
