"""How much of a log one answer holds: lines are counted, and so is what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.log.codec import character_start


@dataclass(frozen=True, slots=True)
class Room:
    """Room for the texts of one page.

    Attributes:
        size: Most of all weights together; the first line fits whatever it weighs, so that a reader always gets on.
        weigh: What a text costs in the form in which it is sent.
        longest: Bytes of a line from which on it is cut; ``None`` cuts none.
    """

    size: int
    weigh: Callable[[str], int]
    longest: int | None = None


class Shelf:
    """What of a page is taken already."""

    def __init__(self, lines: int, room: Room | None) -> None:
        """Begin empty.

        Args:
            lines: Most lines.
            room: For their texts; ``None`` takes any.
        """
        self._lines, self._room = lines, room
        self._count = self._weight = 0

    @property
    def is_full(self) -> bool:
        """Whether no line fits, however short."""
        return self._count >= self._lines

    def take(self, text: str) -> bool:
        """Return whether the next line fits, and count it when it does."""
        if self.is_full:
            return False
        if self._room is not None:
            weight = self._weight + self._room.weigh(text)
            if self._count and weight > self._room.size:
                return False
            self._weight = weight
        self._count += 1
        return True


def decode(line: bytes, room: Room | None) -> tuple[str, int]:
    """Return a line as text and how many characters of it were left out; broken UTF-8 is replaced."""
    if room is None or room.longest is None or len(line) <= room.longest:
        return line.decode(errors="replace"), 0
    cut = character_start(line, room.longest)
    return line[:cut].decode(errors="replace"), len(line[cut:].decode(errors="replace"))
