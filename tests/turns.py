"""What takes too long to be tried by every run: each day tries another part, and every night all of it.

``TURN`` repeats a day: it is the day's number, or ``all``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

T = TypeVar("T")

# Processes that are started from here have the same turn, also beyond midnight.
_ASKED: Final = os.environ.setdefault("TURN", str(datetime.now(tz=UTC).date().toordinal()))

WHOLE: Final = _ASKED == "all"
"""Whether everything is tried."""

TURN: Final = 0 if WHOLE else int(_ASKED)


def is_due(number: int, every: int) -> bool:
    """Return whether the one of this number has its turn; each has every so many days."""
    return WHOLE or (number + TURN) % every == 0


def due(things: Sequence[T], every: int) -> list[T]:
    """Return those that have their turn, at least one of ``every``."""
    return [thing for number, thing in enumerate(things) if is_due(number, every)]
