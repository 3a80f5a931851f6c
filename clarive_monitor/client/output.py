"""What is written to the terminal: tables that fit, colours where they are seen, and JSON exactly as the API has it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

COLOURS: Final = {
    "ready": "cyan", "running": "blue", "rollback": "magenta", "pending_approval": "yellow", "trapped": "yellow",
    "trap_paused": "yellow", "finished": "green", "error": "red", "abend": "red", "rejected": "red",
    "expired": "red", "cancelled": "bright_black",
}  # fmt: skip
"""Of statuses. The words are always written too."""

_LEVELS: Final = {"error": "red", "warning": "yellow", "debug": "bright_black", "comment": "cyan"}
_COLOUR_CODE: Final = re.compile(r"\x1b\[[0-9;:]*m")
_ESCAPE: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|\Z)|[ -/]*[0-~])|[\x80-\x9f]", re.DOTALL
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_GAP: Final = 2
_NARROWEST: Final = 6


def plain(text: object) -> str:
    """Return ``text`` without anything that moves a terminal's cursor or changes its colours."""
    return _CONTROL.sub("", _ESCAPE.sub("", str(text)))


def coloured(text: str) -> str:
    """Return a line of a log with its colours, and without whatever else it could do to a terminal."""
    pieces = []
    place = 0
    for match in _COLOUR_CODE.finditer(text):
        pieces += [plain(text[place : match.start()]), match.group()]
        place = match.end()
    pieces.append(plain(text[place:]))
    return "".join(pieces) + ("\x1b[0m" if place else "")


def is_terminal(stream: Any = None) -> bool:
    """Return whether somebody looks at ``stream``, standard output when it is not given."""
    return bool((stream or sys.stdout).isatty())


def moves_cursor(stream: Any = None) -> bool:
    """Return whether a line that was written can be taken back: not where a terminal knows no codes."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def uses_colours(stream: Any = None) -> bool:
    """Return whether colours are to be written: to a terminal, unless ``NO_COLOR`` or ``TERM=dumb`` say otherwise."""
    return moves_cursor(stream) and not os.environ.get("NO_COLOR")


def styled(text: str, colour: str | None, *, bold: bool = False) -> str:
    """Return ``text`` in a colour, where standard output shows any."""
    return click.style(text, fg=colour, bold=bold) if uses_colours() and (colour or bold) else text


def status(text: str) -> str:
    """Return a status in its colour."""
    return styled(text, COLOURS.get(text))


def write_json(value: Any) -> None:
    """Write one value for people and programs to read."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_json_line(value: Any) -> None:
    """Write one value on a line of its own, at once."""
    click.echo(json.dumps(value, ensure_ascii=False))
    sys.stdout.flush()


def write_json_list(values: Iterable[Any]) -> None:
    """Write values as one array, each as it comes."""
    separator = "["
    for value in values:
        click.echo(f"{separator}\n" + json.dumps(value, indent=2, ensure_ascii=False), nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def moment(text: str | None) -> str:
    """Return a time of the API as clocks here show it."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def seconds_between(begin: str, end: str) -> float:
    """Return how many seconds lie between two times of the API."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def duration(seconds: float | None) -> str:
    """Return a duration in words as short as ``1h02m``."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def bar(percent: int, columns: int = 20) -> str:
    """Return a bar of progress."""
    filled = columns * max(0, min(percent, 100)) // 100
    return f"[{'#' * filled}{'.' * (columns - filled)}] {percent:3}%"


def log_line(entry: Mapping[str, Any], *, times: bool) -> str:
    """Return a line of the log as it is written to standard output."""
    text = coloured(entry["text"]) if uses_colours() else plain(entry["text"])
    if entry["level"] in _LEVELS and "\x1b" not in text:
        text = styled(text, _LEVELS[entry["level"]])
    if entry.get("user"):
        text = f"{plain(entry['user'])}: {text}"
    return f"{moment(entry['at'])}  {text}" if times else text


def width(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes, which holds no escapes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def write_table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, colours: Mapping[str, str] | None = None
) -> None:
    """Write rows under their names; on a terminal the widest columns are cut until a row fits on a line.

    Args:
        names: Of the columns.
        rows: As many texts each.
        colours: Of whole cells by their text.
    """
    cells = [[" ".join(plain(cell).split()) for cell in row] for row in [list(names), *rows]]
    widths = [max(width(row[place]) for row in cells) for place in range(len(names))]
    if is_terminal():
        widths = _fitting(widths, shutil.get_terminal_size().columns)
    for number, row in enumerate(cells):
        line = []
        for cell, wide in zip(row, widths, strict=True):
            text = _cut(cell, wide)
            space = " " * (wide - width(text) + _GAP)
            line.append((styled(text, (colours or {}).get(cell), bold=number == 0)) + space)
        click.echo("".join(line).rstrip())


def _fitting(widths: Sequence[int], room: int) -> list[int]:
    """Return column widths of which the widest are made narrower until all fit into ``room``."""
    found = list(widths)
    while sum(found) + _GAP * (len(found) - 1) > room and max(found) > _NARROWEST:
        found[found.index(max(found))] -= 1
    return found


def _cut(text: str, wide: int) -> str:
    if width(text) <= wide:
        return text
    while text and width(text) > wide - 1:
        text = text[:-1]
    return f"{text}…"


def write_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Write names and values under each other, without those that are empty."""
    shown = [(name, value) for name, value in fields if value]
    wide = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *others = value.splitlines()
        click.echo(f"{styled(name.ljust(wide), None, bold=True)}  {first}")
        for line in others:
            click.echo(" " * (wide + 2) + line)
