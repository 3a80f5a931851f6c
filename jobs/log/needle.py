"""Looking for a text in many lines at once."""

from __future__ import annotations

import re
from typing import AnyStr, Final

_COLOURS: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    rb"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links
    rb"|[()*+][0-9A-Za-z]"  # character sets
    rb"|[@-Z\\^_=>78c])"
)
"""Terminal control sequences. None spans lines, so taking them out keeps the number of lines."""


def without_colours(text: bytes) -> bytes:
    """Return ``text`` without terminal control sequences."""
    return _COLOURS.sub(b"", text) if b"\x1b" in text else text


class Needle:
    """A text to look for, whatever its case; colour codes in the middle of a word do not hide it.

    No line is looked at by itself: a block is searched as a whole, and only what is found is counted into lines.
    """

    def __init__(self, text: str) -> None:
        """Take the text; an empty one is no needle, and false."""
        self._ascii = text.isascii()
        self._text = text.casefold()
        self._bytes = text.lower().encode(errors="surrogatepass")

    def __bool__(self) -> bool:
        """Whether there is something to look for."""
        return bool(self._text)

    def lines_of(self, text: bytes) -> set[int]:
        """Return the indexes of the lines that contain it, counted from 0."""
        if "\n" in self._text:
            return set()  # no line holds a line feed
        plain = without_colours(text)
        if self._ascii:
            folded = plain.lower()
            return _line_indexes(folded, self._bytes, b"\n")
        # Case outside of ASCII is a matter of characters, not of bytes.
        return _line_indexes(plain.decode(errors="replace").casefold(), self._text, "\n")


def _line_indexes(text: AnyStr, needle: AnyStr, feed: AnyStr) -> set[int]:
    found: set[int] = set()
    line = counted = 0
    position = text.find(needle)
    while position >= 0:
        line += text.count(feed, counted, position)
        found.add(line)
        counted = text.find(feed, position)
        if counted < 0:
            break
        position = text.find(needle, counted)
    return found
