"""Collecting the mistakes of a rule. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from rules.engine.names import did_you_mean
from rules.exceptions import RuleProblem
from rules.parser.nodes import Node
from rules.tree import Position

MAX_PROBLEMS: Final = 500


class Problems:
    """The mistakes found so far."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[RuleProblem] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._found)

    @property
    def full(self) -> bool:
        """Whether no more are taken."""
        return len(self._found) >= MAX_PROBLEMS

    def clear(self) -> None:
        """Forget them: what is found next makes them void."""
        self._found.clear()

    def has(self, line: int) -> bool:
        """Return whether there is one in ``line``."""
        return any(problem.line == line for problem in self._found)

    def add(self, where: Node | Position, code: str, template: str, hint: str = "", **params: Any) -> None:
        """Add one.

        Args:
            where: The node, or the place in the source.
            code: Stable name of the kind of mistake.
            template: English sentence with places for ``params``.
            hint: What to write instead, with places for ``params``, or empty.
            params: What fills the places of both; long texts are cut.
        """
        if self.full:
            return
        position = where if isinstance(where, Position) else where.position
        cut = {name: _cut(value) for name, value in params.items()}
        self._found.append(
            RuleProblem(
                position.line,
                position.column,
                code,
                template,
                cut,
                hint % cut if hint else "",
                hint_template=hint,
            )
        )

    def sorted(self) -> tuple[RuleProblem, ...]:
        """Return them in the order of the source."""
        return tuple(sorted(self._found, key=lambda problem: (problem.line, problem.column)))


def _cut(value: Any) -> Any:
    return value[:80] + "…" if isinstance(value, str) and len(value) > 200 else value


def suggestion(word: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return a hint and its params: the known word that was meant, or all of them."""
    meant = did_you_mean(word, known)
    if meant:
        return "Did you mean %(meant)s?", {"meant": meant}
    return "There are: %(known)s.", {"known": ", ".join(sorted(known))}
