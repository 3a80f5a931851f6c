"""Terminal output as safe markup: colours become classes, everything else that is not text becomes visible.

Own and small, since a renderer of somebody else's output must never emit what it was given: every character of it goes through
``escape``, and the only attributes are class names from the tables below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_SEQUENCE: Final = re.compile(
    r"\x1b\[([0-9;:]{0,80})m"  # SGR: the only one with a meaning here
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other CSI: moving the cursor, clearing
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC, DCS and the like: titles, links
    r"|\x1b[ -/]*[0-~]"  # short escapes
)
# C0 except tab, DEL, C1, and the marks that reorder or hide text on the screen.
_INVISIBLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_REPEATED: Final = re.compile(r"(.)\1*", re.DOTALL)
_MOST_WRITTEN_OUT: Final = 3
"""How often the same invisible character is written in a row before it is counted instead."""
_COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_SWITCHES: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_OFF: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}
_CUBE: Final = (0, 95, 135, 175, 215, 255)
# The sixteen colours as terminals have them; only to find which of them is nearest to a finer colour.
_PALETTE: Final = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip


def render(text: str) -> SafeString:
    """Return one line of output as markup.

    Args:
        text: As the program wrote it, decoded; may hold escape sequences, markup and control characters.
    """
    if text.endswith("\r"):
        text = text[:-1]
    if text.isascii() and text.isprintable():
        return escape(text)
    parts = []
    for piece, classes in _pieces(text):
        shown = _INVISIBLE.sub(_picture, str(escape(piece)))
        parts.append(f'<span class="{" ".join(classes)}">{shown}</span>' if classes else shown)
    return mark_safe("".join(parts))


def plain(text: str) -> str:
    """Return a line without its escape sequences."""
    return _SEQUENCE.sub("", text)


def _pieces(text: str) -> Iterator[tuple[str, list[str]]]:
    state: dict[str, str] = {}
    start = 0
    for found in _SEQUENCE.finditer(text):
        if found.start() > start:
            yield text[start : found.start()], sorted(state.values())
        if found.group(1) is not None:
            _apply(state, found.group(1))
        start = found.end()
    if start < len(text):
        yield text[start:], sorted(state.values())


def _apply(state: dict[str, str], parameters: str) -> None:
    codes = [int(code) if code and len(code) < 4 else 0 for code in re.split("[;:]", parameters)]
    index = 0
    while index < len(codes):
        code = codes[index]
        if code in {38, 48}:
            index += _extended(state, "fg" if code == 38 else "bg", codes[index + 1 :])
        else:
            _apply_simple(state, code)
        index += 1


def _apply_simple(state: dict[str, str], code: int) -> None:
    if code == 0:
        state.clear()
    elif code in _SWITCHES:
        state[_SWITCHES[code]] = f"ansi-{_SWITCHES[code]}"
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
                state[layer] = f"ansi-{layer}-{bright}{_COLOURS[code - base]}"


def _extended(state: dict[str, str], layer: str, rest: list[int]) -> int:
    """Read the colour after a 38 or 48; return how many numbers it took."""
    if rest[:1] == [5] and len(rest) >= 2:
        number = rest[1]
        state[layer] = _named(layer, number if number < 16 else _nearest(_of_256(min(number, 255))))
        return 2
    if rest[:1] == [2] and len(rest) >= 4:
        state[layer] = _named(layer, _nearest((rest[1], rest[2], rest[3])))
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


def _named(layer: str, number: int) -> str:
    return f"ansi-{layer}-{'bright-' if number >= 8 else ''}{_COLOURS[number % 8]}"


def _picture(found: re.Match[str]) -> str:
    shown = "".join(_shown(run.group()) for run in _REPEATED.finditer(found.group()))
    return f'<span class="control">{shown}</span>'


def _shown(run: str) -> str:
    """Return one character once or more as text: ten thousand null bytes are no page of their own."""
    code = ord(run[0])
    # As terminals write them, ^G: every font has these letters.
    shown = f"^{chr(code ^ 0x40)}" if code < 0x20 or code == 0x7F else f"U+{code:04X}"
    return f"{shown}×{len(run)}" if len(run) > _MOST_WRITTEN_OUT else shown * len(run)
