"""From the text of a rule to nodes: limits, YAML mistakes in plain words, and what of YAML is refused. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from rules.parser.nodes import Mapping, Node, Scalar, Sequence
from rules.parser.problems import Problems
from rules.parser.yaml_errors import explain
from rules.tree import Position

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 60
MAX_NODES: Final = 20_000

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class _Stop(Exception):
    """No sense can be made of the rest."""


def read(text: str, problems: Problems) -> Node | None:
    """Return the document of ``text``; ``None`` when there is nothing to go on with, and a problem says why."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        problems.add(
            Position(1, 1), "too_long", "The rule is longer than %(limit)d KiB.", "Split it and call the parts with rule:.",
            limit=MAX_BYTES // 1024,
        )  # fmt: skip
        return None
    text = text.removeprefix("\ufeff")
    control = _CONTROL.search(text)
    if control is not None:
        problems.add(
            _place(text, control.start()),
            "control_character",
            "There is a control character (U+%(point)s).",
            'Take it out, or write it as "\\u%(point)s" in double quotes.',
            point=f"{ord(control.group()):04X}",
        )
        return None
    return _Reader(text, problems).document()


def _place(text: str, index: int) -> Position:
    before = text[:index]
    return Position(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


class _Reader:
    """Builds nodes out of YAML's events, without recursion, so that depth is a limit and not a crash."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems
        self._documents = 0
        self._count = 0
        self._open: list[Sequence | Mapping] = []
        self._keys: list[Scalar | Sequence | Mapping | None] = []
        self._root: Node | None = None

    def document(self) -> Node | None:
        """Return the only document."""
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._take(event)
        except _Stop:
            return None
        except MarkedYAMLError as error:
            explain(error, self._text, self._problems)
            return None
        except Exception:
            # The scanner of the library fails in ways of its own on odd input; it is no YAML then.
            self._problems.add(Position(1, 1), "yaml", "The text cannot be read as YAML.")
            return None
        if self._root is None:
            self._problems.add(Position(1, 1), "empty", "The rule is empty.", "Begin with name: and steps:.")
        return self._root

    def _take(self, event: Any) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._add(event, "several_documents", "There is more than one document.", "Take the --- out.")
                raise _Stop
        elif isinstance(event, SequenceEndEvent | MappingEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, NodeEvent):
            self._node(event)

    def _add(self, event: Any, code: str, template: str, hint: str = "", **params: Any) -> None:
        self._problems.add(_position(event), code, template, hint, **params)

    def _node(self, event: Any) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            self._problems.clear()
            self._add(
                event, "too_many", "The rule has more than %(limit)d values.", "Split it.", limit=MAX_NODES
            )
            raise _Stop
        self._refuse(event)
        node: Node
        if isinstance(event, SequenceStartEvent):
            node = Sequence(_position(event))
        elif isinstance(event, MappingStartEvent):
            node = Mapping(_position(event))
        else:
            node = self._scalar(event)
        self._put(node)
        if not isinstance(node, Scalar):
            self._open.append(node)
            self._keys.append(None)
            if len(self._open) > MAX_DEPTH:
                self._problems.clear()
                self._add(
                    event,
                    "too_deep",
                    "The rule is nested deeper than %(limit)d.",
                    "Split it.",
                    limit=MAX_DEPTH,
                )
                raise _Stop

    def _refuse(self, event: Any) -> None:
        """Report what of YAML a rule does not have."""
        if isinstance(event, AliasEvent):
            self._add(
                event,
                "alias",
                "YAML aliases (*%(name)s) are not allowed.",
                "Write it out.",
                name=event.anchor,
            )
        elif event.anchor is not None:
            self._add(
                event,
                "anchor",
                "YAML anchors (&%(name)s) are not allowed.",
                "Take it out.",
                name=event.anchor,
            )
        if getattr(event, "tag", None) is not None:
            self._add(
                event, "tag", "YAML tags (%(name)s) are not allowed.", "Take it out; put texts in quotes.",
                name=str(event.tag).replace("tag:yaml.org,2002:", "!!"),
            )  # fmt: skip

    def _scalar(self, event: Any) -> Scalar:
        if isinstance(event, AliasEvent):
            return Scalar("", "'", _position(event), event.end_mark.line + 1, broken=True)
        assert isinstance(event, ScalarEvent)
        if _UNSTORABLE.search(event.value):
            self._add(
                event, "control_character", "There is a character that cannot be stored.", "Take it out."
            )
        position = _position(event)
        last = event.end_mark.line + 1 - (event.style in ("|", ">") and event.end_mark.column == 0)
        broken = event.anchor is not None or event.tag is not None
        return Scalar(event.value, event.style or "", position, max(position.line, last), broken)

    def _put(self, node: Node) -> None:
        """Put ``node`` where it belongs: under the open list or mapping, or at the top."""
        if not self._open:
            self._root = node
            return
        holder, key = self._open[-1], self._keys[-1]
        if isinstance(holder, Sequence):
            holder.items.append(node)
        elif key is None:
            self._keys[-1] = node
            self._check_key(node, holder)
        else:
            self._keys[-1] = None
            if isinstance(key, Scalar) and isinstance(key.value, str) and not _is_merge(key):
                holder.pairs.setdefault(key.text, (key, _placed(node, key)))

    def _check_key(self, key: Node, holder: Mapping) -> None:
        if not isinstance(key, Scalar) or key.broken:
            holder.broken = True
            # {{ x }} without quotes is a mapping whose key is a mapping.
            braces = isinstance(key, Mapping) and self._text.find("{{") >= 0
            hint = "Put quotes around a text that begins with {{." if braces else "Write a text as key."
            self._problems.add(key, "key_not_text", "A key is no text.", hint)
        elif _is_merge(key):
            holder.broken = True
            self._problems.add(key, "merge", "YAML merge keys (<<) are not allowed.", "Write it out.")
        elif not isinstance(key.value, str):
            self._problems.add(
                key,
                "key_not_text",
                "The key %(key)s is no text.",
                'Put quotes around it: "%(key)s".',
                key=key.text,
            )
        elif key.text in holder.pairs:
            self._problems.add(
                key,
                "duplicate_key",
                "The key %(key)s stands here twice; the first is in line %(line)d.",
                "Take one of them out.",
                key=key.text,
                line=holder.pairs[key.text][0].position.line,
            )


def _is_merge(key: Scalar) -> bool:
    return not key.style and key.text == "<<"


def _placed(node: Node, key: Scalar) -> Node:
    """Return ``node``; a value that is left out is given its key's place, not that of what comes next."""
    if isinstance(node, Scalar) and not node.style and not node.text:
        return Scalar("", "", key.position, key.position.line, node.broken)
    return node


def _position(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)
