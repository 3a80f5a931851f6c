"""Room on the interpreter's own stack for whatever a process does over and over. Pure.

CPython keeps the frames of Python functions in chunks of 16 KB. Where a loop happens to stand just below the end of one,
each of its calls takes a new chunk from the system and gives it back, which makes it several times as slow; by how deep it
was called decides whether it does. A function that needs much room gets a chunk of its own, in which all that it calls
finds room, too. Nothing of it takes memory before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Final, ParamSpec, TypeVar, cast

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

WORDS: Final = 70_000
"""Of 8 bytes: more than half of a mebibyte, so that the chunk is a whole one, and the rest of it is free."""


def _call(function: Callable[Given, Returned], *args: Given.args, **kwargs: Given.kwargs) -> Returned:
    return function(*args, **kwargs)


def call(function: Callable[Given, Returned], /, *args: Given.args, **kwargs: Given.kwargs) -> Returned:
    """Return what a function returns that has room for all it calls."""
    return cast("Returned", _ROOMY(function, *args, **kwargs))


_ROOMY: Final = FunctionType(_call.__code__.replace(co_stacksize=WORDS), globals(), "roomy")
