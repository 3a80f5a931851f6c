"""The scale of time of a timeline: work at its true length, long waits folded to a narrow band. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 100.0
SHORTEST_GAP: Final = 2.0
"""Seconds without work from which on they count as a wait."""

_SHORTEST_FOLDED: Final = 10.0
_LONG_BESIDE_WORK: Final = 0.2
"""A wait that is longer than this share of the work is folded."""

_BAND: Final = 4.0
_ALL_BANDS: Final = 30.0

Span = tuple[float, float]
"""Two moments in seconds since the epoch, the first not behind the second."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time and where it is drawn.

    Attributes:
        begin: In seconds since the epoch.
        end: In seconds since the epoch.
        left: Where it begins, of ``WIDTH``.
        right: Where it ends, of ``WIDTH``.
        is_folded: Whether it is a wait that is drawn narrower than it was.
    """

    begin: float
    end: float
    left: float
    right: float
    is_folded: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Tells where a moment is drawn. ``pieces`` follow each other without a gap; there is at least one."""

    pieces: tuple[Piece, ...]

    @property
    def rate(self) -> float:
        """How wide a second of work is, of ``WIDTH``."""
        work = [piece for piece in self.pieces if not piece.is_folded]
        seconds = sum(piece.end - piece.begin for piece in work)
        return sum(piece.right - piece.left for piece in work) / seconds if seconds else 0.0

    def place(self, moment: float) -> float:
        """Return where a moment is drawn, of ``WIDTH``; one before the first piece or behind the last is at its edge."""
        at = bisect_right(self.pieces, moment, key=lambda piece: piece.begin) - 1
        piece = self.pieces[max(0, at)]
        length = piece.end - piece.begin
        share = min(1.0, max(0.0, (moment - piece.begin) / length)) if length else 0.0
        return piece.left + share * (piece.right - piece.left)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return what ``spans`` cover, in order; those that overlap or touch are one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def without(span: Span, holes: Sequence[Span]) -> list[Span]:
    """Return what is left of ``span`` when ``holes`` are taken out of it; a span without length stays."""
    left, found = span[0], []
    for begin, end in merged(holes):
        if end <= left or begin >= span[1]:
            continue
        if begin > left:
            found.append((left, begin))
        left = max(left, end)
    return [*found, (left, span[1])] if left < span[1] or span[0] == span[1] else found


def gaps(whole: Span, work: Iterable[Span]) -> list[Span]:
    """Return the stretches of ``whole``, at least ``SHORTEST_GAP`` long, in which nothing worked."""
    busy = merged(work)
    idle = without(whole, busy) if busy else [whole]
    return [(begin, end) for begin, end in idle if end - begin >= SHORTEST_GAP]


def scale_of(whole: Span, waits: Sequence[Span]) -> Scale:
    """Return the scale of a stretch of time.

    Args:
        whole: From the first to the last moment.
        waits: In order, within ``whole`` and apart from each other.
    """
    work = whole[1] - whole[0] - sum(end - begin for begin, end in waits)
    longest = max(_SHORTEST_FOLDED, work * _LONG_BESIDE_WORK)
    folded = [wait for wait in waits if wait[1] - wait[0] > longest]
    seconds = whole[1] - whole[0] - sum(end - begin for begin, end in folded)
    band = min(_BAND, _ALL_BANDS / len(folded)) if folded else 0.0
    if seconds <= 0:
        band = WIDTH / len(folded) if folded else 0.0
    rate = (WIDTH - band * len(folded)) / seconds if seconds > 0 else 0.0
    pieces: list[Piece] = []
    at, left = whole[0], 0.0
    for begin, end in folded:
        right = left + (begin - at) * rate
        pieces += [Piece(at, begin, left, right, False), Piece(begin, end, right, right + band, True)]
        at, left = end, right + band
    return Scale((*pieces, Piece(at, whole[1], left, max(left, WIDTH), False)))
