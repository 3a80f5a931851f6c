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
"""Returns the parsed rule of a slug, ``None`` when there is none; ``RuleInvalid`` when its source is not accepted."""


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
    return frozenset(node.arguments for node in calls(tree) if node.arguments is not None)


def saved_names(tree: RuleTree) -> frozenset[str]:
    """Return the names that ``tree`` itself saves results under, in any step."""
    found: set[str] = set()
    pending = [node for nodes in tree.steps.values() for node in nodes]
    while pending:
        node = pending.pop()
        if node.options.save_as is not None:
            found.add(node.options.save_as)
        pending += node.options.rollback
        for children in node.blocks.values():
            pending += children
    return frozenset(found)


def names_of_called(tree: RuleTree, resolve: Resolve) -> frozenset[str]:
    """Return the names that the rules which ``tree`` calls, directly or not, save results under.

    A rule that is not there saves none.

    Raises:
        RuleInvalid: The source of one is not accepted any more, so its names are not known.
    """
    found: set[str] = set()
    seen = {tree.name}
    pending = sorted(called_rules(tree))
    while pending:
        slug = pending.pop()
        called = None if slug in seen else resolve(slug)
        seen.add(slug)
        if called is not None:
            found |= saved_names(called)
            pending += sorted(called_rules(called))
    return frozenset(found)


def link(tree: RuleTree, resolve: Resolve) -> RuleTree:
    """Return ``tree`` with the operations of the rules it calls put in, to any depth.

    A called rule that has nothing in the step at hand leaves its block empty.

    Args:
        tree: A parsed rule.
        resolve: Returns the parsed rule of a slug, or ``None`` when there is none.

    Raises:
        RuleInvalid: A rule is unknown, rules call each other in a circle, or the whole is too deep or too large.
            There is one problem for each call in ``tree`` that cannot be linked, and it stands there.
    """
    linker = _Linker(resolve)
    try:
        steps = {step: linker.block(nodes, step, (tree.name,), None) for step, nodes in tree.steps.items()}
    except _TooLarge as error:
        linker.problems += error.problems
    if linker.problems:
        raise RuleInvalid(sorted(linker.problems, key=lambda problem: (problem.line, problem.column)))
    return replace(tree, steps=MappingProxyType(steps))


class _TooLarge(RuleInvalid):
    """The whole is too large, so that linking goes no further."""


class _Linker:
    """Links one rule; counts what it puts in, and keeps what is wrong with its calls."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._operations = 0
        self.problems: list[RuleProblem] = []

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
            problem = _problem(top or node, "too_many", template, "Call fewer rules.", limit=MAX_OPERATIONS)
            raise _TooLarge([problem])
        if node.key == CALL:
            blocks = {CALL: self._call(node, step, chain, top)}
        else:
            blocks = {name: self.block(children, step, chain, top) for name, children in node.blocks.items()}
        options = node.options
        if options.rollback:
            options = replace(options, rollback=self.block(options.rollback, step, chain, top))
        return replace(node, blocks=MappingProxyType(blocks), options=options)

    def _call(
        self, node: RuleNode, step: str, chain: tuple[str, ...], top: RuleNode | None
    ) -> tuple[RuleNode, ...]:
        """Return the operations that a call puts in; what is wrong below a call at the top is kept there."""
        if top is not None:
            return self._called(node, step, chain, top)
        if node.arguments is None or node.arguments == chain[0]:
            return ()  # The parser says that the name is none, or that of the rule itself.
        try:
            return self._called(node, step, chain, node)
        except _TooLarge:
            raise
        except RuleInvalid as error:
            self.problems += error.problems
            return ()

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
        try:
            tree = self._resolve(slug)
        except RuleInvalid:
            template, hint = "The rule %(name)s has mistakes.", "Publish it without them first."
            raise _invalid(top, "called_invalid", template, hint, name=slug) from None
        if tree is None:
            template = "There is no rule %(name)s."
            hint = "Create it first, or write the name of another one."
            raise _invalid(top, "unknown_rule", template, hint, name=slug)
        return self.block(tree.operations(step), step, (*chain, slug), top)


def _invalid(node: RuleNode, code: str, template: str, hint: str, **params: str | int) -> RuleInvalid:
    return RuleInvalid([_problem(node, code, template, hint, **params)])


def _problem(node: RuleNode, code: str, template: str, hint: str, **params: str | int) -> RuleProblem:
    place = node.position
    return RuleProblem(place.line, place.column, code, template, params, hint, hint)
