"""What expressions and templates may do with plain data, each piece bounded in time and size. Pure.

Rules are written by people who may not be trusted with the worker, and values come from anywhere. So nothing
here reaches an attribute of a Python object: operators, functions and methods are the ones written out below,
and each one is paid from a budget before it makes anything large.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

MAX_UNITS: Final = 2_000_000
"""Characters and list elements that one evaluation may make in all."""

MAX_SECONDS: Final = 0.5
"""Processor seconds of one evaluation."""

MAX_BITS: Final = 1024
_SCALARS: Final = (str, int, float, bool, type(None))


class LimitExceeded(Exception):
    """An evaluation wants more time or space than it may have."""


class Budget:
    """What is left for one evaluation: space in units, time of this thread's processor."""

    __slots__ = ("_deadline", "_units")

    def __init__(self, units: int = MAX_UNITS, seconds: float = MAX_SECONDS) -> None:
        """Start the clock."""
        self._units = units
        self._deadline = time.thread_time() + seconds

    def spend(self, units: int) -> None:
        """Take ``units`` off.

        Raises:
            LimitExceeded: There are not so many left, or the time is over.
        """
        self._units -= units
        if self._units < 0:
            raise LimitExceeded("It makes more data than is allowed.")
        if time.thread_time() > self._deadline:
            raise LimitExceeded("It takes longer than is allowed.")


def kind(value: Any) -> str:
    """Return what ``value`` is, in words of a rule's author."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "something else"


def number(value: Any) -> int | float:
    """Return ``value`` when it is a number of a sane size.

    Raises:
        TypeError: It is no number.
        LimitExceeded: It is too large, or not finite.
    """
    if not isinstance(value, int | float):
        raise TypeError(f"A number is needed, this is {kind(value)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise LimitExceeded("The number is too large.")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise LimitExceeded("The number is too large.")
    return value


def add(budget: Budget, left: Any, right: Any) -> Any:
    """Add numbers, or join two texts or two lists."""
    if isinstance(left, str) and isinstance(right, str):
        budget.spend(len(left) + len(right))
        return left + right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        budget.spend(len(left) + len(right))
        return [*left, *right]
    if isinstance(left, int | float) and isinstance(right, int | float):
        return number(left + right)
    raise TypeError(f"{kind(left).capitalize()} and {kind(right)} cannot be added.")


def multiply(budget: Budget, left: Any, right: Any) -> Any:
    """Multiply numbers, or repeat a text or a list."""
    if isinstance(right, str | list | tuple):
        left, right = right, left
    if isinstance(left, str | list | tuple) and isinstance(right, int):
        budget.spend(len(left) * max(number(right), 0))  # type: ignore[arg-type]
        return left * right if isinstance(left, str) else list(left) * right
    return number(number(left) * number(right))


def power(budget: Budget, left: Any, right: Any) -> Any:
    """Raise a number to a power that stays within bounds."""
    base, exponent = number(left), number(right)
    budget.spend(1)
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > MAX_BITS:
        raise LimitExceeded("The number is too large.")
    return number(base**exponent)


def _numeric(operation: Callable[[Any, Any], Any]) -> Callable[[Budget, Any, Any], Any]:
    def apply(budget: Budget, left: Any, right: Any) -> Any:
        return number(operation(number(left), number(right)))

    return apply


subtract: Final = _numeric(lambda left, right: left - right)
divide: Final = _numeric(lambda left, right: left / right)
floor_divide: Final = _numeric(lambda left, right: left // right)
modulo: Final = _numeric(lambda left, right: left % right)

# --- functions --------------------------------------------------------------------------------


def _text(budget: Budget, value: Any = "") -> str:
    if not isinstance(value, (*_SCALARS, list, tuple, Mapping)):
        raise TypeError(f"There is no text for {kind(value)}.")
    made = str(dict(value)) if isinstance(value, Mapping) else str(value)
    budget.spend(len(made))
    return made


def _whole(budget: Budget, value: Any = 0) -> int:
    if isinstance(value, str):
        budget.spend(len(value))
        try:
            return int(number(int(value[:400])))
        except ValueError:
            raise ValueError("The text is not a whole number.") from None
    return int(number(value))


def _decimal(budget: Budget, value: Any = 0.0) -> float:
    if isinstance(value, str):
        budget.spend(len(value))
        try:
            return float(number(float(value[:400])))
        except ValueError:
            raise ValueError("The text is not a number.") from None
    return float(number(value))


def _length(_budget: Budget, value: Any) -> int:
    if not isinstance(value, str | list | tuple | Mapping):
        raise TypeError(f"{kind(value).capitalize()} has no length.")
    return len(value)


def _several(budget: Budget, values: tuple[Any, ...]) -> Sequence[Any]:
    """Return the values of ``min(a, b)`` or of ``min([a, b])``."""
    found = elements(values[0]) if len(values) == 1 else values
    budget.spend(len(found))
    return found


def elements(value: Any) -> Sequence[Any]:
    """Return the elements of a list, the keys of a mapping, the characters of a text.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(value, str | list | tuple):
        return value
    if isinstance(value, Mapping):
        return list(value)
    raise TypeError(f"A list is needed, this is {kind(value)}.")


