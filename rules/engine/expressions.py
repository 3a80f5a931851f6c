"""Conditions of rules: Python-like expressions over plain data, bounded in length, time and space. Pure.

simpleeval walks the syntax tree; every operator, function and method it may use is replaced by the bounded
ones of ``rules.engine.bounded``, so an expression never reaches an attribute of a Python object.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from simpleeval import EvalWithCompoundTypes, InvalidExpression, IterableTooLong

from rules.engine import bounded
from rules.engine.bounded import Budget, LimitExceeded
from rules.engine.names import did_you_mean
from rules.exceptions import ExpressionError

__all__ = ["Expression", "ExpressionError", "compile_expression"]

MAX_LENGTH: Final = 2_000
MAX_DEPTH: Final = 40
MAX_NODES: Final = 400

_NODES: Final = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Subscript, ast.Slice),
    *(ast.Call, ast.keyword, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.And, ast.Or),
    *(ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.GeneratorExp, ast.comprehension),
    *(ast.Not, ast.USub, ast.UAdd, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot),
)
_BINARY: Final[Mapping[type[ast.operator], Callable[[Budget, Any, Any], Any]]] = {
    ast.Add: bounded.add,
    ast.Sub: bounded.subtract,
    ast.Mult: bounded.multiply,
    ast.Div: bounded.divide,
    ast.FloorDiv: bounded.floor_divide,
    ast.Mod: bounded.modulo,
    ast.Pow: bounded.power,
}
_OTHER: Final[Mapping[type[ast.AST], Callable[..., Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, container: (
        value in bounded.elements(container) if not isinstance(container, Mapping) else value in container
    ),
    ast.NotIn: lambda value, container: (
        value not in bounded.elements(container)
        if not isinstance(container, Mapping)
        else value not in container
    ),
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.Not: operator.not_,
    ast.USub: lambda value: -bounded.number(value),
    ast.UAdd: bounded.number,
}
_NO_BRACES: Final = "This is an expression already: write it without {{ and }}."
_FOREIGN: Final = (
    (r"\{\{", _NO_BRACES),
    (r"&&", "Write and instead of &&."),
    (r"\|\|", "Write or instead of ||."),
    (r"!(?!=)", "Write not instead of !, and != to compare."),
    (r"(?<![=!<>])=(?!=)", "Compare with ==."),
)
_IN_WORDS: Final[Mapping[type[ast.AST], str]] = {
    ast.Set: "A set",
    ast.JoinedStr: "An f-string",
    ast.Lambda: "lambda",
    ast.NamedExpr: ":=",
    ast.Starred: "*",
    ast.DictComp: "A loop that makes a mapping",
    ast.SetComp: "A loop that makes a set",
    ast.BitAnd: "&",
    ast.BitOr: "|",
}
_OTHER_LANGUAGES: Final = {"true": "True", "false": "False", "null": "None", "none": "None"}


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that compiled.

    Attributes:
        text: As written.
        names: Root names it reads.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """Return what the expression gives over ``names``, as plain data.

        Raises:
            ExpressionError: It cannot be worked out: an unknown name or item, kinds that do not fit, a limit.
        """
        evaluator = _evaluator()
        try:
            return evaluator.run(self._tree, names)
        except ExpressionError:
            raise
        except LimitExceeded as error:
            raise ExpressionError(str(error)) from None
        except (InvalidExpression, TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise ExpressionError(_sentence(error)) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("The expression is too large.") from None


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Expression:
    """Return ``text`` as an expression.

    Raises:
        ExpressionError: It is too long, no expression, or uses what expressions do not have.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"The expression is longer than {MAX_LENGTH} characters.")
    if not text.strip():
        raise ExpressionError("The expression is empty.", 'Write a condition such as environment == "PROD".')
    tree = _parse(text)
    nodes = _bounded_nodes(tree)
    for node in nodes:
        _check(node)
    return Expression(text, _root_names(nodes), tree)


