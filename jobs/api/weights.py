"""Headers that list what an asker takes, each with a weight: ``Accept`` and ``Accept-Encoding``. Pure."""

from __future__ import annotations

import re
from typing import Final

_WEIGHT: Final = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


def weighed(header: str) -> list[tuple[str, float]]:
    """Return what a header lists, in small letters and without parameters, each with its weight from 0, "not at all", to 1.

    A weight that cannot be read is none, as if it were 1.
    """
    found = []
    for part in header.split(","):
        name, *parameters = part.split(";")
        if not name.strip():
            continue
        weights = [match[1] for text in parameters if (match := _WEIGHT.fullmatch(text))]
        found.append((name.strip().lower(), float(weights[0]) if weights else 1.0))
    return found


def takes(header: str, coding: str) -> bool:
    """Return whether ``Accept-Encoding`` takes a coding that is not the plain one."""
    weights = dict(weighed(header))
    return weights.get(coding, weights.get("*", 0.0)) > 0
