"""Walks a rule as the interpreter would, over what is known before the job, and notes what would happen. Pure.

It goes on as if every operation succeeded, except those that are certain to fail: ``fail`` itself, and conditions and
texts that cannot be worked out with these values.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rules.dry_run import texts
from rules.dry_run.shapes import Line, PlannedBlock, PlannedOperation, Status
from rules.dry_run.values import OF_A_RESULT, Names, NotKnownYet, Reason, Unknown
from rules.engine.arguments import ArgumentError
from rules.engine.registry import OperationType, Registry
from rules.marking import gettext_noop
from rules.tree import Options, RuleNode, child_path

MOST_OPERATIONS: Final = 2_000

SWITCHED_OFF: Final = gettext_noop("It is switched off: enabled is false.")
WHEN_FALSE: Final = gettext_noop("Its condition does not hold.")
AFTER_FAILURE: Final = gettext_noop("%(path)s fails before.")
UNDOING: Final = gettext_noop("It runs only when the job is rolled back.")
THIRD_PARTY: Final = gettext_noop("%(key)s decides at run time.")


@dataclass(frozen=True, slots=True)
class Around:
    """What is around operations.

    Attributes:
        names: What they see.
        maybe: Why it is not certain that they are reached.
        rule: Slug of the called rule that they are written in, empty for the rule at the top.
    """

    names: Names
    maybe: tuple[Reason, ...] = ()
    rule: str = ""

    def doubtful(self, reason: Reason) -> Around:
        """Return the same with one more reason for doubt; variables set there are set for nobody else."""
        names = self.names.with_stash(self.names.stash.copy())
        return replace(self, names=names, maybe=(*self.maybe, reason))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Blocks of a composite operation, and the path of what is certain to fail in it, or empty."""

    blocks: tuple[PlannedBlock, ...] = ()
    failed_at: str = ""
    lines: tuple[Line, ...] = ()


class Failing(Exception):
    """The operation at hand is certain to fail; the text says why as the log would."""


Handler = Callable[["Planner", RuleNode, str, Around], Outcome]


