"""Reads one item of a document as typed fields; whatever does not fit is noted with its line."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from jobs.configuration.documents import Value
from jobs.configuration.problems import Place, Problems, did_you_mean
from rules import durations

_NAMES: Final = {
    bool: "true or false",
    int: "a whole number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}

_SPAN: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6})(?=s))?([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_span(text: str) -> timedelta | None:
    """Return the duration that ``90s``, ``1.5s``, ``15m``, ``2h`` or ``1d`` writes, ``None`` when there is none above 0."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        return None
    whole, fraction = int(match[1]) * _SECONDS[match[3]], (match[2] or "").ljust(6, "0")
    try:
        found = timedelta(seconds=whole, microseconds=int(fraction))
    except OverflowError:
        return None
    return found if found > timedelta(0) else None


def span_text(span: timedelta) -> str:
    """Return ``span`` as ``parse_span`` reads it."""
    if not span.microseconds:
        return durations.text(span)
    seconds = span // timedelta(seconds=1)
    return f"{seconds}.{span.microseconds:06d}".rstrip("0") + "s"


class Item:
    """A mapping such as ``{code: PROD, name: Production}``.

    A field that is absent reads as ``None``, and so does one that does not fit, once that is noted; ``has``
    tells them apart.
    """

    def __init__(self, value: Value, noun: str, keys: Collection[str], problems: Problems) -> None:
        """Note keys that are not among ``keys``.

        Args:
            value: What is written.
            noun: What it is, ``environment``.
            keys: The fields it may have.
            problems: Where mistakes are noted.
        """
        self.noun, self.place, self.problems = noun, value.place, problems
        self._value = value
        self._fields: dict[str, Value] = {}
        if not isinstance(value.data, dict):
            problems.add(value.place, f"This must be a mapping with the keys of {noun}: {', '.join(keys)}.")
            return
        self._fields = value.data
        for key in self._fields:
            if key not in keys:
                problems.add(self.at(key), f"{noun} has no key {key}.", did_you_mean(key, keys))

    def at(self, key: str) -> Place:
        """Return where the field is written, or where the item begins."""
        return self._value.place_of(key)

    def has(self, key: str) -> bool:
        """Return whether the field is written at all."""
        return key in self._fields

    def is_empty_text(self, key: str) -> bool:
        """Return whether the field is written as an empty text."""
        return self.has(key) and self._fields[key].data == ""

    def note(self, key: str, message: str, hint: str = "") -> None:
        """Note a mistake of a field."""
        self.problems.add(self.at(key), message, hint)

    def identity(self, key: str) -> str | None:
        """Return the text by which the item is known, which must be there and not empty."""
        if not self._fields:
            return None
        if not self.has(key):
            self.problems.add(self.place, f"{self.noun} needs {key}.")
            return None
        found = self.text(key)
        if found is not None and not found.strip():
            self.note(key, f"{key} is empty.")
            return None
        return found

    def text(self, key: str) -> str | None:
        """Return a text."""
        found: str | None = self._typed(key, str)
        return found

    def integer(self, key: str) -> int | None:
        """Return a whole number."""
        found: int | None = self._typed(key, int)
        return found

    def boolean(self, key: str) -> bool | None:
        """Return true or false."""
        found: bool | None = self._typed(key, bool)
        return found

    def texts(self, key: str) -> list[str] | None:
        """Return a list of texts."""
        found: list[Value] | None = self._typed(key, list)
        if found is None:
            return None
        for value in found:
            if not isinstance(value.data, str):
                self.problems.add(value.place, f"{key} must be a list of texts.", _quotes(value.data))
        return [value.data for value in found if isinstance(value.data, str)]

    def places(self, key: str) -> list[Place]:
        """Return where each text of a list is written, in the order of ``texts``."""
        return [value.place for value in self._fields[key].data if isinstance(value.data, str)]

    def data(self, key: str) -> dict[str, Any] | None:
        """Return a mapping as plain data."""
        return None if self._typed(key, dict) is None else self._fields[key].plain()

    def mapping(self, key: str) -> dict[str, Value] | None:
        """Return a mapping of values that know their place."""
        found: dict[str, Value] | None = self._typed(key, dict)
        return found

    def duration(self, key: str) -> timedelta | None:
        """Return a duration above zero, written as in rules: ``90s``, ``15m``, ``2h``, ``1d``."""
        written = self._fields.get(key)
        if written is None:
            return None
        try:
            return durations.parse(written.data if isinstance(written.data, str) else "")
        except durations.NotADuration:
            self.problems.add(
                written.place, f"{key} must be a duration above zero.", "Write it as 90s, 15m, 2h or 1d."
            )
            return None

    def span(self, key: str) -> timedelta | None:
        """Return a duration without an upper bound, also one of parts of a second: whatever a form may have kept."""
        written = self._fields.get(key)
        if written is None:
            return None
        found = parse_span(written.data) if isinstance(written.data, str) else None
        if found is None:
            self.problems.add(
                written.place, f"{key} must be a duration above zero.", "Write it as 90s, 15m, 2h or 1d."
            )
        return found

    def text_line(self, key: str) -> int:
        """Return the line of the file that holds the first line of a text."""
        return self._fields[key].text_line

    def _typed(self, key: str, wanted: type) -> Any:
        """Return a field's data of exactly the wanted type; what is written is never repeated."""
        written = self._fields.get(key)
        if written is None:
            return None
        if type(written.data) is not wanted:
            hint = _quotes(written.data) if wanted is str else ""
            self.problems.add(written.place, f"{key} must be {_NAMES[wanted]}.", hint)
            return None
        return written.data


def _quotes(data: Any) -> str:
    return "Put it in quotes." if isinstance(data, bool | int | float) else ""
