"""How many examples Hypothesis tries: by day what finds most, at night (``make nightly``) many times as many."""

from __future__ import annotations

import os
from typing import Final

IS_NIGHT: Final = os.environ.get("HYPOTHESIS_PROFILE") == "night"


def examples(by_day: int, at_night: int) -> int:
    """Return the number for this run."""
    return at_night if IS_NIGHT else by_day
