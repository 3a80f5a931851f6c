"""Operations that decide which others run, and how often."""

from __future__ import annotations

from typing import Any, Final

from rules.engine import arguments
from rules.engine.bounded import kind
from rules.engine.branches import walk_branches
from rules.engine.frames import Frame
from rules.engine.interpreter import Walker
from rules.engine.outcomes import OperationFailed, TimedOut
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas

MAX_ITEMS: Final = 100_000


def _walk_group(walker: Walker, frame: Frame) -> None:
    walker.block(frame, "group")


def _walk_if(walker: Walker, frame: Frame) -> None:
    branch = frame.decisions.get("branch")
    if branch is None:
        branch = "then" if _holds(frame, frame.node.arguments) else "else"
        frame = walker.remember(frame, branch=branch)
    walker.block(frame, branch)


def _walk_foreach(walker: Walker, frame: Frame) -> None:
    items = frame.decisions.get("items")
    if items is None:
        items = _items(frame)
        frame = walker.remember(frame, items=items)
    name = frame.node.arguments.get("as", "item")
    for turn, item in enumerate(items):
        walker.block(frame, "foreach", turn=turn, scope=frame.scope.with_local(**{name: item}))


def _items(frame: Frame) -> list[Any]:
    written = frame.node.arguments["items"]
    names = frame.scope.names()
    try:
        found = (
            arguments.evaluate(written, names) if isinstance(written, str) else arguments.data(written, names)
        )
    except arguments.ArgumentError as error:
        raise OperationFailed(f"items: {error}", path=frame.path) from error
    if not isinstance(found, list | tuple):
        raise OperationFailed(f"items: {written!r} gives no list but {kind(found)}.", path=frame.path)
    if len(found) > MAX_ITEMS:
        raise OperationFailed(f"items: there are {len(found)}, more than {MAX_ITEMS}.", path=frame.path)
    return list(found)


def _walk_while(walker: Walker, frame: Frame) -> None:
    most = frame.node.arguments["max"]
    turn = 0
    while True:
        if turn >= frame.decisions.get("turns", 0):
            if frame.decisions.get("over") or not _holds(frame, frame.node.arguments["condition"]):
                break
            if turn >= most:
                raise OperationFailed(f"The condition still holds after {most} turns.", path=frame.path)
            frame = walker.remember(frame, turns=turn + 1)
        walker.block(frame, "while", turn=turn)
        turn += 1
    if not frame.decisions.get("over"):
        walker.remember(frame, over=True)


def _walk_try(walker: Walker, frame: Frame) -> None:
    failure: OperationFailed | None = None
    try:
        _try_and_catch(walker, frame)
    except OperationFailed as error:
        failure = error
    # In any case: also when the time limit of the operation, or of one around it, is over.
    walker.block(frame, "finally", deadline=False)
    if failure is not None:
        raise failure


def _try_and_catch(walker: Walker, frame: Frame) -> None:
    try:
        walker.block(frame, "try")
    except TimedOut:
        # Of this operation or one around it: those inside that ran out of their own time come as plain failures.
        raise
    except OperationFailed as failure:
        if "catch" not in frame.node.blocks:
            raise
        caught = {"message": failure.message, "operation": failure.path}
        walker.block(frame, "catch", scope=frame.scope.with_local(error=caught))


def _walk_parallel(walker: Walker, frame: Frame) -> None:
    walk_branches(walker, frame, "parallel")


def _walk_rule(walker: Walker, frame: Frame) -> None:
    step = frame.path.partition("/")[0]
    if not frame.node.blocks.get("rule"):
        walker.host.log(
            frame.path, frame.node, "debug", f"The rule {frame.node.arguments} has no operations in {step}."
        )
    walker.block(frame, "rule")


def _holds(frame: Frame, written: str | bool) -> bool:
    try:
        return arguments.condition(written, frame.scope.names())
    except arguments.ArgumentError as error:
        raise OperationFailed(str(error), path=frame.path) from error


registry.register(
    OperationType(
        "group",
        schemas.GROUP_SCHEMA,
        schemas.GROUP_HELP,
        walk=_walk_group,
        blocks=schemas.GROUP_BLOCKS,
        example=examples.GROUP,
    )
)
registry.register(
    OperationType(
        "if", schemas.IF_SCHEMA, schemas.IF_HELP, walk=_walk_if, blocks=schemas.IF_BLOCKS, example=examples.IF
    )
)
registry.register(
    OperationType(
        "foreach",
        schemas.FOREACH_SCHEMA,
        schemas.FOREACH_HELP,
        walk=_walk_foreach,
        blocks=schemas.FOREACH_BLOCKS,
        keeps_arguments=True,
        example=examples.FOREACH,
    )
)
registry.register(
    OperationType(
        "while",
        schemas.WHILE_SCHEMA,
        schemas.WHILE_HELP,
        walk=_walk_while,
        blocks=schemas.WHILE_BLOCKS,
        example=examples.WHILE,
    )
)
registry.register(
    OperationType(
        "parallel",
        schemas.PARALLEL_SCHEMA,
        schemas.PARALLEL_HELP,
        walk=_walk_parallel,
        blocks=schemas.PARALLEL_BLOCKS,
        example=examples.PARALLEL,
    )
)
registry.register(
    OperationType(
        "try",
        schemas.TRY_SCHEMA,
        schemas.TRY_HELP,
        walk=_walk_try,
        blocks=schemas.TRY_BLOCKS,
        example=examples.TRY,
    )
)
registry.register(
    OperationType(
        "rule",
        schemas.RULE_SCHEMA,
        schemas.RULE_HELP,
        walk=_walk_rule,
        blocks=schemas.RULE_BLOCKS,
        example=examples.RULE,
    )
)
