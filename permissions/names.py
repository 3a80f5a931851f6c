"""What people, groups and things may be called, whichever door the name comes through. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows, beyond the text that they stand in."""


def is_line(text: str) -> bool:
    """Return whether a text is one line without control characters."""
    return not any(sign in _TURNING or unicodedata.category(sign) in _CATEGORIES for sign in text)


def is_name(text: str) -> bool:
    """Return whether a user or group may be called so: printable, no blank at either end, and more than dots.

    A name stands in an address, where ``.`` and ``..`` mean something else.
    """
    return text.isprintable() and text == text.strip() and bool(text.strip("."))


def normal(text: str) -> str:
    """Return a name as it is kept: letters that look the same are the same."""
    return unicodedata.normalize("NFKC", text)
