"""What an operation gets when it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rules.engine.host import Host, Level
from rules.engine.outcomes import OperationFailed
from rules.tree import RuleNode


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time limit: when it ends, whose it is, and how it was written (``15m``)."""

    at: datetime
    owner: str
    limit: str


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a leaf operation.

    Attributes:
        arguments: The value under the palette key, rendered.
        names: Names of expressions as they are now.
        path: The operation's path.
        node: The operation as written.
        host: Who runs it.
        started_at: When the operation began, which may be in another worker.
        deadline: The nearest time limit, or ``None``.
    """

    arguments: Any
    names: Mapping[str, Any]
    path: str
    node: RuleNode
    host: Host
    started_at: datetime
    deadline: Deadline | None

    def log(self, text: str, level: Level = "info") -> None:
        """Write a line to the log under this operation."""
        self.host.log(self.path, self.node, level, text)

    def seconds_left(self) -> float | None:
        """Return how many seconds the nearest time limit leaves, never below 0; ``None`` without one."""
        if self.deadline is None:
            return None
        return max(0.0, (self.deadline.at - self.host.now()).total_seconds())

    def file(self, name: str) -> Path:
        """Return a path in the job's directory.

        Raises:
            OperationFailed: ``name`` is absolute, leads out of the directory or in a circle, or holds a NUL.
        """
        if "\0" in name or not name.strip():
            raise OperationFailed("The path is empty or holds a NUL character.")
        root = self.host.directory.resolve()
        try:
            found = (root / name).resolve()
        except (
            OSError,
            RuntimeError,
        ) as error:  # RuntimeError: links that lead in a circle, before Python 3.13
            raise OperationFailed(f"The path {name!r} cannot be followed: {error}") from error
        if not found.is_relative_to(root):
            raise OperationFailed(f"The path {name!r} leads out of the job's directory.")
        return found