class Planner:
    """Plans the operations of one rule."""

    def __init__(
        self, pins: Mapping[str, int], registry: Registry, handlers: Mapping[str, Handler], seconds: float
    ) -> None:
        """Begin.

        Args:
            pins: Versions of called rules by slug.
            registry: The operations there are.
            handlers: How composite operations go, by palette key.
            seconds: How long it may take.
        """
        self.pins = pins
        self.is_cut = False
        self._registry = registry
        self._handlers = handlers
        self._until = time.monotonic() + seconds
        self._count = 0

    def block(
        self, nodes: tuple[RuleNode, ...], parent: str, block: str, around: Around, turn: int | None = None
    ) -> tuple[tuple[PlannedOperation, ...], str]:
        """Plan the operations of a block one after the other; return them, and where they are certain to fail."""
        return self.several(
            nodes, [child_path(parent, block, index, turn) for index in range(len(nodes))], around
        )

    def several(
        self, nodes: tuple[RuleNode, ...], paths: list[str], around: Around
    ) -> tuple[tuple[PlannedOperation, ...], str]:
        """Plan operations one after the other; return them, and where they are certain to fail."""
        planned: list[PlannedOperation] = []
        failed_at = ""
        for node, path in zip(nodes, paths, strict=True):
            if self._is_enough():
                break
            if failed_at:
                reason = Reason(AFTER_FAILURE, {"path": failed_at})
                planned.append(self._left_out(node, path, around, Status.NOT_REACHED, reason))
                continue
            operation, failed_at = self.operation(node, path, around)
            planned.append(operation)
        return tuple(planned), failed_at

    def left_out(
        self, nodes: tuple[RuleNode, ...], parent: str, block: str, around: Around, reason: Reason
    ) -> tuple[PlannedOperation, ...]:
        """Return the operations of a block that is not taken."""
        return tuple(
            self._left_out(node, child_path(parent, block, index), around, Status.SKIPPED, reason)
            for index, node in enumerate(nodes)
            if not self._is_enough()
        )

    def _is_enough(self) -> bool:
        self.is_cut = self.is_cut or self._count >= MOST_OPERATIONS or time.monotonic() > self._until
        return self.is_cut

    def _left_out(
        self, node: RuleNode, path: str, around: Around, status: Status, reason: Reason
    ) -> PlannedOperation:
        self._count += 1
        lines = (*_when(node.options), *texts.as_written(node.arguments))
        return PlannedOperation(
            path, node.key, node.position, around.rule, status, node.options.id or "", node.options.name or "",
            reasons=(reason,), lines=lines,
        )  # fmt: skip

    def operation(self, node: RuleNode, path: str, around: Around) -> tuple[PlannedOperation, str]:
        """Plan one operation; return it, and its path when it is certain to fail and to end what is around it."""
        options = node.options
        if not options.enabled:
            return self._left_out(node, path, around, Status.SKIPPED, Reason(SWITCHED_OFF)), ""
        lines: tuple[Line, ...] = _when(options)
        before = around.names.stash.copy()
        is_doubtful = False
        try:
            if options.when is not None:
                if not around.names.condition(options.when):
                    return self._left_out(node, path, around, Status.SKIPPED, Reason(WHEN_FALSE)), ""
                lines = (replace(lines[0], result=texts.shown(True)),)
        except NotKnownYet as unknown:
            is_doubtful = True
            around = replace(around, maybe=(*around.maybe, unknown.reason))
            lines = (replace(lines[0], reason=unknown.reason),)
        except ArgumentError as error:
            return self._failing(node, path, around, f"when: {error}", lines, ())
        planned, failed_at = self._wanted(node, path, around, lines)
        if is_doubtful:
            stash = around.names.stash
            stash.doubt(before, stash.copy(), path)
            failed_at = ""
        return planned, failed_at

    def _wanted(
        self, node: RuleNode, path: str, around: Around, lines: tuple[Line, ...]
    ) -> tuple[PlannedOperation, str]:
        """Plan an operation that its condition lets run."""
        kind = self._registry[node.key]
        try:
            lines += texts.options(node.options, around.names)
            outcome = (
                self._leaf(kind, node, path, around)
                if kind.walk is None
                else self._handlers.get(node.key, _third_party)(self, node, path, around)
            )
        except (Failing, texts.Wrong) as failing:
            lines += failing.lines if isinstance(failing, texts.Wrong) else ()
            return self._failing(node, path, around, str(failing), lines, ())
        lines += outcome.lines
        if outcome.failed_at:
            return self._failing(node, path, around, "", lines, outcome.blocks, outcome.failed_at)
        self._keep(node, path, around.names)
        return self._planned(node, path, around, lines, outcome.blocks, waits=kind.may_wait), ""

    def _leaf(self, kind: OperationType, node: RuleNode, path: str, around: Around) -> Outcome:
        lines, values = texts.arguments_of(kind, node.arguments, around.names)
        if kind.key == "fail":
            raise texts.Wrong(lines[0].text if lines else kind.key, ())
        if kind.sets_variables:
            around.names.stash.variables.update(values)
        return Outcome(lines=lines)

    def _keep(self, node: RuleNode, path: str, names: Names) -> None:
        if node.options.save_as is not None:
            names.stash.results[node.options.save_as] = Unknown(Reason(OF_A_RESULT, {"path": path}))

    def _failing(
        self,
        node: RuleNode,
        path: str,
        around: Around,
        error: str,
        lines: tuple[Line, ...],
        blocks: tuple[PlannedBlock, ...],
        failed_at: str = "",
    ) -> tuple[PlannedOperation, str]:
        """Return an operation that is certain to fail, and whether that ends what is around it."""
        self._keep(node, path, around.names)
        planned = self._planned(node, path, around, lines, blocks, error=error, fails=True)
        # A trap waits for a person, who may mend it: what follows is still of interest.
        return planned, (failed_at or path) if node.options.on_error == "fail" else ""

    def _planned(
        self,
        node: RuleNode,
        path: str,
        around: Around,
        lines: tuple[Line, ...],
        blocks: tuple[PlannedBlock, ...],
        *,
        error: str = "",
        fails: bool = False,
        waits: bool = False,
    ) -> PlannedOperation:
        self._count += 1
        certain = Status.FAILS if fails else Status.RUNS
        status = Status.MAYBE if around.maybe else certain
        return PlannedOperation(
            path=path,
            key=node.key,
            position=node.position,
            rule=around.rule,
            status=status,
            id=node.options.id or "",
            name=texts.name(node.options.name, around.names),
            reasons=around.maybe,
            error=error,
            lines=lines,
            waits=waits,
            blocks=(*blocks, *self._undoing(node, path, around)),
        )

    def _undoing(self, node: RuleNode, path: str, around: Around) -> tuple[PlannedBlock, ...]:
        """Return the operations that undo this one; they see the names as they are after it."""
        if not node.options.rollback:
            return ()
        inside = replace(around, maybe=()).doubtful(Reason(UNDOING))
        operations, _ = self.block(node.options.rollback, path, "rollback", inside)
        return (PlannedBlock("rollback", operations),)


def _when(options: Options) -> tuple[Line, ...]:
    return () if options.when is None else (Line("when", str(options.when)),)


def _third_party(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    """Plan a composite operation of which nobody here knows what it does with its blocks."""
    reason = Reason(THIRD_PARTY, {"key": node.key})
    blocks = []
    stash = around.names.stash
    for name, nodes in node.blocks.items():
        inside = around.doubtful(reason)
        before = stash.copy()
        blocks.append(PlannedBlock(name, planner.block(nodes, path, name, inside)[0]))
        stash.doubt(before, inside.names.stash, path)
    return Outcome(tuple(blocks), lines=texts.as_written(node.arguments))
