"""Arguments of operations: rendering what a rule says into plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.engine.expressions import ExpressionError, compile_expression
from rules.engine.registry import OperationType
from rules.engine.templates import TemplateError, render_arguments, render_value
from rules.parser import validate_arguments


class ArgumentError(Exception):
    """An expression or template could not be worked out, or its result does not fit."""


def render(operation_type: OperationType, value: Any, names: Mapping[str, Any]) -> Any:
    """Return ``value`` with its templates rendered; strings that the schema marks with ``x-kind`` stay as written.

    Raises:
        ArgumentError: A template failed, or the rendered value does not fit the schema.
    """
    try:
        rendered = render_arguments(operation_type.schema, value, names)
    except TemplateError as error:
        raise ArgumentError(str(error)) from error
    problems = validate_arguments(operation_type, rendered)
    if problems:
        raise ArgumentError(f"{operation_type.key}: {' '.join(problems)}")
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
