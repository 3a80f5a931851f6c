"""Who acts, for everything that is written meanwhile. Pure: ``manage.py`` says it before Django is set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes what belongs to no job; a command may not know its user.

    Attributes:
        name: User name, or empty.
        source: The door: a value of ``AuditRecord.Source``.
        address: Where from, an IP address or empty.
    """

    name: str
    source: str
    address: str = ""


COMMAND: Final = Author("", "command")
"""Somebody at a shell of the machine, whom nothing there names."""

acting: ContextVar[Author | None] = ContextVar("acting", default=None)
"""Who acts; ``None`` where nobody does: workers, the daemon, tests."""


@contextmanager
def acting_as(author: Author | None) -> Iterator[None]:
    """Let ``author`` be who acts within the block."""
    token = acting.set(author)
    try:
        yield
    finally:
        acting.reset(token)
