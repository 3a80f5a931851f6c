"""Room on the interpreter's own stack.

CPython keeps the frames of Python functions in chunks of 16 KB. Where a loop stands just below the end of one, each of its
calls takes a new chunk from the system and gives it back: a test took 28 seconds in one run and one second in another, by how
deep pytest had called it. A function that needs much room gets a chunk of its own, in which all that it calls finds room, too.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, cast

_WORDS: Final = 70_000
"""More than half of a mebibyte, so that the chunk is a whole one, and the rest of it is free."""


def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    return function(**arguments)


call: Final = cast(
    "Callable[[Callable[..., Any], dict[str, Any]], Any]",
    FunctionType(_call.__code__.replace(co_stacksize=_WORDS), globals(), "call"),
)
"""Calls a function with its arguments by name."""
