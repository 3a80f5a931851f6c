"""The rule language: from YAML to ``RuleTree``, with every mistake at its line. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rules import durations
from rules.engine.registry import Registry
from rules.engine.registry import registry as default_registry
from rules.exceptions import RuleInvalid, RuleProblem
from rules.parser.arguments import validate_arguments
from rules.parser.document import DocumentParser
from rules.parser.linking import called_rules, link
from rules.parser.problems import Problems
from rules.parser.source import read
from rules.tree import RuleTree, count_leaves

__all__ = ["ParseResult", "called_rules", "check", "durations", "link", "parse", "validate_arguments"]


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


def check(source: str, registry: Registry = default_registry) -> ParseResult:
    """Parse ``source`` and report instead of raising.

    Args:
        source: The text of a rule.
        registry: The operations there are.
    """
    problems = Problems()
    root = read(source, problems)
    tree = None if root is None else DocumentParser(registry, problems).rule(root)
    if tree is None or len(problems):
        return ParseResult(None, problems.sorted(), 0)
    return ParseResult(tree, (), count_leaves(tree))


def parse(source: str, registry: Registry = default_registry) -> RuleTree:
    """Return the rule that ``source`` writes, not yet linked with the rules it calls.

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
