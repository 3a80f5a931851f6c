"""Terminal output as safe markup: colours become classes, everything else that is not text becomes visible.

Own and small, since a renderer of somebody else's output must never emit what it was given: every character of it goes through
``escape``, and the only attributes are class names from the tables below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_SEQUENCE: Final = re.compile(
    r"\x1b\[([0-9;:]{0,80})m"  # SGR: the only one with a meaning here
    r"|\x1b\[([0-2]?)K"  # clears a part of the line: progress bars do, before they write anew
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other CSI: moving the cursor, clearing
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS and the like, with their end: titles, links
    r"|\x1b(?:[()*+./-][0-9A-Za-z<=>]|#[3-8]|%[@G]| [FGLMN]|[6-9=>cDEHMNOZ|}~])"  # short ones that terminals know
)
# C0 except tab, DEL, C1, and the marks that reorder or hide text on the screen.
_INVISIBLE: Final = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)
_REPEATED: Final = re.compile(r"(.)\1*", re.DOTALL)
_MOST_WRITTEN_OUT: Final = 3
"""How often the same invisible character is written in a row before it is counted instead."""
_SPAN: Final = 64
_CONTROL: Final = 36
"""Bytes of the markup around text in a colour, and around control characters."""
_MOST_CLEARED: Final = 2_000_000
"""So many cells are cleared in one line; of one that goes on clearing only what stands behind its last return is shown."""
_MOST_MARKS: Final = 200
"""How many hits of one line are marked: a page of them must stay small."""
_COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_SWITCHES: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_OFF: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}
_CUBE: Final = (0, 95, 135, 175, 215, 255)
# The sixteen colours as terminals have them; only to find which of them is nearest to a finer colour.
_PALETTE: Final = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip
Piece = tuple[str, tuple[str, ...]]
"""Some text and the classes it is shown with."""


class Pen:
    """How a terminal writes at the moment. A program that does not reset a colour at the end of a line goes on in it."""

    def __init__(self) -> None:
        """Begin with the colours of the page."""
        self.state: dict[str, str] = {}

    def pass_over(self, text: str) -> None:
        """Take in what a line switches that is not shown."""
        if "\x1b" in text:
            for found in _SEQUENCE.finditer(text):
                if found.group(1) is not None:
                    _apply(self.state, found.group(1))

    @property
    def classes(self) -> tuple[str, ...]:
        """What it writes is shown with these classes, sorted."""
        state = dict(self.state)
        front, back = state.pop("fg", ""), state.pop("bg", "")
        if "inverse" in state and (front or back):
            front, back = back, front
            del state["inverse"]
        found = [f"ansi-{name}" for name in state]
        found += [f"ansi-fg-{front}"] if front else []
        found += [f"ansi-bg-{back}"] if back else []
        return tuple(sorted(found))


def render(text: str, pen: Pen | None = None, mark: re.Pattern[str] | None = None) -> SafeString:
    """Return one line of output as markup.

    Args:
        text: As the program wrote it, decoded; may hold escape sequences, markup and control characters. Of a line that is
            written over after carriage returns, the last state is shown.
        pen: How the line above left the terminal; is changed to how this one leaves it.
        mark: What is to be marked, wherever colours begin and end.
    """
    text = text.rstrip("\r")
    pen = pen if pen is not None else Pen()
    if mark is None and not pen.state and text.isascii() and text.isprintable():
        return escape(text)
    pieces: Iterable[Piece] = _written_over(text, pen) if "\r" in text else _pieces(text, pen)
    parts = []
    for piece, classes, is_hit in _marked(list(pieces), mark):
        shown = _INVISIBLE.sub(_picture, str(escape(piece)))
        tag = "mark" if is_hit else "span"
        styled = f' class="{" ".join(classes)}"' if classes else ""
        parts.append(f"<{tag}{styled}>{shown}</{tag}>" if is_hit or classes else shown)
    return mark_safe("".join(parts))


def weight(text: str) -> int:
    """Return about how many bytes a line takes as markup, without making it."""
    plain_size = len(text.encode()) + 5 * sum(map(text.count, "<>&'\""))
    if text.isascii() and text.isprintable():
        return plain_size
    return plain_size + _SPAN * text.count("\x1b") + _CONTROL * len(_INVISIBLE.findall(text))


def plain(text: str) -> str:
    """Return a line without its escape sequences."""
    return _SEQUENCE.sub("", text)


def overwritten(text: str) -> int:
    """Return how often a line was written over, so how many states of it are not shown."""
    return text.rstrip("\r").count("\r")


def _pieces(text: str, pen: Pen) -> Iterator[Piece]:
    start = 0
    for found in _SEQUENCE.finditer(text):
        if found.start() > start:
            yield text[start : found.start()], pen.classes
        if found.group(1) is not None:
            _apply(pen.state, found.group(1))
        start = found.end()
    if start < len(text):
        yield text[start:], pen.classes


def _written_over(text: str, pen: Pen) -> Iterator[Piece]:
    """Yield what a terminal shows of a line that goes back to its beginning."""
    cells: list[tuple[str, tuple[str, ...]]] = []
    column = start = cleared = 0
    for found in [*_SEQUENCE.finditer(text), None]:
        column = _type(cells, column, text[start : found.start() if found else None], pen.classes)
        if found is None:
            break
        if found.group(1) is not None:
            _apply(pen.state, found.group(1))
        elif found.group(2) is not None:
            cleared += len(cells)
            if cleared > _MOST_CLEARED:
                before, _return, last = text.rpartition("\r")
                pen.pass_over(before)
                yield from _pieces(last, pen)
                return
            _clear(cells, column, found.group(2))
        start = found.end()
    for classes, group in groupby(cells, key=lambda cell: cell[1]):
        yield "".join(character for character, _ in group), classes


def _type(cells: list[tuple[str, tuple[str, ...]]], column: int, text: str, classes: tuple[str, ...]) -> int:
    """Write over ``cells`` from ``column`` on; return where the cursor is then."""
    for number, part in enumerate(text.split("\r")):
        column = 0 if number else column
        cells += [(" ", ())] * (column - len(cells))
        cells[column : column + len(part)] = [(character, classes) for character in part]
        column += len(part)
    return column


def _clear(cells: list[tuple[str, tuple[str, ...]]], column: int, how: str) -> None:
    if how in {"", "0"}:
        del cells[column:]
    else:
        end = min(column + 1, len(cells)) if how == "1" else len(cells)
        cells[:end] = [(" ", ())] * end


def _marked(pieces: list[Piece], mark: re.Pattern[str] | None) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Yield the pieces, cut where a hit begins and ends, and whether each is of a hit."""
    found = mark.finditer("".join(text for text, _ in pieces)) if mark is not None else iter(())
    hits = [hit.span() for hit in islice(found, _MOST_MARKS)]
    # Where one hit ends and the next begins, the mark goes on.
    cuts = sorted({begin for begin, _ in hits} ^ {end for _, end in hits})
    inside = {begin for begin, _ in hits}
    offset, is_hit, following = 0, False, 0
    for text, classes in pieces:
        start = 0
        while following < len(cuts) and cuts[following] < offset + len(text):
            cut = cuts[following]
            if cut - offset > start:
                yield text[start : cut - offset], classes, is_hit
            start, is_hit, following = cut - offset, cut in inside, following + 1
        if start < len(text):
            yield text[start:], classes, is_hit
        offset += len(text)


