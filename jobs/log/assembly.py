"""Turning pieces of output into whole lines and whole lines into chunks, in the order of writing. Knows no database.

Pieces of output end anywhere: in the middle of a line, of a character, of a secret. What follows the last line feed
is held until the rest of its line comes, but at most ``HOLD_SECONDS``, so that a prompt is seen, unless its end may
become a secret. That wait is the price of a line that is written in parts over more than that time: it is stored as
several.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from jobs.log.codec import LINE_LIMIT, BlockBuilder, Level, Stream, character_start, cut_long_lines

HOLD_SECONDS: Final = 0.5
BLOCK_SIZE: Final = 1 << 18
_NEVER: Final = math.inf

OUTPUT_LEVEL: Final = Level.INFO
"""Of both output streams: many programs tell their progress on stderr, so it says nothing about seriousness."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a job lines belong.

    Attributes:
        step: Code of the step.
        operation: Path of the operation, empty for the step itself.
        operation_id: Its ``id``, or its path.
        thread: Branch of a ``parallel``; 0 outside of one.
        username: Who wrote it, when a person did.
    """

    step: str
    operation: str = ""
    operation_id: str = ""
    thread: int = 0
    username: str = ""


class Filter(Protocol):
    """Changes output on its way into the log: the seam for what must never be stored, such as secrets.

    One filter sees one stream of one operation from begin to end, so it can hold back the beginning of what may
    become a secret.
    """

    @property
    def holding(self) -> bool:
        """Whether something is held back."""

    def push(self, data: bytes) -> bytes:
        """Take a piece and return what may be stored now."""

    def rest(self, *, final: bool) -> bytes:
        """Return what was held back.

        Args:
            final: Nothing more will come: hold nothing. Otherwise nothing came for a while, and what may still
                become a secret can be held on.
        """


FilterFactory = Callable[[], Filter]


class _Source:
    """One output stream of one operation: the beginning of a line that has not ended."""

    def __init__(self, output_filter: Filter | None) -> None:
        self.filter = output_filter
        self.tail = b""
        self.since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether something waits for the rest of its line."""
        return bool(self.tail) or (self.filter is not None and self.filter.holding)


