"""The few calls of Linux that Python has no function for."""

from __future__ import annotations

import ctypes
import os

_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make this process the parent of every descendant whose own parent dies, whatever session it moved to.

    Raises:
        OSError: The kernel refused.
    """
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor above 2 that is not in ``kept``."""
    low = 3
    for number in sorted(number for number in kept if number > 2):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