def _apply(state: dict[str, str], parameters: str) -> None:
    """Switch what one SGR sequence says. With colons, a number's own arguments: ``38:2::255:0:0``, ``4:3``."""
    fields = parameters.split(";")
    index = 0
    while index < len(fields):
        first, *own = map(_number, fields[index].split(":"))
        if first in {38, 48}:
            layer = "fg" if first == 38 else "bg"
            if own:
                _extended(state, layer, [2, *own[2:]] if own[0] == 2 and len(own) > 4 else own)
            else:
                index += _extended(state, layer, list(map(_number, fields[index + 1 :])))
        else:
            _apply_simple(state, 24 if first == 4 and own == [0] else first)
        index += 1


def _number(field: str) -> int:
    return int(field) if field.isdecimal() and len(field) < 4 else 0


def _apply_simple(state: dict[str, str], code: int) -> None:
    if code == 0:
        state.clear()
    elif code in _SWITCHES:
        state[_SWITCHES[code]] = "on"
    elif code in _OFF:
        for name in _OFF[code]:
            state.pop(name, None)
    elif code in {39, 49}:
        state.pop("fg" if code == 39 else "bg", None)
    else:
        for base, layer, bright in (
            (30, "fg", ""),
            (40, "bg", ""),
            (90, "fg", "bright-"),
            (100, "bg", "bright-"),
        ):
            if base <= code < base + 8:
                state[layer] = f"{bright}{_COLOURS[code - base]}"


def _extended(state: dict[str, str], layer: str, rest: list[int]) -> int:
    """Read the colour after a 38 or 48; return how many numbers it took."""
    if rest[:1] == [5] and len(rest) >= 2:
        number = rest[1]
        state[layer] = _named(number if number < 16 else _nearest(_of_256(min(number, 255))))
        return 2
    if rest[:1] == [2] and len(rest) >= 4:
        state[layer] = _named(_nearest((rest[1], rest[2], rest[3])))
        return 4
    return len(rest)


def _of_256(number: int) -> tuple[int, int, int]:
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return grey, grey, grey
    number -= 16
    return _CUBE[number // 36], _CUBE[number // 6 % 6], _CUBE[number % 6]


def _nearest(colour: tuple[int, int, int]) -> int:
    return min(range(16), key=lambda n: sum((a - b) ** 2 for a, b in zip(_PALETTE[n], colour, strict=True)))


def _named(number: int) -> str:
    return f"{'bright-' if number >= 8 else ''}{_COLOURS[number % 8]}"


def _picture(found: re.Match[str]) -> str:
    shown = "".join(_shown(run.group()) for run in _REPEATED.finditer(found.group()))
    return f'<span class="control">{shown}</span>'


def _shown(run: str) -> str:
    """Return one character once or more as text: ten thousand null bytes are no page of their own."""
    code = ord(run[0])
    # As terminals write them, ^G: every font has these letters, and few have the pictures of Unicode.
    shown = f"^{chr(code ^ 0x40)}" if code < 0x20 or code == 0x7F else f"U+{code:04X}"
    return f"{shown}×{len(run)}" if len(run) > _MOST_WRITTEN_OUT else shown * len(run)
