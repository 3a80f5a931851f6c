"""Reads YAML documents into plain values that know their line.

Aliases, tags, keys written twice and texts that the database cannot hold are mistakes here, so that nobody
further on has to think of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from jobs.configuration.problems import Place, Problems
from permissions.variables import is_number

STANDARD_INPUT: Final = "-"
MAX_BYTES: Final = 10_000_000
MAX_DEPTH: Final = 100
_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = {"true", "True", "TRUE"}
_BLOCK_STYLES: Final = {"|", ">"}


@dataclass(frozen=True, slots=True)
class Source:
    """A document as text.

    Attributes:
        label: Its name in messages.
        text: All of it.
        folder: What files named in it are relative to.
        files: The files that it may name, as text by name; ``None`` for those of this machine.
    """

    label: str
    text: str
    folder: Path
    files: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A value and where it is written.

    Attributes:
        data: ``None``, a bool, int, float or str, a list of ``Value`` or a dict of ``Value`` by key.
        place: Where the value begins.
        text_line: For texts: the line of the file that holds the first line of the text.
        key_places: For mappings: where each key is written.
    """

    data: Any
    place: Place
    text_line: int = 0
    key_places: dict[str, Place] | None = None

    def plain(self) -> Any:
        """Return the value as plain data, without places."""
        if isinstance(self.data, dict):
            return {key: value.plain() for key, value in self.data.items()}
        if isinstance(self.data, list):
            return [value.plain() for value in self.data]
        return self.data

    def place_of(self, key: str) -> Place:
        """Return where ``key`` of a mapping is written; of an absent key, where the mapping begins."""
        return (self.key_places or {}).get(key, self.place)


def read_sources(names: Sequence[str], problems: Problems) -> list[Source]:
    """Read files, and standard input for ``-``; what cannot be read is noted."""
    found = []
    for name in names:
        label = "<stdin>" if name == STANDARD_INPUT else name
        try:
            content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
            if len(content) > MAX_BYTES:
                problems.add(Place(label), f"The document is longer than {MAX_BYTES // 1_000_000} MB.")
                continue
            folder = Path.cwd() if name == STANDARD_INPUT else Path(name).resolve().parent
            found.append(Source(label, content.decode("utf-8-sig"), folder))
        except OSError as error:
            problems.add(Place(label), f"The file cannot be read: {error.strerror}.")
        except UnicodeDecodeError as error:
            problems.add(
                Place(label, content[: error.start].count(b"\n") + 1), "The document is not UTF-8 text."
            )
    return found


def compose(source: Source, problems: Problems) -> Value | None:
    """Return the document as a value; ``None`` when it is empty or no YAML, the latter noted."""
    before = len(problems)
    try:
        _refuse_events(source, problems)
        node = _yaml().compose(source.text) if len(problems) == before else None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context).split())
        problems.add(Place(source.label, mark.line + 1 if mark else 1), f"This is not YAML: {what}.")
        return None
    except (YAMLError, ValueError) as error:
        problems.add(Place(source.label), f"This is not YAML: {' '.join(str(error).split())}.")
        return None
    except (ArithmeticError, AssertionError, LookupError, TypeError, AttributeError):
        # The scanner of the library fails in ways of its own on odd input; its words say nothing to a reader.
        problems.add(Place(source.label), "This is not YAML.")
        return None
    return _Converter(source.label, problems).convert(node) if node is not None else None


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _refuse_events(source: Source, problems: Problems) -> None:
    """Note aliases and too deep a nesting before anything is built from them, which could take for ever."""
    depth = 0
    for event in _yaml().parse(source.text):
        place = Place(source.label, event.start_mark.line + 1)
        if isinstance(event, AliasEvent):
            problems.add(place, "Aliases (*name) are not allowed.", 'Write "*" in quotes when you mean it.')
        elif isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            problems.add(place, f"The document is nested more than {MAX_DEPTH} deep.")
            return


class _Converter:
    """Turns YAML nodes into values."""

    def __init__(self, label: str, problems: Problems) -> None:
        self._label, self._problems = label, problems

    def convert(self, node: Node) -> Value:
        """Return the value of ``node``; a part that cannot be used is noted and stands as ``None``."""
        place = Place(self._label, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return Value([self.convert(child) for child in node.value], place)
        if not isinstance(node, ScalarNode):
            return Value(None, place)
        offset = 1 if node.style in _BLOCK_STYLES else 0
        return Value(self._scalar(node, place), place, place.line + offset)

    def _mapping(self, node: MappingNode, place: Place) -> Value:
        found: dict[str, Value] = {}
        places: dict[str, Place] = {}
        for key_node, value_node in node.value:
            key_place = Place(self._label, key_node.start_mark.line + 1)
            if not isinstance(key_node, ScalarNode) or "\0" in key_node.value:
                self._problems.add(key_place, "A key must be a plain word.")
                continue
            key = str(key_node.value)
            if key in found:
                self._problems.add(
                    key_place, f"The key {key} is written twice, first on line {places[key].line}."
                )
                continue
            found[key], places[key] = self.convert(value_node), key_place
        return Value(found, place, key_places=places)

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        text = str(node.value)
        kind = str(node.tag).removeprefix(_TAG)
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._problems.add(place, "The text holds a character that cannot be stored.")
            return None
        if kind == "null":
            return None
        if kind == "bool":
            return text in _TRUE
        if kind in {"int", "float"}:
            return self._number(node, place)
        if kind not in {"str", "timestamp", "merge", "value"}:
            self._problems.add(place, f"The tag {node.tag} is not allowed.")
            return None
        return text

    def _number(self, node: ScalarNode, place: Place) -> int | float | None:
        try:
            number = YAML(typ="safe", pure=True).load(node.value)
        except (YAMLError, ValueError, OverflowError):
            number = None
        if isinstance(number, bool) or not isinstance(number, int | float) or not is_number(number):
            self._problems.add(place, "This number cannot be stored.")
            return None
        return number
