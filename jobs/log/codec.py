"""The form of a chunk of log: many lines as one compressed block. Pure: knows no database and no Django.

A block is ``zlib(header + text)``. The text is the lines' bytes as they were written, joined by line feeds;
nothing is decoded before a reader asks, so broken UTF-8, NUL, carriage returns and colour codes survive. The header
is a run-length list: how many lines share a time, a level and a stream. Output of a command costs one run per piece,
not one per line, and nothing here does work per line on the way in.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

LINE_LIMIT: Final = 1 << 16
"""Longest line in bytes; a longer one is cut into several."""

_COUNT: Final = struct.Struct("<I")
_RUN: Final = struct.Struct("<IIBB")
_ZLIB_LEVEL: Final = 1
_USUAL_HEADER: Final = 4096


class Level(IntFlag):
    """How serious a line is. One bit each, so that a chunk can say which of them it holds."""

    DEBUG = 1
    INFO = 2
    WARNING = 4
    ERROR = 8
    COMMENT = 16

    @property
    def code(self) -> str:
        """Name in the API, ``info``."""
        return (self.name or "").lower()

    @classmethod
    def of(cls, code: str) -> Level:
        """Return the level with this name.

        Raises:
            KeyError: There is none.
        """
        return cls[code.upper()]


class Stream(IntEnum):
    """Where a line came from. Numbers of the two outputs are those of ``rules.processes``."""

    SYSTEM = 0
    STDOUT = 1
    STDERR = 2

    @property
    def code(self) -> str:
        """Name in the API, ``stdout``."""
        return self.name.lower()


class Run(NamedTuple):
    """Consecutive lines that share everything but their text.

    Attributes:
        lines: How many.
        offset_ms: Milliseconds from the chunk's first line to these.
        level: Value of their ``Level``.
        stream: Value of their ``Stream``.
    """

    lines: int
    offset_ms: int
    level: int
    stream: int


@dataclass(frozen=True, slots=True)
class Block:
    """A chunk ready to be stored.

    Attributes:
        data: The compressed form.
        line_count: Lines in it.
        size: Bytes of its text before compression.
        levels: Bits of the levels in it.
        first_at: Time of its first line, aware.
        last_at: Time of its last line.
    """

    data: bytes
    line_count: int
    size: int
    levels: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Lines:
    """A chunk taken apart; its text is still one piece.

    Attributes:
        runs: What the lines share, in order.
        text: The lines, joined by line feeds.
    """

    runs: tuple[Run, ...]
    text: bytes


class BlockBuilder:
    """Collects pieces of whole lines until they are worth a chunk."""

    def __init__(self) -> None:
        """Begin an empty chunk."""
        self._parts: list[bytes] = []
        self._runs: list[Run] = []
        self._first_at: datetime | None = None
        self._last_at: datetime | None = None
        self.size = 0
        self.line_count = 0

    def add(self, text: bytes, at: datetime, level: Level, stream: Stream) -> None:
        """Add lines.

        Args:
            text: Whole lines joined by line feeds, without one at the end: ``b""`` is one empty line.
            at: When they were written, aware.
            level: Of all of them.
            stream: Of all of them.
        """
        if self._first_at is None:
            self._first_at = at
        # The clock of a machine may be set back; a chunk's times only go on.
        self._last_at = at if self._last_at is None else max(at, self._last_at)
        lines = text.count(b"\n") + 1
        offset = max((at - self._first_at) // timedelta(milliseconds=1), 0)
        last = self._runs[-1] if self._runs else None
        if last is not None and last[1:] == (offset, level, stream):
            self._runs[-1] = last._replace(lines=last.lines + lines)
        else:
            self._runs.append(Run(lines, offset, int(level), int(stream)))
        self._parts.append(text)
        self.size += len(text) + 1
        self.line_count += lines

    def build(self) -> Block:
        """Return what was collected, compressed. ``zlib`` lets other threads run meanwhile.

        Raises:
            ValueError: Nothing was collected.
        """
        if self._first_at is None or self._last_at is None:
            raise ValueError("A chunk holds at least one line.")
        text = b"\n".join(self._parts)
        header = b"".join((_COUNT.pack(len(self._runs)), *(_RUN.pack(*run) for run in self._runs)))
        levels = 0
        for run in self._runs:
            levels |= run.level
        data = zlib.compress(header + text, _ZLIB_LEVEL)
        return Block(data, self.line_count, len(text), levels, self._first_at, self._last_at)


def unpack(data: bytes | memoryview, size: int = 0) -> Lines:
    """Take a chunk's data apart.

    Args:
        data: As ``BlockBuilder.build`` made it.
        size: Bytes of its text when known: room made at once saves a quarter of the time.
    """
    raw = zlib.decompress(data, bufsize=size + _USUAL_HEADER)
    (count,) = _COUNT.unpack_from(raw)
    end = _COUNT.size + count * _RUN.size
    runs = tuple(Run._make(fields) for fields in _RUN.iter_unpack(raw[_COUNT.size : end]))
    return Lines(runs, raw[end:])


def cut_long_lines(text: bytes) -> bytes:
    """Return ``text`` with a line feed inside each line that is longer than ``LINE_LIMIT``.

    Looks once per ``LINE_LIMIT`` bytes, not once per line. A cut never splits a UTF-8 character.
    """
    if len(text) <= LINE_LIMIT:
        return text
    parts: list[bytes] = []
    start = position = 0
    while len(text) - position > LINE_LIMIT:
        feed = text.rfind(b"\n", position, position + LINE_LIMIT + 1)
        if feed >= 0:
            position = feed + 1
            continue
        cut = character_start(text, position + LINE_LIMIT)
        parts.append(text[start:cut])
        start = position = cut
    if not parts:
        return text
    parts.append(text[start:])
    return b"\n".join(parts)


def character_start(text: bytes, position: int) -> int:
    """Return the nearest place at or before ``position`` where a UTF-8 character may begin."""
    for candidate in range(position, max(position - 4, 0), -1):
        if candidate >= len(text) or text[candidate] & 0xC0 != 0x80:
            return candidate
    return position  # not UTF-8 at all


def encode_lines(text: str) -> bytes:
    """Return a text as lines of any length; one line feed at its end is dropped."""
    # Half a surrogate pair, which JSON may bring, is no reason to lose a line: readers replace it.
    return text.removesuffix("\n").encode(errors="surrogatepass")


def join_lines(texts: Iterable[str]) -> bytes:
    """Return texts as whole lines; a text of several lines becomes several, one line feed at its end is dropped."""
    return cut_long_lines(b"\n".join(map(encode_lines, texts)))
