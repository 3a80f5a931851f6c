"""Operations of a rule: from nodes to ``RuleNode``, with every mistake on the way. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from rules.engine.registry import Block, OperationType, Registry
from rules.parser.arguments import Misfit, misfits
from rules.parser.members import BOUND
from rules.parser.nodes import Mapping, Node, Scalar, Sequence, in_words, is_broken, is_null, node_at, plain
from rules.parser.options import OPTION_NAMES, OPTION_SCHEMAS, ROLLBACK, USELESS_WHILE_WAITING, make_options
from rules.parser.problems import Problems, suggestion
from rules.parser.texts import Known, check_texts
from rules.tree import EXECUTED_STEPS, Options, Position, RuleNode

MAX_NESTING: Final = 20
WITHOUT_WAITING: Final = frozenset({"CHECK", "INIT"})
"""Steps whose asker waits for the answer, so nothing in them may wait for a person or a slot."""

WITHOUT_UNDOING: Final = frozenset({"CHECK", "INIT"})
"""Steps that are never undone: nothing has been deployed yet."""

_EXAMPLE: Final = "Write an operation such as run: make build."


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where operations stand.

    Attributes:
        step: The step.
        known: The names that they may read.
        depth: How many lists are around, from 1.
        holder: ``parallel`` or ``rollback`` when they stand in one, so that the job cannot wait for a person there.
    """

    step: str
    known: Known
    depth: int = 1
    holder: str = ""

    def inside(self, known: Known, holder: str = "") -> Surroundings:
        """Return what is around the operations of a block."""
        outer = self.holder == ROLLBACK or not holder
        return replace(self, known=known, depth=self.depth + 1, holder=self.holder if outer else holder)


