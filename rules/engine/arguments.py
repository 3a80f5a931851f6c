"""Arguments of operations: rendering what a rule says into plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.engine.expressions import ExpressionError, compile_expression
from rules.engine.registry import OperationType
from rules.engine.templates import TemplateError, render_value
from rules.parser import validate_arguments


class ArgumentError(Exception):
    """An expression or template could not be worked out, or its result does not fit."""


def render(operation_type: OperationType, value: Any, names: Mapping[str, Any]) -> Any:
    """Return ``value`` with its templates rendered; strings that the schema marks with ``x-kind`` stay as written.

    Raises:
        ArgumentError: A template failed, or the rendered value does not fit the schema.
    """
    rendered = _render(operation_type.schema, value, names)
    problems = validate_arguments(operation_type, rendered)
    if problems:
        raise ArgumentError(f"{operation_type.key}: {' '.join(problems)}")
    return rendered


def _render(schema: Mapping[str, Any], value: Any, names: Mapping[str, Any]) -> Any:
    if schema.get("x-kind") in {"expression", "literal", "name"}:
        return value
    properties, items = schema.get("properties"), schema.get("items")
    if isinstance(properties, Mapping) and isinstance(value, Mapping):
        return {key: _render(properties.get(key, {}), item, names) for key, item in value.items()}
    if isinstance(items, Mapping) and isinstance(value, list):
        return [_render(items, item, names) for item in value]
    return _fitting(schema, data(value, names))


def _fitting(schema: Mapping[str, Any], rendered: Any) -> Any:
    """Return a number or truth value as text where the schema wants text and nothing of its kind."""
    wanted = schema.get("type", ())
    types = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    own = {"integer", "number"} if not isinstance(rendered, bool) else {"boolean"}
    if "string" in types and isinstance(rendered, bool | int | float) and not own & set(types):
        return str(rendered)
    return rendered


def condition(written: str | bool, names: Mapping[str, Any]) -> bool:
    """Return whether a condition holds.

    Raises:
        ArgumentError: It cannot be worked out.
    """
    return written if isinstance(written, bool) else bool(evaluate(written, names))


def evaluate(written: str, names: Mapping[str, Any]) -> Any:
    """Return what an expression gives.

    Raises:
        ArgumentError: It cannot be worked out.
    """
    try:
        return compile_expression(written).evaluate(names)
    except ExpressionError as error:
        raise ArgumentError(str(error)) from error


def data(written: Any, names: Mapping[str, Any]) -> Any:
    """Return plain data with the templates in it rendered.

    Raises:
        ArgumentError: One cannot be rendered.
    """
    try:
        return render_value(written, names)
    except TemplateError as error:
        raise ArgumentError(str(error)) from error


def text(written: str, names: Mapping[str, Any]) -> str:
    """Return a template rendered as text.

    Raises:
        ArgumentError: It cannot be rendered.
    """
    return str(data(written, names))
