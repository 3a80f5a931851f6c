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
        hint: What to write instead, in English, or empty.
        hint_template: ``hint`` with places for ``params``; the message id of its translation.
    """

    line: int
    column: int
    code: str
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""
    hint_template: str = ""

    @property
    def message(self) -> str:
        """The sentence in English."""
        return self.template % self.params


class RuleError(Exception):
    """Root of the errors of this app."""

    code = "rule_error"


class RuleInvalid(RuleError):
    """The source does not validate; ``problems`` holds every mistake found, in the order of lines."""

    code = "rule_invalid"

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        """Keep the problems, of which there is at least one."""
        first = problems[0]
        super().__init__(f"line {first.line}, column {first.column}: {first.message}")
        self.problems = tuple(problems)


class RuleNotFound(RuleError):
    """No rule has this slug."""

    code = "rule_not_found"

    def __init__(self, slug: str) -> None:
        """Keep the slug."""
        super().__init__(f"There is no rule {slug!r}.")
        self.slug = slug


class VersionChanged(RuleError):
    """Another version was published since whoever publishes looked; ``number`` is the newest."""

    code = "version_changed"

    def __init__(self, number: int) -> None:
        """Keep the number of the newest version."""
        super().__init__(f"Version {number} was published meanwhile.")
        self.number = number


class TextError(RuleError):
    """An expression or a template that does not compile or cannot be worked out.

    Attributes:
        message: What is wrong, as a sentence. It holds no values, only names and kinds: values may be secret.
        hint: What to write instead, or empty.
        line: Line inside the text, from 1.
        column: Column inside that line, from 1.
    """

    code = "text_error"

    def __init__(self, message: str, hint: str = "", line: int = 1, column: int = 1) -> None:
        """Keep what is wrong and where."""
        super().__init__(f"{message} {hint}".rstrip())
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column


class ExpressionError(TextError):
    """An expression is wrong."""

    code = "expression_error"


class TemplateError(TextError):
    """A template is wrong."""

    code = "template_error"
