"""The options that any operation may carry. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from rules import durations
from rules.engine.registry import Schema
from rules.tree import Options, Retry, RuleNode, TrapPolicy

USELESS_WHILE_WAITING: Final = frozenset({"timeout", "retry", "semaphore", "on_error", "rollback"})
"""Options of an operation at which the job waits for a person: nothing runs that they could act on."""

ROLLBACK: Final = "rollback"

_DURATION: Final[Schema] = {"type": "string", "x-kind": "duration"}
OPTION_SCHEMAS: Final[Mapping[str, Schema]] = {
    "id": {
        "type": "string",
        "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z",
        "x-kind": "literal",
        "x-hint": "Use letters, digits, . _ and -, at most 64.",
    },
    "name": {"type": "string", "minLength": 1},
    "when": {
        "type": ["string", "boolean"],
        "minLength": 1,
        "x-kind": "expression",
        "x-hint": 'Write a condition such as environment == "PROD".',
    },
    "enabled": {"type": "boolean", "x-hint": "Write true or false; for a condition use when."},
    "timeout": _DURATION,
    "retry": {
        "type": "object",
        "properties": {"attempts": {"type": "integer", "minimum": 1, "maximum": 100}, "pause": _DURATION},
        "required": ["attempts"],
        "additionalProperties": False,
        "x-hint": "Write retry: {attempts: 3, pause: 10s}.",
    },
    "on_error": {"type": "string", "enum": ["fail", "trap", "ignore"], "x-kind": "literal"},
    "trap": {
        "type": "object",
        "properties": {
            "timeout": _DURATION,
            "on_timeout": {"type": "string", "enum": ["abort", "skip", "retry"], "x-kind": "literal"},
            "max_retries": {"type": "integer", "minimum": 0, "maximum": 1000},
        },
        "additionalProperties": False,
        "x-hint": "Write trap: {timeout: 1h, on_timeout: abort, max_retries: 3}.",
    },
    "save_as": {"type": "string", "x-kind": "name"},
    "semaphore": {"type": "string", "minLength": 1},
    "rollback_if_failed": {"type": "boolean"},
}
OPTION_NAMES: Final = frozenset({*OPTION_SCHEMAS, ROLLBACK})


def make_options(written: Mapping[str, Any], rollback: tuple[RuleNode, ...]) -> Options:
    """Return the options of an operation out of values that fit their schemas."""
    retry, trap, timeout = written.get("retry"), written.get("trap"), written.get("timeout")
    return Options(
        id=written.get("id"),
        name=written.get("name"),
        when=written.get("when"),
        enabled=written.get("enabled", True),
        timeout=None if timeout is None else durations.parse(timeout),
        retry=None if retry is None else Retry(retry["attempts"], _duration(retry, "pause", timedelta(0))),
        on_error=written.get("on_error", "fail"),
        trap=None if trap is None else _trap(trap),
        save_as=written.get("save_as"),
        semaphore=written.get("semaphore"),
        rollback=rollback,
        rollback_if_failed=written.get("rollback_if_failed", False),
    )


def _duration(written: Mapping[str, Any], key: str, default: timedelta) -> timedelta:
    return durations.parse(written[key]) if key in written else default


def _trap(written: Mapping[str, Any]) -> TrapPolicy:
    default = TrapPolicy()
    return TrapPolicy(
        _duration(written, "timeout", default.timeout),
        written.get("on_timeout", default.on_timeout),
        written.get("max_retries", default.max_retries),
    )
