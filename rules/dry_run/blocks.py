"""What the composite operations of the palette would do with the operations they hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from rules.dry_run import texts
from rules.dry_run.planner import Around, Failing, Handler, Outcome, Planner
from rules.dry_run.shapes import Line, PlannedBlock, PlannedOperation
from rules.dry_run.values import OF_A_FAILURE, OF_ITEMS, NotKnownYet, Reason, Unknown
from rules.engine.arguments import ArgumentError
from rules.engine.bounded import kind
from rules.marking import gettext_noop
from rules.tree import RuleNode, child_path

MOST_TURNS: Final = 20
"""Turns of a loop that are shown one by one."""

OTHER_BRANCH: Final = gettext_noop("The other branch is taken.")
NOTHING_FAILED: Final = gettext_noop("It runs only when something in %(path)s fails.")
MORE_TURNS: Final = gettext_noop("It depends on how often %(path)s repeats, which is known only at run time.")


def _group(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    operations, failed_at = planner.block(node.blocks.get("group", ()), path, "group", around)
    return Outcome((PlannedBlock("group", operations),), failed_at)


def _if(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    line = Line("if", texts.shown(node.arguments))
    try:
        holds = around.names.condition(node.arguments)
    except NotKnownYet as unknown:
        return _either(planner, node, path, around, replace(line, reason=unknown.reason), unknown.reason)
    except ArgumentError as error:
        raise texts.Wrong(str(error), (line,)) from error
    taken, other = ("then", "else") if holds else ("else", "then")
    operations, failed_at = planner.block(node.blocks.get(taken, ()), path, taken, around)
    reason = Reason(OTHER_BRANCH)
    left_out = planner.left_out(node.blocks.get(other, ()), path, other, around, reason)
    blocks = [PlannedBlock(name, found) for name, found in ((taken, operations), (other, left_out)) if found]
    return Outcome(tuple(blocks), failed_at, (replace(line, result=texts.shown(holds)),))


def _either(
    planner: Planner, node: RuleNode, path: str, around: Around, line: Line, reason: Reason
) -> Outcome:
    blocks = []
    stash = around.names.stash
    before = stash.copy()
    for name in ("then", "else"):
        if node.blocks.get(name):
            inside = replace(
                around, names=around.names.with_stash(before.copy()), maybe=(*around.maybe, reason)
            )
            operations, _ = planner.block(node.blocks[name], path, name, inside)
            blocks.append(PlannedBlock(name, operations))
            stash.doubt(before, inside.names.stash, path)
    return Outcome(tuple(blocks), lines=(line,))


def _foreach(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    name = node.arguments.get("as", "item")
    line = Line("items", texts.shown(node.arguments["items"]))
    try:
        items = _items(node, around)
    except NotKnownYet as unknown:
        reason = Reason(OF_ITEMS, {"path": path})
        block = _once(planner, node, path, around, "foreach", unknown.reason, {name: Unknown(reason)})
        return Outcome((block,), lines=(replace(line, reason=unknown.reason),))
    except (ArgumentError, Failing) as error:
        raise texts.Wrong(f"items: {error}", (line,)) from error
    before = around.names.stash.copy()
    blocks: list[PlannedBlock] = []
    failed_at = ""
    for turn, item in enumerate(items[:MOST_TURNS]):
        inside = replace(around, names=around.names.with_local(**{name: item}))
        operations, failed_at = planner.block(node.blocks["foreach"], path, "foreach", inside, turn)
        blocks.append(PlannedBlock("do", operations, turn + 1, texts.shown(item)))
        if failed_at:
            break
    more = max(0, len(items) - MOST_TURNS)
    if more and not failed_at:
        blocks[-1] = replace(blocks[-1], more=more)
        around.names.stash.doubt(before, around.names.stash.copy(), path)
    return Outcome(tuple(blocks), failed_at, (replace(line, result=str(len(items))),))


def _items(node: RuleNode, around: Around) -> list[Any]:
    written = node.arguments["items"]
    found = around.names.evaluate(written) if isinstance(written, str) else around.names.rendered({}, written)
    if not isinstance(found, list | tuple):
        raise Failing(f"{written!r} gives no list but {kind(found)}.")
    return list(found)


def _once(
    planner: Planner,
    node: RuleNode,
    path: str,
    around: Around,
    block: str,
    reason: Reason,
    local: Mapping[str, Any],
) -> PlannedBlock:
    """Return the body of a loop whose turns are not known, shown once."""
    stash = around.names.stash
    before = stash.copy()
    # What the body changes is not known in a later turn, so it is looked at twice.
    for _ in range(2):
        names = around.names.with_stash(stash.copy()).with_local(**local)
        inside = replace(around, names=names, maybe=(*around.maybe, reason))
        operations, _failed_at = planner.block(node.blocks[block], path, block, inside)
        stash.doubt(before, names.stash, path)
    return PlannedBlock("do", operations)


def _while(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    written, most = node.arguments["condition"], node.arguments["max"]
    lines = (Line("condition", texts.shown(written)), Line("max", str(most)))
    blocks: list[PlannedBlock] = []
    try:
        for turn in range(min(most, MOST_TURNS)):
            if not around.names.condition(written):
                return Outcome(tuple(blocks), lines=lines)
            operations, failed_at = planner.block(node.blocks["while"], path, "while", around, turn)
            blocks.append(PlannedBlock("do", operations, turn + 1))
            if failed_at:
                return Outcome(tuple(blocks), failed_at, lines)
        if most <= MOST_TURNS and around.names.condition(written):
            message = f"The condition still holds after {most} turns."
            raise texts.Wrong(message, lines)
        if most > MOST_TURNS and around.names.condition(written):
            reason = Reason(MORE_TURNS, {"path": path})
            _once(planner, node, path, around, "while", reason, {})
            blocks[-1] = replace(blocks[-1], more=most - MOST_TURNS)
    except NotKnownYet as unknown:
        blocks.append(_once(planner, node, path, around, "while", unknown.reason, {}))
        lines = (replace(lines[0], reason=unknown.reason), lines[1])
    except ArgumentError as error:
        raise texts.Wrong(str(error), lines) from error
    return Outcome(tuple(blocks), lines=lines)


def _parallel(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    before = around.names.stash.copy()
    operations: list[PlannedOperation] = []
    failures: list[str] = []
    for index, child in enumerate(node.blocks.get("parallel", ())):
        stash = before.copy()
        inside = replace(around, names=around.names.with_stash(stash))
        planned, failed_at = planner.several((child,), [child_path(path, "parallel", index)], inside)
        operations += planned
        failures += [failed_at] if failed_at else []
        around.names.stash.add_changes(before, stash)
    return Outcome((PlannedBlock("parallel", tuple(operations)),), failures[0] if failures else "")


def _try(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    operations, failed_at = planner.block(node.blocks.get("try", ()), path, "try", around)
    blocks = [PlannedBlock("try", operations)]
    if "catch" in node.blocks:
        error = Unknown(Reason(OF_A_FAILURE, {"path": path}))
        inside = replace(around, names=around.names.with_local(error=error))
        if not failed_at:
            inside = inside.doubtful(Reason(NOTHING_FAILED, {"path": path}))
        caught, again_at = planner.block(node.blocks["catch"], path, "catch", inside)
        failed_at = again_at if failed_at else ""
        blocks.append(PlannedBlock("catch", caught))
    if "finally" in node.blocks:
        last, worse_at = planner.block(node.blocks["finally"], path, "finally", around)
        failed_at = worse_at or failed_at
        blocks.append(PlannedBlock("finally", last))
    return Outcome(tuple(blocks), failed_at)


def _rule(planner: Planner, node: RuleNode, path: str, around: Around) -> Outcome:
    inside = replace(around, rule=node.arguments)
    operations, failed_at = planner.block(node.blocks.get("rule", ()), path, "rule", inside)
    block = PlannedBlock("rule", operations, version=planner.pins.get(node.arguments))
    return Outcome((block,), failed_at, (Line("", node.arguments),))


HANDLERS: Final[Mapping[str, Handler]] = {
    "group": _group,
    "if": _if,
    "foreach": _foreach,
    "while": _while,
    "parallel": _parallel,
    "try": _try,
    "rule": _rule,
}
"""By palette key."""
