"""Putting the operations of called rules into the rule that calls them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from rules.exceptions import RuleInvalid, RuleProblem
from rules.tree import EXECUTED_STEPS, RuleNode, RuleTree

MAX_DEPTH: Final = 10
MAX_OPERATIONS: Final = 20_000
CALL: Final = "rule"
"""Palette key of the operation that calls another rule, and the path segment of what it holds."""

Resolve = Callable[[str], RuleTree | None]


def calls(tree: RuleTree) -> Iterator[RuleNode]:
    """Yield every operation of ``tree`` that calls another rule, undoing included."""
    for step in EXECUTED_STEPS:
        yield from _calls(tree.operations(step))


def _calls(nodes: tuple[RuleNode, ...]) -> Iterator[RuleNode]:
    for node in nodes:
        if node.key == CALL:
            yield node
        else:
            for children in node.blocks.values():
                yield from _calls(children)
        yield from _calls(node.options.rollback)


def called_rules(tree: RuleTree) -> frozenset[str]:
    """Return the slugs of the rules that ``tree`` itself calls."""
    return frozenset(node.arguments for node in calls(tree))


def link(tree: RuleTree, resolve: Resolve) -> RuleTree:
    """Return ``tree`` with the operations of the rules it calls put in, to any depth.

    A called rule that has nothing in the step at hand leaves its block empty.

    Args:
        tree: A parsed rule.
        resolve: Returns the parsed rule of a slug, or ``None`` when there is none.

    Raises:
        RuleInvalid: A rule is unknown, rules call each other in a circle, or the whole is too deep or too large.
            The problems stand at the calls in ``tree``.
    """
    linker = _Linker(resolve)
    steps = {step: linker.block(nodes, step, (tree.name,), None) for step, nodes in tree.steps.items()}
    return replace(tree, steps=MappingProxyType(steps))


class _Linker:
    """Links one rule; counts what it puts in."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._operations = 0

    def block(
        self, nodes: tuple[RuleNode, ...], step: str, chain: tuple[str, ...], top: RuleNode | None
    ) -> tuple[RuleNode, ...]:
        """Return ``nodes`` linked.

        Args:
            nodes: Operations as parsed.
            step: The step they are of.
            chain: Slugs from the rule at the top down to the one that holds ``nodes``.
            top: The call in the rule at the top that led here, where problems are reported.
        """
        return tuple(self._node(node, step, chain, top) for node in nodes)

    def _node(self, node: RuleNode, step: str, chain: tuple[str, ...], top: RuleNode | None) -> RuleNode:
        self._operations += 1
        if self._operations > MAX_OPERATIONS:
            template = "With the rules it calls, the rule has more than %(limit)d operations."
            raise _invalid(top or node, "too_many", template, "Call fewer rules.", limit=MAX_OPERATIONS)
        if node.key == CALL:
            blocks = {CALL: self._called(node, step, chain, top or node)}
        else:
            blocks = {name: self.block(children, step, chain, top) for name, children in node.blocks.items()}
        options = node.options
        if options.rollback:
            options = replace(options, rollback=self.block(options.rollback, step, chain, top))
        return replace(node, blocks=MappingProxyType(blocks), options=options)

    def _called(
        self, node: RuleNode, step: str, chain: tuple[str, ...], top: RuleNode
    ) -> tuple[RuleNode, ...]:
        slug = node.arguments
        if slug in chain:
            written = " → ".join((*chain[chain.index(slug) :], slug))
            template = "Rules call each other in a circle: %(chain)s."
            raise _invalid(top, "circle", template, "Take one of these calls out.", chain=written)
        if len(chain) > MAX_DEPTH:
            template = "Rules call each other more than %(limit)d deep."
            raise _invalid(top, "too_deep", template, "Call fewer rules one from the other.", limit=MAX_DEPTH)
        tree = self._resolve(slug)
        if tree is None:
            template = "There is no rule %(name)s."
            hint = "Create it first, or write the name of another one."
            raise _invalid(top, "unknown_rule", template, hint, name=slug)
        return self.block(tree.operations(step), step, (*chain, slug), top)


def _invalid(node: RuleNode, code: str, template: str, hint: str, **params: str | int) -> RuleInvalid:
    place = node.position
    return RuleInvalid([RuleProblem(place.line, place.column, code, template, params, hint, hint)])
