"""The head of a rule and its steps: from a document to ``RuleTree``. Pure."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Final

from rules.engine.names import is_identifier
from rules.engine.registry import Registry
from rules.parser.nodes import Mapping, Node, Scalar, Sequence, in_words, is_broken, is_null, plain
from rules.parser.operations import OperationParser, Surroundings
from rules.parser.problems import Problems, suggestion
from rules.parser.texts import known_at_first
from rules.tree import EXECUTED_STEPS, RuleNode, RuleTree

KEYS: Final = ("name", "description", "variables", "steps")
MAX_NAME: Final = 100
MAX_DESCRIPTION: Final = 10_000
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


class DocumentParser:
    """Parses one rule."""

    def __init__(self, registry: Registry, problems: Problems) -> None:
        """Begin.

        Args:
            registry: The operations there are.
            problems: Takes every mistake.
        """
        self._registry = registry
        self._problems = problems

    def rule(self, root: Node) -> RuleTree:
        """Return the rule; it means nothing when there are problems."""
        if not isinstance(root, Mapping):
            if not is_broken(root):
                template, hint = "A rule is a mapping, not %(found)s.", "Begin with name: and steps:."
                self._problems.add(root, "not_a_mapping", template, hint, found=in_words(root))
            return RuleTree("", "", {}, {})
        self._check_keys(root)
        name = self._name(root)
        return RuleTree(
            name, self._description(root), MappingProxyType(self._variables(root)), self._steps(root, name)
        )

    def _check_keys(self, root: Mapping) -> None:
        for key, key_node, _ in root:
            if key not in KEYS:
                known = [one for one in KEYS if one not in root.pairs] or KEYS
                if key in EXECUTED_STEPS:
                    self._problems.add(
                        key_node,
                        "unknown_key",
                        "A rule has no %(key)s.",
                        "Put it below steps:, indented.",
                        key=key,
                    )
                    continue
                hint, params = suggestion(key, known)
                self._problems.add(key_node, "unknown_key", "A rule has no %(key)s.", hint, key=key, **params)

    def _name(self, root: Mapping) -> str:
        node = root.get("name")
        if node is None:
            if not root.broken:
                hint = "Write name: and a name such as web-deploy."
                self._problems.add(root, "missing_key", "The rule has no name.", hint)
            return ""
        if is_broken(node):
            return ""
        value = plain(node)
        if not isinstance(value, str) or SLUG.fullmatch(value) is None:
            self._problems.add(
                node,
                "name",
                "The name of the rule is not well formed.",
                "Use lower-case letters, digits, - and _, begin with a letter or digit, at most %(limit)d.",
                limit=MAX_NAME,
            )
            return ""
        return value

    def _description(self, root: Mapping) -> str:
        node = root.get("description")
        if node is None or is_null(node) or is_broken(node):
            return ""
        value = plain(node)
        if not isinstance(value, str) or len(value) > MAX_DESCRIPTION:
            template = "description must be a text of at most %(limit)d characters."
            self._problems.add(node, "type", template, "Put quotes around it.", limit=MAX_DESCRIPTION)
            return ""
        return value

    def _variables(self, root: Mapping) -> dict[str, Any]:
        node = root.get("variables")
        if node is None or is_null(node) or is_broken(node):
            return {}
        if not isinstance(node, Mapping):
            template, hint = (
                "variables must be a mapping, not %(found)s.",
                "Write names and values: {service: shop}.",
            )
            self._problems.add(node, "type", template, hint, found=in_words(node))
            return {}
        for key, key_node, _ in node:
            if not is_identifier(key):
                hint = "Use letters, digits and _, begin with a letter."
                self._problems.add(key_node, "name", "%(key)s cannot be used as a name.", hint, key=key)
        return {key: plain(value) for key, _, value in node}

    def _steps(self, root: Mapping, name: str) -> MappingProxyType[str, tuple[RuleNode, ...]]:
        node = root.get("steps")
        found: dict[str, tuple[RuleNode, ...]] = {}
        if node is None:
            if not root.broken and not any(key in EXECUTED_STEPS for key in root.pairs):
                hint = "Write steps: and below it PRE:, RUN: or POST: with operations."
                self._problems.add(root, "missing_key", "The rule has no steps.", hint)
        elif not isinstance(node, Mapping):
            if not is_broken(node):
                template, hint = (
                    "steps must be a mapping, not %(found)s.",
                    "Write PRE:, RUN: or POST: below it.",
                )
                self._problems.add(node, "type", template, hint, found=in_words(node))
        else:
            found = self._operations(node, name)
        return MappingProxyType({step: found[step] for step in EXECUTED_STEPS if step in found})

    def _operations(self, steps: Mapping, name: str) -> dict[str, tuple[RuleNode, ...]]:
        parser = OperationParser(self._registry, name, self._problems)
        saved, calls_others = self._survey(steps)
        known = known_at_first(frozenset(saved), calls_others=calls_others)
        found: dict[str, tuple[RuleNode, ...]] = {}
        for step, key_node, node in steps:
            if step not in EXECUTED_STEPS:
                self._unknown_step(step, key_node)
            found[step] = () if is_null(node) else parser.block(node, Surroundings(step, known))
        return found

    def _unknown_step(self, step: str, node: Scalar) -> None:
        if step == "END":
            template, hint = "Nothing runs in END.", "Put it into POST."
            self._problems.add(node, "unknown_step", template, hint)
            return
        hint, params = suggestion(step, EXECUTED_STEPS)
        self._problems.add(node, "unknown_step", "There is no step %(step)s.", hint, step=step, **params)

    def _survey(self, node: Node) -> tuple[set[str], bool]:
        """Return the names that results are saved under anywhere in the rule, and whether it calls other rules."""
        saved: set[str] = set()
        calls_others = False
        calling = {
            kind.key for kind in self._registry if any(block.source == "linked" for block in kind.blocks)
        }
        pending: list[Node] = [node]
        while pending:
            current = pending.pop()
            if isinstance(current, Sequence):
                pending += current.items
            elif isinstance(current, Mapping):
                pending += [value for _, _, value in current]
                named = current.get("save_as")
                if isinstance(named, Scalar):
                    saved.add(named.text)
                calls_others = calls_others or any(key in calling for key in current.pairs)
        return saved, calls_others
