"""The free text of a search as words: pure, the same for the table, the stream and the search box.

``ana "two words"`` asks for both ``ana`` and ``two words``. A quotation mark that is not closed is a letter like any other.
"""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|\Z)|(\S+)')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
MOST_WORDS: Final = 8
"""Words after these are searched for as one phrase: each of them costs a look at every row."""


def split(text: str) -> tuple[str, ...]:
    """Return the words and the phrases in quotation marks of ``text``, at most ``MOST_WORDS``."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        if len(found) == MOST_WORDS - 1:
            rest = text[match.start() :].strip()
            alone = match.end() == len(text.rstrip())
            found.append(_plain(match) if alone else rest)
            break
        found.append(_plain(match))
    return tuple(word for word in found if word)


def quoted(word: str) -> str:
    """Return ``word`` in quotation marks."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(match: re.Match[str]) -> str:
    return match[2] if match[1] is None else _ESCAPED.sub(r"\1", match[1])
