"""Waiting for what other processes do, with a deadline and no fixed sleep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

_LOOK_SECONDS: Final = 0.02


def until(look: Callable[[], Found | None], seconds: float, what: str = "") -> Found:
    """Return what ``look`` gives as soon as it is true; fail when it is not within ``seconds``."""
    give_up_at = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= give_up_at:
            raise AssertionError(f"Not within {seconds:g} s: {what or look}; last: {found!r}")
        pause.wait(_LOOK_SECONDS)
