"""The rule language: from YAML to ``RuleTree``, with every mistake at its line. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from rules import durations
from rules.engine.names import did_you_mean
from rules.engine.registry import Registry
from rules.engine.registry import registry as default_registry
from rules.exceptions import RuleInvalid, RuleProblem
from rules.parser.arguments import validate_arguments
from rules.parser.document import DocumentParser
from rules.parser.linking import Resolve, called_rules, link, names_of_called
from rules.parser.problems import OpenName, Problems
from rules.parser.source import read
from rules.tree import Position, RuleTree, count_leaves

__all__ = [
    "Draft",
    "ParseResult",
    "called_rules",
    "check",
    "draft",
    "durations",
    "link",
    "parse",
    "validate_arguments",
]


@dataclass(frozen=True, slots=True)
class ParseResult:
    """What came of a source.

    Attributes:
        tree: The rule, ``None`` when there are problems.
        problems: Every mistake, in the order of the source.
        operations: How many leaf operations the rule holds, 0 when there are problems.
    """

    tree: RuleTree | None
    problems: tuple[RuleProblem, ...]
    operations: int


class Draft:
    """A source as far as it can be judged without the rules it calls."""

    def __init__(self, tree: RuleTree | None, problems: Problems) -> None:
        """Keep what the parser found.

        Args:
            tree: What could be made of the source, mistakes left out.
            problems: The mistakes.
        """
        self._tree = tree
        self._found = problems.sorted()
        self._open_names = tuple(problems.open_names)
        self._calls = dict(problems.calls)

    @property
    def calls(self) -> frozenset[str]:
        """Slugs of the rules that it calls."""
        return frozenset() if self._tree is None else called_rules(self._tree)

    def alone(self) -> ParseResult:
        """Return the result without a look at called rules: they may exist and save any name."""
        return self._result(self._found)

    def among(self, resolve: Resolve, slugs: Collection[str]) -> ParseResult:
        """Return the result among other rules, with the mistakes of calls and the names that nobody saves.

        Args:
            resolve: Returns the parsed rule of a slug, or ``None`` when there is none.
            slugs: Rules that there are, for suggestions.
        """
        tree = self._tree
        if tree is None:
            return self.alone()

        def known(slug: str) -> RuleTree | None:
            return tree if slug == tree.name else resolve(slug)

        problems = Problems()
        for problem in self._found:
            problems.take(problem, Position(problem.line, problem.column))
        self._check_names(tree, known, problems)
        self._check_calls(tree, known, slugs, problems)
        return self._result(problems.sorted())

    def _check_names(self, tree: RuleTree, resolve: Resolve, problems: Problems) -> None:
        if not self._open_names:
            return
        try:
            saved = names_of_called(tree, resolve)
        except RuleInvalid:
            return  # Linking says so at the call; what that rule saves is not known.
        called = ", ".join(sorted(self.calls))
        for one in self._open_names:
            if one.name not in saved:
                problems.add_unknown(OpenName(one.name, one.known | saved, one.position), called=called)

    def _check_calls(
        self, tree: RuleTree, resolve: Resolve, slugs: Collection[str], problems: Problems
    ) -> None:
        try:
            link(tree, resolve)
        except RuleInvalid as error:
            for problem in error.problems:
                place = Position(problem.line, problem.column)
                problems.take(_suggesting(problem, slugs, tree.name), self._calls.get(place, place))

    def _result(self, problems: tuple[RuleProblem, ...]) -> ParseResult:
        if self._tree is None or problems:
            return ParseResult(None, problems, 0)
        return ParseResult(self._tree, (), count_leaves(self._tree))


def _suggesting(problem: RuleProblem, slugs: Collection[str], own: str) -> RuleProblem:
    """Return the problem with the rule that was meant, when it is about one that is not there."""
    if problem.code != "unknown_rule":
        return problem
    meant = did_you_mean(str(problem.params["name"]), [slug for slug in slugs if slug != own])
    if not meant:
        return problem
    return replace(
        problem, hint_template="Did you mean %(meant)s?", params={**problem.params, "meant": meant}
    )


def draft(source: str, registry: Registry = default_registry) -> Draft:
    """Parse ``source`` as far as that goes without the rules it calls.

    Args:
        source: The text of a rule.
        registry: The operations there are.
    """
    problems = Problems()
    root = read(source, problems)
    return Draft(None if root is None else DocumentParser(registry, problems).rule(root), problems)


def check(source: str, registry: Registry = default_registry) -> ParseResult:
    """Parse ``source`` and report instead of raising.

    Nothing is known here of other rules: that a called rule is not there is no problem, and in a rule that calls
    others neither is an unknown name, which they may save. ``rules.selectors.check_source`` looks at them.

    Args:
        source: The text of a rule.
        registry: The operations there are.
    """
    return draft(source, registry).alone()


def parse(source: str, registry: Registry = default_registry) -> RuleTree:
    """Return the rule that ``source`` writes, not yet linked with the rules it calls.

    Like ``check`` it knows nothing of other rules.

    Args:
        source: The text of a rule.
        registry: The operations there are.

    Raises:
        RuleInvalid: With every mistake.
    """
    result = check(source, registry)
    if result.tree is None:
        raise RuleInvalid(result.problems)
    return result.tree
