"""Collecting the mistakes of a rule. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from rules.engine.expressions import name_hint
from rules.engine.names import did_you_mean
from rules.exceptions import RuleProblem
from rules.parser.nodes import Node
from rules.tree import Position

MAX_PROBLEMS: Final = 500

_WHERE_FROM: Final = "Names come from save_as, from loops, or are those of the job."


@dataclass(frozen=True, slots=True)
class OpenName:
    """A name that is a mistake unless a called rule saves a result under it.

    Attributes:
        name: The name.
        known: What is known where it is read.
        position: Where that is.
    """

    name: str
    known: frozenset[str]
    position: Position


class Problems:
    """The mistakes found so far, and what may turn out to be one."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[RuleProblem] = []
        self.open_names: list[OpenName] = []
        self.calls: dict[Position, Position] = {}
        """Where calls name the rule that they call, by the place where the operation begins."""

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
        self.open_names.clear()
        self.calls.clear()

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

    def add_unknown(self, unknown: OpenName, **params: Any) -> None:
        """Add that a name is not known where it is read."""
        hint = name_hint(unknown.name, unknown.known) or _WHERE_FROM
        template = "The name %(name)s is not known here."
        self.add(
            unknown.position,
            "unknown_name",
            template,
            hint.replace("%", "%%"),
            **{**params, "name": unknown.name},
        )

    def add_open(self, unknown: OpenName) -> None:
        """Keep a name that a called rule may bring."""
        if len(self.open_names) < MAX_PROBLEMS:
            self.open_names.append(unknown)

    def take(self, problem: RuleProblem, position: Position) -> None:
        """Add a problem that was found elsewhere at ``position``."""
        self.add(position, problem.code, problem.template, problem.hint_template, **problem.params)

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
