"""The Jinja environment behind templates: what a template can reach, and what it pays for it. Pure."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote_plus

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rules.engine import bounded
from rules.engine.bounded import Budget
from rules.engine.names import did_you_mean

CONCAT: Final = "_concat"
EACH: Final = "_each"
RESULT: Final = "_result"
MAX_RANGE: Final = 1_000

_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_FROM_JINJA: Final = (
    *(
        "abs",
        "capitalize",
        "count",
        "default",
        "d",
        "first",
        "last",
        "length",
        "list",
        "lower",
        "upper",
        "title",
    ),
    *(
        "trim",
        "unique",
        "sort",
        "map",
        "select",
        "reject",
        "selectattr",
        "rejectattr",
        "min",
        "max",
        "reverse",
    ),
)
_TESTS: Final = (
    *(
        "defined",
        "undefined",
        "none",
        "in",
        "even",
        "odd",
        "divisibleby",
        "string",
        "number",
        "integer",
        "float",
    ),
    *(
        "boolean",
        "true",
        "false",
        "mapping",
        "sequence",
        "iterable",
        "lower",
        "upper",
        "sameas",
        "==",
        "eq",
        "equalto",
    ),
    *("!=", "ne", "<", "lt", "lessthan", "<=", "le", ">", "gt", "greaterthan", ">=", "ge"),
)


class Refused(Exception):
    """A template asks for something that is no plain data."""


class _Purse(threading.local):
    """The budget of the rendering that goes on in this thread."""

    budget: Budget | None = None

    def __call__(self) -> Budget:
        """Return the budget; outside a rendering (Jinja folds constants when it compiles) a new one."""
        return self.budget or Budget()

    @contextmanager
    def lend(self) -> Iterator[Budget]:
        """Give this thread a new budget."""
        before, self.budget = self.budget, Budget()
        try:
            yield self.budget
        finally:
            self.budget = before


paying: Final = _Purse()


def _each(_context: Context, values: Any) -> Iterator[Any]:
    if isinstance(values, Undefined):
        str(values)
    for value in values if isinstance(values, Iterator) else bounded.elements(values):
        paying().spend(10)
        if isinstance(value, Undefined):
            str(value)
        yield value


def _text(_context: Context, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined):
        return str(value)
    return str(bounded.FUNCTIONS["str"](paying(), value))


def _concat(context: Context, parts: list[Any]) -> str:
    return bounded.join(paying(), "", [_text(context, part) for part in parts])


def _join(context: Context, values: Any, glue: str = "", attribute: Any = None) -> str:
    found = _each(context, values)
    if attribute is not None:
        found = (context.environment.getitem(value, attribute) for value in found)
    return bounded.join(paying(), glue, [_text(context, value) for value in found])


def _replace(_context: Context, value: Any, old: str, new: str, count: int = -1) -> str:
    return bounded.replace(paying(), value, old, new, count)


def _to_json(_context: Context, value: Any, indent: int | None = None) -> str:
    made = json.dumps(
        value, ensure_ascii=False, indent=None if indent is None else min(int(indent), 8), default=_plain
    )
    paying().spend(len(made))
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, Undefined):
        return list(value)
    raise TypeError("There is no JSON for this value.")


def _through(name: str) -> Callable[..., Any]:
    """Return the bounded function ``name`` as a filter."""
    return lambda _context, *arguments: bounded.FUNCTIONS[name](paying(), *arguments)


def _quote(context: Context, value: Any) -> str:
    return shlex.quote(_text(context, value))


_OURS: Final[Mapping[str, Callable[..., Any]]] = {
    EACH: _each,
    CONCAT: _concat,
    "float": _through("float"),
    "int": _through("int"),
    "join": _join,
    "quote": _quote,
    "replace": _replace,
    "round": _through("round"),
    "string": _text,
    "sum": _through("sum"),
    "tojson": _to_json,
    "urlencode": lambda context, value: quote_plus(_text(context, value)),
}


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that pays for what it is given, and that Jinja never runs while compiling."""
    wants = getattr(function, "jinja_pass_arg", None)

    @pass_context
    def apply(context: Context, value: Any, *arguments: Any, **named: Any) -> Any:
        paying().spend(len(value) if isinstance(value, str | list | tuple | Mapping) else 1)
        first = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        before = () if wants is None else (first[wants.name],)
        made = function(*before, value, *arguments, **named)
        return _each(context, made) if isinstance(made, Iterator) and function is not _each else made

    return apply


def _range(*arguments: Any) -> list[int]:
    made = range(*(bounded.FUNCTIONS["int"](paying(), argument) for argument in arguments))
    if len(made) > MAX_RANGE:
        raise bounded.LimitExceeded(f"A range holds {MAX_RANGE} numbers at most.")
    return list(made)


class Sandbox(ImmutableSandboxedEnvironment):
    """Templates over plain data: items before methods, methods of our own, operators that pay."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self) -> None:
        """Keep only what is listed above of Jinja's filters, tests and globals."""
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            cache_size=0,
            finalize=_final,
        )
        self.globals = {"range": _range}
        self.filters = {
            **{name: _counted(FILTERS[name]) for name in _FROM_JINJA},
            **{name: _counted(pass_context(function)) for name, function in _OURS.items()},
        }
        self.tests = {name: self.tests[name] for name in _TESTS}
        self.offered = frozenset(self.filters) - {EACH, CONCAT}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply a bounded operator."""
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)
        return _BINARY[operator](paying(), left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """Apply a sign to a number."""
        return -bounded.number(arg) if operator == "-" else bounded.number(arg)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an item of a mapping; only when there is none, one of our methods."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        method = bounded.method(obj, attribute)
        if method is None:
            return self._missing(obj, attribute)
        return lambda *arguments: method(paying(), obj, *arguments)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of a mapping, a list or a text, and never an attribute."""
        if isinstance(obj, Mapping | str | list | tuple):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self._missing(obj, argument)

    def _missing(self, obj: Any, name: Any) -> Undefined:
        if isinstance(obj, Undefined):
            str(obj)
        if not isinstance(obj, Mapping):
            return self.undefined(f"{bounded.kind(obj).capitalize()} has no {name!r}.", obj=obj, name=name)
        meant = (
            did_you_mean(name, [key for key in obj if isinstance(key, str)]) if isinstance(name, str) else ""
        )
        hint = f" Did you mean {meant}?" if meant else ""
        return self.undefined(f"There is no {name!r} in the mapping.{hint}", obj=obj, name=name)


def defined(value: Any) -> None:
    """Let an unknown name in a result be the error that it is."""
    pending = [value]
    while pending:
        match pending.pop():
            case Undefined() as missing:
                str(missing)
            case list() | tuple() as several:
                pending += several
            case dict() as mapping:
                pending += mapping.values()


def _final(value: Any) -> Any:
    """Refuse to write out what is no plain data, such as a method that was not called."""
    defined(value)
    if isinstance(value, Undefined):
        # What an if without else gives; an unknown name has raised just before.
        return ""
    if isinstance(value, str | int | float | bool | list | tuple | Mapping | None):
        return value
    if isinstance(value, Iterator):
        return bounded.plain(paying(), value)
    raise Refused("The value is no plain data: a method needs ( ) behind it.")


_BINARY: Final[Mapping[str, Callable[[Budget, Any, Any], Any]]] = {
    "+": bounded.add,
    "-": bounded.subtract,
    "*": bounded.multiply,
    "/": bounded.divide,
    "//": bounded.floor_divide,
    "**": bounded.power,
    "%": bounded.modulo,
}
