"""How records say what a field was and is. Pure; values of variables and secrets have no words."""

from __future__ import annotations

import json
from datetime import date, timedelta
from enum import Enum
from typing import Any, Final

from rules import durations

LONGEST: Final = 200
MOST_KEYS: Final = 50


class Hidden(Enum):
    """Stands for a value that no record may hold."""

    OLD = "old"
    NEW = "new"


def same(before: Any, after: Any) -> bool:
    """Return whether two values are the same; in JSON ``1``, ``1.0`` and ``true`` are not."""
    if isinstance(before, dict | list) or isinstance(after, dict | list):
        return _json(before) == _json(after)
    return bool(before == after)


def of(name: str, before: Any, after: Any, *, is_new: bool = False) -> str:
    """Return what happened to a field.

    Args:
        name: Of the field.
        before: What it was.
        after: What it is: of mappings the keys that differ are named, and nothing else of them.
        is_new: There was nothing before, so that only the new value is said.
    """
    if isinstance(before, Hidden) or isinstance(after, Hidden):
        return name
    if isinstance(before, dict) or isinstance(after, dict):
        return f"{name} ({', '.join(_changed_keys(before or {}, after or {}))})"
    return f"{name} {_value(after)}" if is_new else f"{name} {_value(before)} → {_value(after)}"


def _changed_keys(before: Any, after: Any) -> list[str]:
    """Return which keys came, went or have another value."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return ["all"]
    keys = [
        key
        for key in sorted({*before, *after}, key=str)
        if key not in before or key not in after or not same(before[key], after[key])
    ]
    more = ["…"] if len(keys) > MOST_KEYS else []
    return [_clipped(str(key)) for key in keys[:MOST_KEYS]] + more


def _value(value: Any) -> str:
    if isinstance(value, timedelta):
        return durations.text(value) if value % timedelta(seconds=1) == timedelta(0) else str(value)
    if isinstance(value, date):
        return value.isoformat()
    return _clipped(_json(value))


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
