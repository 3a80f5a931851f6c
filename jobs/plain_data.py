"""What texts and JSON values from outside the database can keep: checked where every door passes. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, Final

DEEPEST: Final = 20
LARGEST: Final = 256 * 1024
"""Characters of JSON that one object may take."""

_LARGEST_NUMBER: Final = 2**63 - 1


def mistake_in_object(value: Any) -> str | None:
    """Return why a JSON object cannot be kept, ``None`` when it can."""
    if not isinstance(value, dict):
        return "Send a JSON object."
    if mistake := _mistake_in(value, DEEPEST):
        return mistake
    if len(json.dumps(value)) > LARGEST:
        return f"It takes more than {LARGEST} characters."
    return None


def mistake_in_text(text: str) -> str | None:
    """Return why a text cannot be kept, ``None`` when it can."""
    if "\x00" in text:
        return "Null characters are not allowed."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Half a surrogate pair is not a character."
    return None


def _mistake_in(value: Any, depth: int) -> str | None:
    if isinstance(value, dict | list | tuple):
        if depth == 0:
            return f"Nested more than {DEEPEST} deep."
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        return next((found for each in inner if (found := _mistake_in(each, depth - 1))), None)
    if isinstance(value, str):
        return mistake_in_text(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        fits = math.isfinite(value) if isinstance(value, float) else abs(value) <= _LARGEST_NUMBER
        return None if fits else "A number is out of range."
    return "Only texts, numbers, true, false, null, lists and objects can be kept."