class _Branch:
    """What one log thread writes: one operation after the other, so one open block."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.sources: dict[Stream, _Source] = {}
        self.block = BlockBuilder()


class Assembly:
    """Collects what is written until it is taken as chunks. Not thread-safe: its owner holds a lock."""

    def __init__(self, filter_factory: FilterFactory | None = None) -> None:
        """Begin empty.

        Args:
            filter_factory: Makes the filter of each output stream of each operation; ``None`` stores as is.
        """
        self._filter_factory = filter_factory
        # Branches of a `parallel` write at the same time; a block for every change between them would be as slow
        # as a row for every line.
        self._branches: dict[int, _Branch] = {}
        self._sealed: list[tuple[Place, BlockBuilder]] = []
        self.size = 0
        self.has_full_block = False

    def feed(self, place: Place, stream: Stream, data: bytes, at: datetime, clock: float) -> None:
        """Add a piece of output.

        Args:
            place: Whose output.
            stream: Which output.
            data: Any bytes.
            at: The time, aware.
            clock: The same moment on a clock that only goes on.
        """
        branch = self._branch(place, at)
        source = branch.sources.get(stream)
        if source is None:
            made = self._filter_factory() if self._filter_factory is not None else None
            source = branch.sources[stream] = _Source(made)
        starts_waiting = not source.is_open or source.since == _NEVER
        if source.filter is not None:
            data = source.filter.push(data)
        feed = data.rfind(b"\n")
        if feed >= 0:
            self._add(branch, source.tail + data[:feed] if source.tail else data[:feed], at, stream)
            source.tail = data[feed + 1 :]
        else:
            source.tail += data
        if feed >= 0 or starts_waiting:
            source.since = clock
        if len(source.tail) > LINE_LIMIT:
            self._cut_tail(branch, stream, source, at)

    def entry(self, place: Place, level: Level, text: bytes, at: datetime) -> None:
        """Add whole lines that the product or a person says."""
        if self._filter_factory is not None:
            whole = self._filter_factory()
            text = whole.push(text) + whole.rest(final=True)
        branch = self._branch(place, at)
        # What the operation printed before this was said comes before it, whole or not.
        for stream, source in branch.sources.items():
            self._release(branch, stream, source, at, final=False)
        self._add(branch, text, at, Stream.SYSTEM, level)

    def release(self, at: datetime, clock: float) -> float | None:
        """Turn beginnings of lines that were held for long enough into lines.

        A line whose end may become a secret is held on as a whole until that is known.

        Args:
            at: The time, aware.
            clock: The same moment on the clock of ``feed``.

        Returns:
            When the next one has been held for long enough; ``None`` when none is held.
        """
        due: list[float] = []
        for branch in self._branches.values():
            for stream, source in branch.sources.items():
                if source.is_open and clock >= source.since + HOLD_SECONDS:
                    self._show(branch, stream, source, at)
                elif source.is_open and source.since != _NEVER:
                    due.append(source.since + HOLD_SECONDS)
        return min(due, default=None)

    def end(self, at: datetime, thread: int | None = None) -> None:
        """End the operations at hand: what they wrote without a line feed at the end is a line, too.

        Args:
            at: The time, aware.
            thread: Only this one's; ``None`` ends all.
        """
        for branch in self._branches.values():
            if thread is None or branch.place.thread == thread:
                for stream, source in branch.sources.items():
                    self._release(branch, stream, source, at, final=True)
                branch.sources = {}

    def take(self) -> list[tuple[Place, BlockBuilder]]:
        """Return what was collected, in the order of writing, and begin anew."""
        for branch in self._branches.values():
            self._seal(branch)
        taken, self._sealed = self._sealed, []
        self.size, self.has_full_block = 0, False
        return taken

    def _branch(self, place: Place, at: datetime) -> _Branch:
        branch = self._branches.get(place.thread)
        if branch is None:
            branch = self._branches[place.thread] = _Branch(place)
        elif branch.place != place:
            self.end(at, place.thread)
            self._seal(branch)
            branch.place = place
        return branch

    def _seal(self, branch: _Branch) -> None:
        if branch.block.line_count:
            self._sealed.append((branch.place, branch.block))
            branch.block = BlockBuilder()

    def _show(self, branch: _Branch, stream: Stream, source: _Source, at: datetime) -> None:
        """Turn the beginning of a line into a line, unless its end may become a secret."""
        if source.filter is not None:
            source.tail += source.filter.rest(final=False)
            if source.filter.holding:
                source.since = _NEVER  # only what comes next can tell
                return
        self._add(branch, source.tail.removesuffix(b"\n"), at, stream)
        source.tail = b""

    def _release(
        self, branch: _Branch, stream: Stream, source: _Source, at: datetime, *, final: bool
    ) -> None:
        tail = source.tail + (source.filter.rest(final=final) if source.filter is not None else b"")
        source.tail = b""
        if tail:
            self._add(branch, tail.removesuffix(b"\n"), at, stream)

    def _cut_tail(self, branch: _Branch, stream: Stream, source: _Source, at: datetime) -> None:
        """Store a line without end in parts: it must not fill the memory."""
        whole = len(source.tail) - len(source.tail) % LINE_LIMIT
        cut = character_start(source.tail, whole)
        self._add(branch, source.tail[:cut], at, stream)
        source.tail = source.tail[cut:]

    def _add(
        self, branch: _Branch, text: bytes, at: datetime, stream: Stream, level: Level = OUTPUT_LEVEL
    ) -> None:
        block = branch.block
        before = block.size
        block.add(cut_long_lines(text), at, level, stream)
        self.size += block.size - before
        if block.size >= BLOCK_SIZE:
            self._seal(branch)
            self.has_full_block = True
