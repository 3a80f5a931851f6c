"""Putting the operations of called rules into the rule that calls them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from rules.engine.registry import registry
from rules.exceptions import RuleInvalid, RuleProblem
from rules.tree import EXECUTED_STEPS, RuleNode, RuleTree

MAX_DEPTH: Final = 10
MAX_OPERATIONS: Final = 20_000
CALL: Final = "rule"
"""Palette key of the operation that calls another rule, and the path segment of what it holds."""

ROLLBACK: Final = "rollback"

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
        steps = {step: linker.block(nodes, _Around(step, (tree.name,))) for step, nodes in tree.steps.items()}
    except _TooLarge as error:
        linker.problems += error.problems
    if linker.problems:
        raise RuleInvalid(sorted(linker.problems, key=lambda problem: (problem.line, problem.column)))
    return replace(tree, steps=MappingProxyType(steps))


class _TooLarge(RuleInvalid):
    """The whole is too large, so that linking goes no further."""


@dataclass(frozen=True, slots=True)
class _Around:
    """Where operations stand.

    Attributes:
        step: The step they are of.
        chain: Slugs from the rule at the top down to the one that holds them.
        top: The call in the rule at the top that led here, where problems are reported.
        holder: ``parallel`` or ``rollback`` when they are inside one, so that the job cannot wait for a person.
    """

    step: str
    chain: tuple[str, ...]
    top: RuleNode | None = None
    holder: str = ""


class _Linker:
    """Links one rule; counts what it puts in, and keeps what is wrong with its calls."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._operations = 0
        self.problems: list[RuleProblem] = []

    def block(self, nodes: tuple[RuleNode, ...], around: _Around) -> tuple[RuleNode, ...]:
        """Return ``nodes`` linked."""
        return tuple(self._node(node, around) for node in nodes)

    def _node(self, node: RuleNode, around: _Around) -> RuleNode:
        self._operations += 1
        if self._operations > MAX_OPERATIONS:
            template = "With the rules it calls, the rule has more than %(limit)d operations."
            where = around.top or node
            problem = _problem(where, "too_many", template, "Call fewer rules.", limit=MAX_OPERATIONS)
            raise _TooLarge([problem])
        _check_waiting(node, around)
        if node.key == CALL:
            blocks = {CALL: self._call(node, around)}
        else:
            holders = _holders(node, around)
            blocks = {
                name: self.block(children, replace(around, holder=holders[name]))
                for name, children in node.blocks.items()
            }
        options = node.options
        if options.rollback:
            undoing = replace(around, holder=ROLLBACK)
            options = replace(options, rollback=self.block(options.rollback, undoing))
        return replace(node, blocks=MappingProxyType(blocks), options=options)

    def _call(self, node: RuleNode, around: _Around) -> tuple[RuleNode, ...]:
        """Return the operations that a call puts in; what is wrong below a call at the top is kept there."""
        if around.top is not None:
            return self._called(node, around)
        if node.arguments is None or node.arguments == around.chain[0]:
            return ()  # The parser says that the name is none, or that of the rule itself.
        try:
            return self._called(node, replace(around, top=node))
        except _TooLarge:
            raise
        except RuleInvalid as error:
            self.problems += error.problems
            return ()

    def _called(self, node: RuleNode, around: _Around) -> tuple[RuleNode, ...]:
        slug, chain = node.arguments, around.chain
        top = around.top or node
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
        return self.block(tree.operations(around.step), replace(around, chain=(*chain, slug)))


def _holders(node: RuleNode, around: _Around) -> dict[str, str]:
    """Return, for each block of an operation, in what the operations of the block cannot make the job wait."""
    found = registry.get(node.key)
    waits = {block.segment: block.waits for block in found.blocks} if found else {}
    kept = around.holder == ROLLBACK
    return {name: around.holder if kept or waits.get(name, True) else node.key for name in node.blocks}


def _check_waiting(node: RuleNode, around: _Around) -> None:
    """Do nothing when an operation of a called rule may stand where the call is.

    Raises:
        RuleInvalid: It makes the job wait inside a ``parallel`` or a ``rollback``. In the rule at the top the parser says so.
    """
    if around.top is None or not around.holder:
        return
    found = registry.get(node.key)
    traps = node.options.on_error == "trap" and around.holder == ROLLBACK
    if traps or (found is not None and found.may_wait):
        template = "The rule %(name)s can make the job wait, which is not possible inside %(holder)s."
        hint = "Call it before or after the %(holder)s."
        raise _invalid(around.top, "waits", template, hint, name=around.chain[-1], holder=around.holder)


def _invalid(node: RuleNode, code: str, template: str, hint: str, **params: str | int) -> RuleInvalid:
    return RuleInvalid([_problem(node, code, template, hint, **params)])


def _problem(node: RuleNode, code: str, template: str, hint: str, **params: str | int) -> RuleProblem:
    place = node.position
    return RuleProblem(place.line, place.column, code, template, params, hint % params, hint)