def _parse(text: str) -> ast.expr:
    """Return the syntax tree; several lines are one expression, as if it stood in parentheses."""
    stripped = text.strip()
    source = f"({stripped}\n)" if "\n" in stripped else stripped
    try:
        with warnings.catch_warnings():
            # Python warns of odd escapes and comparisons; whether they are right is not known here.
            warnings.simplefilter("ignore")
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        line = min(error.lineno or 1, stripped.count("\n") + 1)
        column = max(1, (error.offset or 1) - (1 if line == 1 and source != stripped else 0))
        column += len(text) - len(text.lstrip()) if line == 1 else 0
        raise ExpressionError(
            "The expression is not complete or not well formed.", _hint(text), line, column
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("The expression cannot be read.") from None


def _hint(text: str) -> str:
    for pattern, hint in _FOREIGN:
        if re.search(pattern, text):
            return hint
    return 'Write for example: environment == "PROD" and not revision.ref.startswith("v")'


def _bounded_nodes(tree: ast.expr) -> list[ast.AST]:
    """Return all nodes, the outermost first.

    Raises:
        ExpressionError: There are too many, or they are nested too deep.
    """
    found: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        found += level
        depth += 1
        if depth > MAX_DEPTH or len(found) > MAX_NODES * 3:
            raise ExpressionError("The expression is too large.", "Set a variable first and use it here.")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return found


def _check(node: ast.AST) -> None:
    """Refuse what expressions do not have."""
    column = getattr(node, "col_offset", 0) + 1
    if not isinstance(node, _NODES) or (isinstance(node, ast.comprehension) and node.is_async):
        what = _IN_WORDS.get(type(node), type(node).__name__)
        raise ExpressionError(f"{what} is not available in expressions.", _hint_for(node), column=column)
    if isinstance(node, ast.Constant):
        _check_constant(node, column)
    elif isinstance(node, ast.Call):
        _check_call(node, column)
    elif isinstance(node, ast.keyword) and node.arg is None:
        raise ExpressionError("** is not available in calls.", column=column)


def _hint_for(node: ast.AST) -> str:
    match node:
        case ast.Set():
            return (
                _NO_BRACES
                if any(isinstance(item, ast.Set) for item in node.elts)
                else "Write a list: [a, b]."
            )
        case ast.JoinedStr():
            return "Join texts with +."
        case ast.BitAnd() | ast.BitOr():
            return "Write and, or."
        case _:
            return ""


def _check_constant(node: ast.Constant, column: int) -> None:
    value = node.value
    if not isinstance(value, str | int | float | None):
        raise ExpressionError("Only texts, numbers, True, False and None can be written.", column=column)
    too_large = isinstance(value, int) and value.bit_length() > bounded.MAX_BITS
    if too_large or (isinstance(value, float) and not math.isfinite(value)):
        raise ExpressionError("The number is too large.", column=column)
    if isinstance(value, str) and any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value):
        raise ExpressionError("The text holds a character that cannot be stored.", column=column)


def _check_call(node: ast.Call, column: int) -> None:
    if isinstance(node.func, ast.Name):
        known, name, what = frozenset(bounded.FUNCTIONS), node.func.id, "function"
    elif isinstance(node.func, ast.Attribute):
        known, name, what = bounded.METHOD_NAMES, node.func.attr, "method"
    else:
        raise ExpressionError("Only functions and methods can be called.", column=column)
    if name not in known:
        meant = did_you_mean(name, known)
        hint = f"Did you mean {meant}()?" if meant else f"There are: {', '.join(sorted(known))}."
        raise ExpressionError(f"There is no {what} {name}().", hint, column=column)


def _root_names(nodes: list[ast.AST]) -> frozenset[str]:
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = [node for node in nodes if isinstance(node, ast.Name) and id(node) not in called]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return frozenset(name.id for name in names if name.id not in bound)


