"""Arguments and options of an operation as text, with everything filled in that is known. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rules import durations
from rules.dry_run.shapes import Line
from rules.dry_run.values import Names, NotKnownYet, Unknown
from rules.engine.arguments import ArgumentError
from rules.engine.registry import OperationType, Schema
from rules.engine.templates import member_schema
from rules.parser import validate_arguments
from rules.tree import Options, TrapPolicy

LONGEST: Final = 1_000
"""Characters of one text that are shown."""

_TEXT: Final[Schema] = {"type": "string"}


class Wrong(Exception):
    """An argument or option cannot be worked out, so the operation fails; ``lines`` are those that can."""

    def __init__(self, message: str, lines: tuple[Line, ...]) -> None:
        super().__init__(message)
        self.lines = lines


def shown(value: Any) -> str:
    """Return plain data as text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def as_written(arguments: Any) -> tuple[Line, ...]:
    """Return the arguments of an operation without filling anything in."""
    if isinstance(arguments, Mapping):
        return tuple(Line(str(label), shown(value)) for label, value in arguments.items())
    return () if arguments is None else (Line("", shown(arguments)),)


def arguments_of(
    kind: OperationType, written: Any, names: Names
) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    """Return the arguments of a leaf as text, and those that are members of a mapping as values or ``Unknown``.

    Raises:
        Wrong: One of them cannot be worked out, or all together do not fit the operation.
    """
    if not isinstance(written, Mapping):
        line, value = _argument("", kind.schema, written, names, ())
        if line is None:
            return (), {}
        if not isinstance(value, Unknown):
            _check(kind, value, (line,))
        return (line,), {}
    lines: tuple[Line, ...] = ()
    values: dict[str, Any] = {}
    for label, member in written.items():
        line, values[label] = _argument(label, member_schema(kind.schema, label), member, names, lines)
        lines += (line,) if line else ()
    if not any(isinstance(value, Unknown) for value in values.values()):
        _check(kind, values, lines)
    return lines, values


def _check(kind: OperationType, value: Any, lines: tuple[Line, ...]) -> None:
    if problems := validate_arguments(kind, value):
        raise Wrong(f"{kind.key}: {' '.join(problems)}", lines)


def _argument(
    label: str, schema: Schema, written: Any, names: Names, lines: tuple[Line, ...]
) -> tuple[Line | None, Any]:
    if written is None and not label:
        return None, None
    try:
        value = names.rendered(schema, written)
    except NotKnownYet as unknown:
        return Line(label, shown(written), unknown.reason), Unknown(unknown.reason)
    except ArgumentError as error:
        raise Wrong(str(error), (*lines, Line(label, shown(written)))) from error
    return Line(label, shown(value)), value


def name(written: str | None, names: Names) -> str:
    """Return the name of an operation; it is only a label, so one that cannot be rendered stays as written."""
    if not written:
        return ""
    try:
        return str(names.rendered(_TEXT, written))
    except (NotKnownYet, ArgumentError):
        return written.strip()


def options(written: Options, names: Names) -> tuple[Line, ...]:
    """Return the options of an operation as text; ``when``, ``name`` and ``rollback`` are not among them.

    Raises:
        Wrong: The name of the semaphore cannot be worked out.
    """
    lines: list[Line] = []
    if written.semaphore is not None:
        try:
            line, _ = _argument("semaphore", _TEXT, written.semaphore, names, ())
        except Wrong as wrong:
            raise Wrong(f"semaphore: {wrong}", wrong.lines) from wrong
        lines += [line] if line else []
    if written.timeout is not None:
        lines.append(Line("timeout", durations.text(written.timeout)))
    if written.retry is not None:
        pause = f", {durations.text(written.retry.pause)}" if written.retry.pause else ""
        lines.append(Line("retry", f"{written.retry.attempts}{pause}"))
    if written.on_error != "fail":
        lines.append(Line("on_error", written.on_error))
    if written.on_error == "trap":
        trap = written.trap or TrapPolicy()
        lines.append(
            Line("trap", f"{durations.text(trap.timeout)}, {trap.on_timeout}, {trap.max_retries or '∞'}")
        )
    if written.save_as is not None:
        lines.append(Line("save_as", written.save_as))
    return tuple(lines)