class OperationParser:
    """Parses the operations of one rule."""

    def __init__(self, registry: Registry, rule_name: str, problems: Problems) -> None:
        """Begin a rule.

        Args:
            registry: The operations there are.
            rule_name: The rule's own name, which it may not call.
            problems: Takes every mistake.
        """
        self._registry = registry
        self._rule_name = rule_name
        self._problems = problems
        self._ids: dict[str, Position] = {}
        self._owners = {
            block.name: kind.key for kind in registry for block in kind.blocks if block.source == "sibling"
        }

    def block(self, node: Node, around: Surroundings) -> tuple[RuleNode, ...]:
        """Return the operations of a list."""
        if around.depth > MAX_NESTING:
            self._problems.add(
                node,
                "too_deep",
                "Operations are nested deeper than %(limit)d.",
                "Put the inner ones into a rule of their own and call it with rule:.",
                limit=MAX_NESTING,
            )
            return ()
        if not isinstance(node, Sequence):
            if not is_broken(node):
                hint = "Begin each operation on a line of its own with -."
                template = "A list of operations is needed, not %(found)s."
                self._problems.add(node, "not_a_list", template, hint, found=in_words(node))
            return ()
        found = (self._operation(item, around) for item in node.items)
        return tuple(one for one in found if one is not None)

    def _operation(self, node: Node, around: Surroundings) -> RuleNode | None:
        if not isinstance(node, Mapping):
            self._not_an_operation(node)
            return None
        kind = self._kind(node)
        if kind is None:
            self._options(node, around)
            return None
        key_node, value = node.pairs[kind.key]
        self._check_step(key_node, kind, around)
        if kind.may_wait:
            self._check_useless(node, kind)
        arguments = self._arguments(kind, value, around.known)
        inside = replace(around, known=around.known.and_also(*_bound_names(kind, arguments)))
        blocks = self._blocks(node, kind, inside)
        if any(block.source == "linked" for block in kind.blocks):
            self._problems.calls[node.position] = value.position
        options = self._options(node, around)
        return RuleNode(kind.key, arguments, node.position, MappingProxyType(blocks), options)

    def _not_an_operation(self, node: Node) -> None:
        if is_broken(node):
            return
        hint = _EXAMPLE
        if isinstance(node, Scalar) and isinstance(node.value, str):
            word, _, rest = node.text.partition(" ")
            key = word.rstrip(":")
            if self._registry.get(key) is not None:
                hint = f"Write {key}: {rest or '…'}, with a colon and a space.".replace("%", "%%")
        self._problems.add(
            node, "not_an_operation", "An operation is needed, not %(found)s.", hint, found=in_words(node)
        )

    # --- which operation --------------------------------------------------------------------------------------

    def _kind(self, node: Mapping) -> OperationType | None:
        """Return the type of the operation, and report keys that it cannot have."""
        keys = [key for key, _, _ in node if self._registry.get(key) is not None]
        kind = self._registry.get(keys[0]) if keys else None
        for key in keys[1:]:
            self._problems.add(
                node.pairs[key][0],
                "two_operations",
                "There are two operations in one: %(first)s and %(second)s.",
                "Begin the second one on a line of its own with -.",
                first=keys[0],
                second=key,
            )
        strange = self._strange_keys(node, kind)
        if kind is None and not strange and not node.broken:
            hint, params = (
                "One of these is needed: %(known)s.",
                {"known": ", ".join(sorted(self._registry.types))},
            )
            self._problems.add(
                node, "no_operation", "This is no operation: it has options only.", hint, **params
            )
        return kind

    def _strange_keys(self, node: Mapping, kind: OperationType | None) -> bool:
        own = {block.name for block in kind.blocks if block.source == "sibling"} if kind else set()
        found = False
        for key, key_node, _ in node:
            if key in OPTION_NAMES or key in own or self._registry.get(key) is not None:
                continue
            found = True
            self._strange_key(key, key_node, kind, own)
        return found

    def _strange_key(self, key: str, node: Scalar, kind: OperationType | None, own: set[str]) -> None:
        owner = self._owners.get(key)
        if owner is not None:
            template, hint = (
                "%(key)s belongs to %(owner)s, which is not here.",
                "Put it beside the %(owner)s it is for.",
            )
            self._problems.add(node, "misplaced_key", template, hint, key=key, owner=owner)
            return
        if kind is None:
            hint, params = suggestion(key, (*self._registry.types, *OPTION_NAMES))
            self._problems.add(
                node, "unknown_operation", "There is no operation %(key)s.", hint, key=key, **params
            )
            return
        hint, params = suggestion(key, (*OPTION_NAMES, *own))
        params |= {"key": key, "operation": kind.key}
        self._problems.add(node, "unknown_key", "%(operation)s has no option %(key)s.", hint, **params)

    def _check_step(self, node: Node, kind: OperationType, around: Surroundings) -> None:
        """Report an operation that cannot be where it is."""
        if kind.may_wait:
            self._check_waiting(node, kind.key, around)
        elif around.step in kind.not_in:
            others = ", ".join(one for one in EXECUTED_STEPS if one not in kind.not_in)
            template, hint = "%(what)s is not possible in %(step)s.", "Put it into one of: %(others)s."
            self._problems.add(
                node, "not_here", template, hint, what=kind.key, step=around.step, others=others
            )

    def _check_waiting(self, node: Node, what: str, around: Surroundings) -> None:
        """Report what makes the job wait where it cannot."""
        if around.step in WITHOUT_WAITING:
            template = "%(what)s can make the job wait, which is not possible in %(step)s."
            hint = "Put it into PRE, RUN or POST."
            self._problems.add(node, "waits", template, hint, what=what, step=around.step)
        elif around.holder:
            template = "%(what)s can make the job wait, which is not possible inside %(holder)s."
            hint = "Put it before or after the %(holder)s."
            self._problems.add(node, "waits", template, hint, what=what, holder=around.holder)

    def _check_useless(self, node: Mapping, kind: OperationType) -> None:
        """Report options that mean nothing for an operation at which the job waits for a person."""
        for key in USELESS_WHILE_WAITING & node.pairs.keys():
            template, hint = "%(key)s means nothing for %(operation)s.", "Take it out."
            self._problems.add(
                node.pairs[key][0], "useless_option", template, hint, key=key, operation=kind.key
            )

    # --- its value --------------------------------------------------------------------------------------------

    def _arguments(self, kind: OperationType, node: Node, known: Known) -> Any:
        """Return the value under the palette key as plain data, child operations taken out."""
        if any(block.source == "argument" for block in kind.blocks):
            return None
        members = tuple(block.name for block in kind.blocks if block.source == "member")
        if members and isinstance(node, Mapping):
            pairs = {key: pair for key, pair in node.pairs.items() if key not in members}
            node = Mapping(node.position, pairs, node.broken)
        if is_broken(node):
            return None
        value = plain(node)
        found = misfits(kind.schema, value, what=kind.key, templates=not members, others=members)
        self._report(node, found)
        if any(not misfit.path for misfit in found):
            return None
        check_texts(
            node, kind.schema, known, self._problems, kept_by=kind.key if kind.keeps_arguments else ""
        )
        self._check_called(kind, node, value)
        return _with_defaults(kind, value)

    def _check_called(self, kind: OperationType, node: Node, value: Any) -> None:
        if value == self._rule_name and any(block.source == "linked" for block in kind.blocks):
            template = "The rule %(name)s calls itself."
            self._problems.add(node, "calls_itself", template, "Use while or foreach to repeat.", name=value)

    def _report(self, node: Node, found: list[Misfit]) -> None:
        """Add misfits as problems at the node each one is about."""
        for misfit in found:
            where: Node | Position = node_at(node, iter(misfit.path))
            if misfit.at_key:
                holder = node_at(node, iter(misfit.path[:-1]))
                if isinstance(holder, Mapping) and misfit.path[-1] in holder.pairs:
                    where = holder.pairs[str(misfit.path[-1])][0]
            self._problems.add(where, misfit.code, misfit.template, misfit.hint, **misfit.params)

    # --- its child operations ---------------------------------------------------------------------------------

    def _blocks(
        self, node: Mapping, kind: OperationType, around: Surroundings
    ) -> dict[str, tuple[RuleNode, ...]]:
        found: dict[str, tuple[RuleNode, ...]] = {}
        for block in kind.blocks:
            if block.source == "linked":
                found[block.segment] = ()
                continue
            where = _block_node(node, kind, block)
            if where is not None and not (isinstance(where, Sequence) and not where.items and block.required):
                members = BOUND.get((kind.key, block.segment))
                known = around.known.and_also(*block.binds, members=members)
                inside = around.inside(known, "" if block.waits else kind.key)
                found[block.segment] = self.block(where, inside)
                self._check_size(where, kind, block)
            elif block.required:
                self._missing_block(node, kind, block, where)
        self._check_one_of(node, kind)
        return found

    def _check_size(self, node: Node, kind: OperationType, block: Block) -> None:
        if block.most is not None and isinstance(node, Sequence) and len(node.items) > block.most:
            template = "%(operation)s holds more than %(limit)d operations."
            hint = "Put some of them into groups, or write several of it."
            self._problems.add(node, "too_many", template, hint, operation=kind.key, limit=block.most)

    def _missing_block(self, node: Mapping, kind: OperationType, block: Block, where: Node | None) -> None:
        key_node, value = node.pairs[kind.key]
        if block.source == "member" and not isinstance(value, Mapping):
            return  # The schema said so already.
        name = block.name or kind.key
        hint = "Put its operations below it, each on a line that begins with -."
        if where is not None or block.source == "argument":
            self._problems.add(
                where or key_node, "empty_block", "%(name)s needs at least one operation.", hint, name=name
            )
            return
        template, hint = "%(operation)s needs %(name)s.", "Write %(name)s: and its operations below it."
        self._problems.add(key_node, "missing_block", template, hint, operation=kind.key, name=name)

    def _check_one_of(self, node: Mapping, kind: OperationType) -> None:
        for group in dict.fromkeys(block.one_of for block in kind.blocks if block.one_of):
            names = [block.name for block in kind.blocks if block.one_of == group]
            if not any(name in node.pairs for name in names):
                template, hint = (
                    "%(operation)s needs %(names)s.",
                    "Write at least one of them beside %(operation)s.",
                )
                key_node = node.pairs[kind.key][0]
                self._problems.add(
                    key_node, "missing_block", template, hint, operation=kind.key, names=" or ".join(names)
                )

    # --- its options ------------------------------------------------------------------------------------------

    def _options(self, node: Mapping, around: Surroundings) -> Options:
        written: dict[str, Any] = {}
        rollback: tuple[RuleNode, ...] = ()
        for key, _, value in node:
            if key == ROLLBACK:
                rollback = self.block(value, around.inside(around.known, ROLLBACK))
            elif key in OPTION_SCHEMAS and not is_broken(value):
                self._option(key, value, written, around.known)
        if "id" in written:
            self._check_id(written["id"], node)
        self._check_trap(node, written, around)
        self._check_rollback(node, around)
        if "semaphore" in written and around.step in WITHOUT_WAITING:
            self._check_waiting(node.pairs["semaphore"][0], "semaphore", around)
        return make_options(written, rollback)

    def _check_trap(self, node: Mapping, written: dict[str, Any], around: Surroundings) -> None:
        if written.get("on_error") == "trap":
            # A branch of a parallel may trap: the others end first. A rollback runs by itself to its end.
            if around.step in WITHOUT_WAITING or around.holder == ROLLBACK:
                self._check_waiting(node.pairs["on_error"][1], "on_error: trap", around)
        elif "trap" in written:
            template = "trap means nothing without on_error: trap."
            self._problems.add(node.pairs["trap"][0], "useless_option", template, "Write on_error: trap.")

    def _check_rollback(self, node: Mapping, around: Surroundings) -> None:
        if ROLLBACK not in node.pairs:
            if "rollback_if_failed" in node.pairs:
                template = "rollback_if_failed means nothing without rollback."
                hint = "Write rollback: and the operations that undo this one."
                where = node.pairs["rollback_if_failed"][0]
                self._problems.add(where, "useless_option", template, hint)
        elif around.step in WITHOUT_UNDOING or around.holder == ROLLBACK:
            place = around.step if around.step in WITHOUT_UNDOING else ROLLBACK
            template = "Nothing is undone in %(place)s."
            self._problems.add(
                node.pairs[ROLLBACK][0], "useless_option", template, "Take it out.", place=place
            )

    def _option(self, key: str, node: Node, written: dict[str, Any], known: Known) -> None:
        """Check one option and, when it fits, keep its value."""
        schema, value = OPTION_SCHEMAS[key], plain(node)
        found = misfits(schema, value, what=key, templates=False)
        self._report(node, found)
        if not found:
            written[key] = value
            check_texts(node, schema, known, self._problems)

    def _check_id(self, identifier: str, node: Mapping) -> None:
        where = node.pairs["id"][1]
        first = self._ids.setdefault(identifier, where.position)
        if first is not where.position:
            template, hint = (
                "The id %(id)s is used already in line %(line)d.",
                "Give each operation an id of its own.",
            )
            self._problems.add(where, "duplicate_id", template, hint, id=identifier, line=first.line)


def _block_node(node: Mapping, kind: OperationType, block: Block) -> Node | None:
    """Return where the operations of ``block`` are written, or ``None``."""
    value = node.pairs[kind.key][1]
    found: Node | None
    match block.source:
        case "argument":
            found = value
        case "member":
            found = value.get(block.name) if isinstance(value, Mapping) else None
        case _:
            found = node.get(block.name)
    return None if found is not None and is_null(found) and block.required else found


def _bound_names(kind: OperationType, arguments: Any) -> list[str]:
    """Return the names that the arguments give to what the operation's blocks may read."""
    members = kind.schema.get("properties", {})
    if not isinstance(arguments, dict):
        return []
    names = (arguments.get(key) for key, schema in members.items() if schema.get("x-kind") == "name")
    return [name for name in names if isinstance(name, str)]


def _with_defaults(kind: OperationType, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = kind.schema.get("properties", {})
    return {**{key: schema["default"] for key, schema in members.items() if "default" in schema}, **value}
