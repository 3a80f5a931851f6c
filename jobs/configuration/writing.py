"""Writes plain data as YAML that ``documents`` reads back as the same data. The same data is always the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jobs.configuration.documents import Source, compose
from jobs.configuration.problems import Problems

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_MEANS_SOMETHING: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that some reader of YAML takes for no text, although ours knows better."""

_ESCAPED: Final = re.compile(
    '[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|["\\\\]'
)
_NEVER_IN_A_BLOCK: Final = re.compile(
    "[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LONGEST_KEY: Final = 200
"""YAML allows a little more before a key has to say that it is one."""

_WIDTH: Final = 100


def text_of(data: Mapping[str, Sequence[Mapping[str, Any]]], comments: Sequence[str] = ()) -> str:
    """Return a document.

    Args:
        data: Items by top key.
        comments: Lines to begin with.
    """
    lines = [f"# {comment}" for comment in comments]
    for key, items in data.items():
        lines += ["", *_entry(key, list(items), 0)] if lines else [*_entry(key, list(items), 0)]
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of one entry of a mapping."""
    pad, written = " " * indent, _text(key)
    if len(written) > _LONGEST_KEY:
        yield f"{pad}? {written}"
        written = ""
    short = _short(value)
    if short is None and isinstance(value, str):
        first, *rest = _block(value, indent + 2)
        yield f"{pad}{written}: {first}"
        yield from rest
    elif short is not None:
        yield f"{pad}{written}: {short}"
    else:
        yield f"{pad}{written}:"
        yield from _long(value, indent + 2)


def _long(value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of a mapping or list that needs several."""
    if isinstance(value, Mapping):
        for key in value:
            yield from _entry(str(key), value[key], indent)
        return
    pad = " " * indent
    for item in value:
        short = _short(item, in_list=True)
        if short is not None:
            yield f"{pad}- {short}"
        else:
            first, *rest = _long(item, indent + 2)
            yield f"{pad}- {first[indent + 2 :]}"
            yield from rest


def _short(value: Any, *, in_list: bool = False) -> str | None:
    """Return a value on one line, ``None`` when it takes several."""
    if isinstance(value, str):
        return None if "\n" in value and not in_list and _fits_in_a_block(value) else _text(value)
    if isinstance(value, Mapping):
        return None if value else "{}"
    if isinstance(value, list | tuple):
        words = [_short(item, in_list=True) for item in value if not isinstance(item, Mapping | list | tuple)]
        line = f"[{', '.join(word or '' for word in words)}]"
        return line if len(words) == len(value) and len(line) <= _WIDTH else None
    return "null" if value is None else json.dumps(value)


def _text(text: str) -> str:
    """Return a text, in quotes unless it is a plain word."""
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANS_SOMETHING and len(text) <= _WIDTH:
        return text
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    sign = found.group()
    if sign in '"\\':
        return "\\" + sign
    simple = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(sign)
    number = ord(sign)
    return simple or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def _block(text: str, indent: int) -> list[str]:
    """Return a text of several lines as they are, the first one being the sign of such a block."""
    body = text.removesuffix("\n")
    keep = "-" if body == text else "+" if body.endswith("\n") else ""
    lines = body.split("\n")
    # The first line tells how deep the block is, unless it begins with spaces itself.
    deep = "2" if lines[0].startswith(" ") or not lines[0] else ""
    pad = " " * indent
    return [f"|{deep}{keep}", *(pad + line if line else "" for line in lines)]


def _fits_in_a_block(text: str) -> bool:
    """Return whether the text as a block is read back as itself, which is tried."""
    if _NEVER_IN_A_BLOCK.search(text) or not text.strip():
        return False
    first, *rest = _block(text, 2)
    written = "\n".join([f"a: {first}", *rest, "b: 1"]) + "\n"
    found = compose(Source("", written, Path()), Problems())
    return found is not None and found.plain() == {"a": text, "b": 1}
