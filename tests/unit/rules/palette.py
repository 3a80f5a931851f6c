"""The palette's declarations with nothing behind them: parsing needs no execution."""

from __future__ import annotations

from typing import Any

from rules.engine.registry import Block, OperationType, Registry, Schema
from rules.palette import schemas


def _execute(call: Any) -> None:
    raise AssertionError("Parsing executes nothing.")


def _walk(walker: Any, frame: Any) -> None:
    raise AssertionError("Parsing walks nothing.")


def _declared(key: str) -> OperationType:
    schema: Schema = getattr(schemas, f"{key.upper()}_SCHEMA")
    help_text: str = getattr(schemas, f"{key.upper()}_HELP")
    blocks: tuple[Block, ...] = getattr(schemas, f"{key.upper()}_BLOCKS", ())
    if blocks:
        return OperationType(key, schema, help_text, walk=_walk, blocks=blocks)
    not_in: frozenset[str] = getattr(schemas, f"{key.upper()}_NOT_IN", frozenset())
    return OperationType(key, schema, help_text, execute=_execute, not_in=not_in)


def palette() -> Registry:
    """Return the operations of this version, and one that may wait."""
    registry = Registry()
    for key in (
        *("group", "if", "foreach", "while", "parallel", "try", "rule", "fail"),
        *("set", "log", "run", "write", "git", "sleep"),
        *("ssh", "copy", "http", "notify", "create_job"),
    ):
        registry.register(_declared(key))
    registry.register(OperationType("ask", {"type": "string"}, "Asks.", execute=_execute, may_wait=True))
    return registry
