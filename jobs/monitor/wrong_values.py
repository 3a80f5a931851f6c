"""What is said of a value that is none of those that there are: on pages in the reader's words, each with its code.

The search box understands words and codes, the address codes alone: ``listo (ready)`` serves in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from jobs.monitor import query_text

MOST_NAMED: Final = 5
"""So many mistakes of one kind are named at once."""

_MEANT: Final = {"sort": "ordering", "order": "ordering", "order_by": "ordering", "orden": "ordering"}


def language() -> str:
    """Return the reader's language as the search box knows it."""
    return (translation.get_language() or "en")[:2]


def no_value(text: str, words: Mapping[str, str | Promise]) -> str:
    """Return the message for a value that is none of ``words``: with the one that is near, else with all of them.

    Args:
        text: What was written.
        words: What may be written, each code with the reader's word for it.
    """
    code_of = {**{str(word): code for code, word in words.items()}, **{code: code for code in words}}
    near = query_text.near_to(text, code_of)
    if near:
        advice = _("Did you mean %(near)s?") % {"near": _both(code_of[near], words)}
    else:
        advice = _("Use one of: %(words)s.") % {"words": ", ".join(_both(code, words) for code in words)}
    return f"{_('%(name)s is no value here.') % {'name': text[:60]}} {advice}"


def of_field(field: str, text: str) -> str:
    """Return the message for a value of a filter whose values are fixed, a status for example."""
    return no_value(
        text, {value: query_text.value_word(field, value, language()) for value in query_text.VALUES[field]}
    )


def unknown_names(names: Iterable[str], known: Iterable[str]) -> dict[str, list[str]]:
    """Return a message for each parameter of an address that means nothing there, by its name: the first few.

    Args:
        names: Of the address.
        known: What it may say. A word of the search box, in either language, leads to the parameter that it stands for.
    """
    choices = list(known)
    found = {}
    for name in islice((name for name in names if name not in choices), MOST_NAMED):
        meant = _MEANT.get(name.lower()) or query_text.field_of(name)
        near = meant if meant in choices else query_text.near_to(name, choices)
        advice = " " + _("Did you mean %(near)s?") % {"near": near} if near else ""
        found[name] = [_("There is no such parameter here.") + advice]
    return found


def unknown_in(query: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return a sentence, with the name, for each parameter of an address that means nothing there: the first few."""
    return [f"{name[:60]}: {' '.join(said)}" for name, said in unknown_names(query, known).items()]


def _both(code: str, words: Mapping[str, str | Promise]) -> str:
    word = str(words[code])
    return code if query_text.folded(word) == query_text.folded(code) else f"{word} ({code})"
