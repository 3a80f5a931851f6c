"""The stash: what a running rule knows, as plain data that can be stored between steps and taken up by another process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(slots=True)
class Stash:
    """Run variables and saved results.

    Attributes:
        variables: Read as ``variables.name``; ``set`` writes here.
        results: Names of their own, written by ``save_as``.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the stash that ``data`` holds; it shares nothing with ``data``."""
        return cls(
            copy.deepcopy(dict(data.get("variables", {}))), copy.deepcopy(dict(data.get("results", {})))
        )

    def to_data(self) -> dict[str, Any]:
        """Return plain data for storage."""
        return {"variables": self.variables, "results": self.results}

    def masked(self, mask: Callable[[Any], Any]) -> Stash:
        """Return the stash as it may be stored; the names in it are the rule's and stay.

        Args:
            mask: Hides secrets in plain data.
        """
        return Stash(
            {name: mask(value) for name, value in self.variables.items()},
            {name: mask(value) for name, value in self.results.items()},
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """The names an operation sees: fixed ones, the stash, and what loops and catches around it add."""

    fixed: Mapping[str, Any]
    stash: Stash
    local: Mapping[str, Any] = field(default_factory=dict)

    def names(self) -> dict[str, Any]:
        """Return all names; inner ones hide outer ones, fixed ones cannot be hidden."""
        return {**self.stash.results, **self.local, **self.fixed, "variables": self.stash.variables}

    def with_local(self, **names: Any) -> Scope:
        """Return the scope of a loop's body or a catch."""
        return Scope(self.fixed, self.stash, {**self.local, **names})
