"""What variables of environments and projects may be, whichever door they come through. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

DEEPEST: Final = 20
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def is_keepable(variables: Any) -> bool:
    """Return whether these are variables at all: a JSON object that the database can hold and documents can say."""
    return isinstance(variables, dict) and _fits(variables, DEEPEST)


def bad_names(variables: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> list[str]:
    """Return the names among ``variables`` that no rule could read; those in ``kept`` were there before and may stay."""
    return [name for name in variables if _NAME.fullmatch(name) is None and name not in (kept or {})]


def _fits(value: Any, depth: int) -> bool:
    if isinstance(value, dict | list):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        return depth > 0 and all(_fits(each, depth - 1) for each in inner)
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)
    return not isinstance(value, int | float) or is_number(value)


def is_number(value: float) -> bool:
    """Return whether a number can be kept and written out again: neither infinite nor of hundreds of digits."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float comes near to
        return False
