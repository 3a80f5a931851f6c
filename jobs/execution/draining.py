"""Telling the processes of a worker's pool that the worker was told to stop.

The flag lies in memory that parent and children share, made before the children are forked, so that it needs
neither the broker nor
the database: a worker is often told to stop because one of these is about to go.
"""

from __future__ import annotations

import mmap
from typing import Final

_flag: Final = [mmap.mmap(-1, 1)]


def begin() -> None:
    """Tell this worker's processes to end the operation at hand, keep their place, and hand over."""
    _flag[0][0] = 1


def reset() -> None:
    """Forget it; a worker that starts is not stopping. Called before its pool is forked.

    The memory is new each time: workers that were forked from one process would share what that one had, and the first
    to be told to stop would stop them all.
    """
    _flag[0] = mmap.mmap(-1, 1)


def is_draining() -> bool:
    """Return whether the worker was told to stop."""
    return _flag[0][0] == 1