def _sum(budget: Budget, values: Any) -> int | float:
    total: int | float = 0
    for value in _several(budget, (values,)):
        total = number(total + number(value))
    return total


def _sorted(budget: Budget, values: Any, reverse: bool = False) -> list[Any]:
    return sorted(_several(budget, (values,)), reverse=bool(reverse))


def _round(_budget: Budget, value: Any, digits: Any = None) -> int | float:
    if digits is not None and abs(number(digits)) > 20:
        raise LimitExceeded("A number can be rounded to 20 digits at most.")
    return number(round(number(value), None if digits is None else int(digits)))


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": lambda budget, value: abs(number(value)),
    "all": lambda budget, values: all(_several(budget, (values,))),
    "any": lambda budget, values: any(_several(budget, (values,))),
    "bool": lambda budget, value=False: bool(value),
    "float": _decimal,
    "int": _whole,
    "len": _length,
    "list": lambda budget, value: list(_several(budget, (value,))),
    "max": lambda budget, *values: max(_several(budget, values)),
    "min": lambda budget, *values: min(_several(budget, values)),
    "round": _round,
    "sorted": _sorted,
    "str": _text,
    "sum": _sum,
}
"""Functions of expressions; each takes the budget first."""

# --- methods --------------------------------------------------------------------------------


def join(budget: Budget, glue: str, parts: Any) -> str:
    """Join texts, paying for the result first.

    Raises:
        TypeError: A part is no text.
    """
    found = elements(parts)
    size = len(glue) * len(found)
    for part in found:
        if not isinstance(part, str):
            raise TypeError(f"Only texts can be joined, one of these is {kind(part)}.")
        size += len(part)
    budget.spend(size)
    return glue.join(found)


def replace(budget: Budget, value: str, old: str, new: str, count: int = -1) -> str:
    """Replace parts of a text, paying for the result first."""
    times = value.count(old) if count < 0 else min(value.count(old), count)
    budget.spend(len(value) + times * len(new))
    return value.replace(old, new, count)


def _paid(name: str) -> Callable[..., Any]:
    """Return a method of texts whose result is about as large as the text."""
    method = getattr(str, name)

    def apply(budget: Budget, value: str, *arguments: Any) -> Any:
        budget.spend(len(value))
        return method(value, *arguments)

    return apply


def _starts(budget: Budget, value: str, beginning: Any) -> bool:
    return value.startswith(tuple(beginning) if isinstance(beginning, list) else beginning)


def _ends(budget: Budget, value: str, ending: Any) -> bool:
    return value.endswith(tuple(ending) if isinstance(ending, list) else ending)


def _items(budget: Budget, value: Mapping[Any, Any]) -> list[list[Any]]:
    budget.spend(2 * len(value))
    return [[key, item] for key, item in value.items()]


_TEXT_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    **{
        name: _paid(name)
        for name in (
            *(
                "lower",
                "upper",
                "title",
                "capitalize",
                "strip",
                "lstrip",
                "rstrip",
                "split",
                "rsplit",
                "splitlines",
            ),
            *(
                "removeprefix",
                "removesuffix",
                "find",
                "rfind",
                "index",
                "count",
                "isdigit",
                "isalpha",
                "isalnum",
            ),
        )
    },
    "startswith": _starts,
    "endswith": _ends,
    "join": join,
    "replace": replace,
}
_LIST_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "index": lambda budget, value, wanted: list(value).index(wanted),
    "count": lambda budget, value, wanted: list(value).count(wanted),
}
_MAPPING_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "get": lambda budget, value, key, default=None: value.get(key, default),
    "keys": lambda budget, value: list(_several(budget, (value,))),
    "values": lambda budget, value: [value[key] for key in _several(budget, (value,))],
    "items": _items,
}
METHOD_NAMES: Final = frozenset({*_TEXT_METHODS, *_LIST_METHODS, *_MAPPING_METHODS})


def method(value: Any, name: str) -> Callable[..., Any] | None:
    """Return the function (budget, value, arguments …) behind ``value.name(…)``, or ``None``."""
    if isinstance(value, str):
        return _TEXT_METHODS.get(name)
    if isinstance(value, list | tuple):
        return _LIST_METHODS.get(name)
    if isinstance(value, Mapping):
        return _MAPPING_METHODS.get(name)
    return None


def plain(budget: Budget, value: Any) -> Any:
    """Return ``value`` as plain data that shares nothing with it: all that gives elements become lists.

    Raises:
        TypeError: It is, or holds, something that is no plain data.
    """
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        budget.spend(len(value))
        return {key: plain(budget, item) for key, item in value.items()}
    if isinstance(value, list | tuple | Iterator):
        made = [plain(budget, element) for element in value]
        budget.spend(len(made))
        return made
    raise TypeError("The result is no plain value (text, number, true or false, list, mapping).")
