"""What can go wrong with a rule, as one tree of errors with stable codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One mistake in the source of a rule.

    Attributes:
        line: From 1.
        column: From 1.
        code: Stable name of the kind of mistake, ``unknown_key``.
        template: English sentence with ``%(name)s`` places; the message id of its translation.
        params: What fills the places.
        hint: What to write instead, or empty.
    """

    line: int
    column: int
    code: str
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def message(self) -> str:
        """The sentence in English."""
        return self.template % self.params


class RuleError(Exception):
    """Root of the errors of this app."""

    code = "rule_error"


class RuleInvalid(RuleError):
    """The source does not parse or validate; ``problems`` holds every mistake found, in the order of lines."""

    code = "rule_invalid"

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        first = problems[0]
        super().__init__(f"line {first.line}, column {first.column}: {first.message}")
        self.problems = tuple(problems)


class RuleNotFound(RuleError):
    """No rule has this slug."""

    code = "rule_not_found"

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no rule {slug!r}.")
        self.slug = slug