class _Evaluator(EvalWithCompoundTypes):  # type: ignore[misc]
    """simpleeval with every operator, function, method and attribute replaced by ours."""

    def __init__(self) -> None:
        super().__init__(operators={}, functions={}, names={})
        self.functions = dict.fromkeys(bounded.FUNCTIONS)
        self.budget = Budget()
        bound: dict[type[ast.AST], Callable[..., Any]] = {
            key: self._bind(one) for key, one in _BINARY.items()
        }
        self.operators = {**_OTHER, **bound}

    def _bind(self, function: Callable[[Budget, Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda left, right: function(self.budget, left, right)

    def run(self, tree: ast.expr, names: Mapping[str, Any]) -> Any:
        """Evaluate ``tree``; this object is used by one thread, for one expression at a time."""
        self.budget = Budget()
        self.names = names
        self._max_count = 0
        try:
            return bounded.plain(self.budget, self._eval(tree))
        finally:
            self.names = {}

    def _check_disallowed_items(self, item: Any) -> None:
        """Leave out simpleeval's search through all data: ours is plain, and that is slow on large lists."""

    def _eval(self, node: ast.AST) -> Any:
        self.budget.spend(1)
        return self.nodes[type(node)](node)

    def _eval_name(self, node: ast.Name) -> Any:
        try:
            return self.names[node.id]
        except KeyError:
            raise ExpressionError(
                f"The name {node.id!r} is not known here.", name_hint(node.id, self.names)
            ) from None

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        return self._item(node.value, self._eval(node.value), node.attr)

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        container, key = self._eval(node.value), self._eval(node.slice)
        if isinstance(container, str | list | tuple):
            try:
                return container[key]
            except IndexError:
                raise ExpressionError(f"The list {ast.unparse(node.value)} has no place {key}.") from None
        return self._item(node.value, container, key)

    @staticmethod
    def _item(node: ast.expr, container: Any, key: Any) -> Any:
        written = ast.unparse(node)
        if not isinstance(container, Mapping):
            raise ExpressionError(f"{written} is {bounded.kind(container)} and has no {key!r}.")
        if isinstance(key, str | int | float | None) and key in container:
            return container[key]
        meant = (
            did_you_mean(key, [name for name in container if isinstance(name, str)])
            if isinstance(key, str)
            else ""
        )
        hint = f"Did you mean {meant}?" if meant else ""
        raise ExpressionError(f"There is no {key!r} in {written}.", hint)

    def _eval_call(self, node: ast.Call) -> Any:
        arguments = [self._eval(argument) for argument in node.args]
        named = {str(keyword.arg): self._eval(keyword.value) for keyword in node.keywords}
        if isinstance(node.func, ast.Name):
            return bounded.FUNCTIONS[node.func.id](self.budget, *arguments, **named)
        assert isinstance(node.func, ast.Attribute)
        value = self._eval(node.func.value)
        function = bounded.method(value, node.func.attr)
        if function is None:
            written = ast.unparse(node.func.value)
            raise ExpressionError(f"{written} is {bounded.kind(value)} and has no {node.func.attr}().")
        return function(self.budget, value, *arguments, **named)


_local: Final = threading.local()


def _evaluator() -> _Evaluator:
    """Return this thread's evaluator; making one costs more than most expressions."""
    found: _Evaluator | None = getattr(_local, "evaluator", None)
    if found is None:
        found = _local.evaluator = _Evaluator()
    return found


def name_hint(name: str, known: Mapping[str, Any] | frozenset[str]) -> str:
    """Return what the author of an unknown name may have meant, or an empty text."""
    if name in _OTHER_LANGUAGES:
        return f"Write {_OTHER_LANGUAGES[name]}."
    meant = did_you_mean(name, list(known))
    return f"Did you mean {meant}?" if meant else ""


def _sentence(error: Exception) -> str:
    """Return what went wrong without any value in it; our own sentences end in a full stop."""
    text = str(error)
    if text.endswith(".") and isinstance(error, TypeError | ValueError):
        return text
    if isinstance(error, ZeroDivisionError):
        return "It divides by zero."
    if isinstance(error, ArithmeticError):
        return "The number is too large."
    if isinstance(error, IterableTooLong):
        return "It goes through too many elements."
    if isinstance(error, TypeError):
        return "The values are not of kinds that go together, or a function has the wrong number of them."
    return "It cannot be worked out with these values."
