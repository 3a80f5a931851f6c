"""Waiting for something to become true, within a bound: the only way a test waits."""

import threading
import time
from collections.abc import Callable

PAUSE = threading.Event()


def wait_until(condition: Callable[[], bool], seconds: float = 20.0, *, what: str = "the condition") -> None:
    """Return as soon as a condition holds.

    Args:
        condition: Asked again and again, every 20 ms.
        seconds: How long at most.
        what: Named in the failure.

    Raises:
        AssertionError: It did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        PAUSE.wait(0.02)
