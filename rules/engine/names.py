"""Names in rules: which are known everywhere, and which a rule may give itself. Pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

ROOT_NAMES: Final = frozenset(
    {
        "job",
        "environment",
        "project",
        "revision",
        "revisions",
        "natures",
        "step",
        "attempt",
        "outcome",
        "variables",
        "secrets",
    }
)
"""What expressions and templates know in every job."""

SECRETS: Final = "secrets"
"""The one of them that must not be stored."""

MAX_CANDIDATES: Final = 60
"""How many names are compared: a rule, or a value, may hold very many."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


def is_identifier(name: str) -> bool:
    """Return whether expressions can read ``name``."""
    return _IDENTIFIER.fullmatch(name) is not None and not keyword.iskeyword(name)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return the name out of ``known`` that ``word`` most likely means, or an empty text."""
    if len(known) > MAX_CANDIDATES:
        known = [name for name in known if name[:1] == word[:1] and abs(len(name) - len(word)) <= 3][
            :MAX_CANDIDATES
        ]
    close = get_close_matches(
        word[:100].lower(), {name.lower(): name for name in known if name}, n=1, cutoff=0.6
    )
    if not close:
        return ""
    return next(name for name in known if name.lower() == close[0])
