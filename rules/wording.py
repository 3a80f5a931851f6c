"""Mistakes of rules in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop

from rules.engine.registry import registry
from rules.engine_words import CONSTRUCTS, OF_JINJA, TOKENS
from rules.engine_words import SENTENCES as OF_ENGINE
from rules.exceptions import RuleProblem
from rules.problem_words import KINDS
from rules.problem_words import SENTENCES as OF_PARSER

WAITING_AND_UNDOING: Final = (
    gettext_noop("The rule %(name)s can make the job wait, which is not possible inside %(holder)s."),
    gettext_noop("Call it before or after the %(holder)s."),
    gettext_noop("%(what)s can make the job wait, which is not possible in %(step)s."),
    gettext_noop("Put it into PRE, RUN or POST."),
    gettext_noop("%(what)s can make the job wait, which is not possible inside %(holder)s."),
    gettext_noop("Put it before or after the %(holder)s."),
    gettext_noop("%(what)s is not possible in %(step)s."),
    gettext_noop("Put it into one of: %(others)s."),
    gettext_noop("%(key)s means nothing for %(operation)s."),
    gettext_noop("Take it out."),
    gettext_noop("%(operation)s holds more than %(limit)d operations."),
    gettext_noop("Put some of them into groups, or write several of it."),
    gettext_noop("With the rules it calls, the rule has more than %(limit)d operations."),
    gettext_noop("Call fewer rules."),
    gettext_noop("trap means nothing without on_error: trap."),
    gettext_noop("Write on_error: trap."),
    gettext_noop("rollback_if_failed means nothing without rollback."),
    gettext_noop("Write rollback: and the operations that undo this one."),
    gettext_noop("Nothing is undone in %(place)s."),
    gettext_noop("Write trap: {timeout: 1h, on_timeout: abort, max_retries: 3}."),
    gettext_noop("Write user:ana or group:qa."),
    gettext_noop('Write a list: ["group:qa", "user:ana"].'),
    gettext_noop('Write approvers (a list such as ["group:qa"]), min and exclude_creator.'),
    gettext_noop("%(operation)s stores what it is given, and a secret must not be stored."),
    gettext_noop("Use {{ secrets.x }} where it is needed, such as in run."),
)
"""What the parser says of waits, traps and rollbacks: it knows no Django, so the catalogue learns its words here."""

_KIND: Final = "|".join(re.escape(kind) for kind in sorted(KINDS, key=len, reverse=True))
_KINDS: Final = re.compile(rf"({_KIND})( or (?:{_KIND}))*")
_QUOTED: Final = r"""'.*'|".*\""""
_FILLED: Final[Mapping[str, str]] = {
    # Narrow, so that what a rule's author wrote is not taken for a sentence of the engine.
    "kind": f"(?i:{_KIND})",
    "word": rf"{_QUOTED}|-?[\d.]+|True|False|None",
    "number": r"-?\d+",
    "call": r"\w+\(\)",
    "token": _QUOTED,
    "tags": _QUOTED,
    "constant": "True|False|None",
}
"""What may fill a place, by its name without digits behind; anything fills one that is not here."""

_LONGEST: Final = 4_000
"""Characters of what is looked for here: sentences of the engine are short, a rule's own may be as long as it likes."""

_AN_OPERATION: Final = re.compile(r"([a-z_]+): (.+)", re.DOTALL)


def message_of(problem: RuleProblem) -> str:
    """Return what is wrong."""
    return _filled(problem.template, problem.params, problem.message)


def hint_of(problem: RuleProblem) -> str:
    """Return what to write instead, or an empty text."""
    return (
        _filled(problem.hint_template, problem.params, problem.hint)
        if problem.hint_template
        else problem.hint
    )


def _filled(template: str, params: Mapping[str, Any], english: str) -> str:
    filled = gettext(template) % _worded(params)
    # Expressions and templates say theirs filled in already.
    return translated(english) if filled == english else filled


def translated(text: str) -> str:
    """Return English sentences of the engine in the reader's language; others, such as a rule's own, stay as they are.

    Args:
        text: One or several sentences. Where an operation's arguments do not fit, they follow its key.
    """
    if len(text) > _LONGEST:
        return text
    found = _AN_OPERATION.fullmatch(text)
    if found and registry.get(found[1]) is not None:
        return f"{found[1]}: {_several(found[2], (*_patterns(OF_ENGINE), *_patterns(_OF_ARGUMENTS)))}"
    return _several(text, _patterns((*OF_ENGINE, *_AFTER_ANOTHER)))


_AFTER_ANOTHER: Final = tuple(f"{text}." for text in OF_JINJA)
_OF_ARGUMENTS: Final = (*OF_PARSER, *WAITING_AND_UNDOING)


@cache
def _patterns(sentences: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(text), text) for text in sentences)


def _pattern(text: str) -> re.Pattern[str]:
    """Return what an English sentence with places looks like when they are filled."""
    parts = re.split(r"%\((\w+)\)[sd]", text)
    made = [re.escape(part.replace("%%", "%")) for part in parts]
    for index in range(1, len(parts), 2):
        made[index] = f"(?P<{parts[index]}>{_FILLED.get(parts[index].rstrip('0123456789'), '.+')})"
    return re.compile("".join(made), re.DOTALL)


def _several(text: str, patterns: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    """Return the sentences of ``text`` that are known one by one, and the rest as it is."""
    done: list[str] = []
    begin = 0
    for end in (*(found.end() for found in re.finditer(r"[.?](?= )", text)), len(text)):
        told = _one(text[begin:end], patterns)
        if told is not None:
            done.append(told)
            begin = end + 1
    return " ".join([*done, text[begin:]] if begin < len(text) else done)


def _one(text: str, patterns: tuple[tuple[re.Pattern[str], str], ...]) -> str | None:
    for pattern, template in patterns:
        if found := pattern.fullmatch(text):
            return _known(template) % {name: _place(name, value) for name, value in found.groupdict().items()}
    return None


def _known(template: str) -> str:
    return f"{gettext(template[:-1])}." if template in _AFTER_ANOTHER else gettext(template)


def _place(name: str, value: str) -> str:
    match name.rstrip("0123456789"):
        case "kind":
            first = value[0].lower() + value[1:]
            kind = gettext(first)
            return kind if first == value else kind[:1].upper() + kind[1:]
        case "construct":
            return gettext(value) if value in CONSTRUCTS else value
        case "token":
            return f"{value[0]}{gettext(value[1:-1])}{value[-1]}" if value[1:-1] in TOKENS else value
        case "reason":
            return (_one(f"{value}.", _patterns(_AFTER_ANOTHER)) or f"{value}.")[:-1]
        case "found" | "wanted":
            return _kinds(value)
        case _:
            return value


def _worded(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params with the kinds of values in the reader's language; names and values stay as they are."""
    return {
        name: _kinds(value) if name in {"found", "wanted"} and isinstance(value, str) else value
        for name, value in params.items()
    }


def _kinds(text: str) -> str:
    if _KINDS.fullmatch(text) is None:
        return text
    if text in KINDS:
        return gettext(text)
    # One of the kinds holds the word between them.
    parts = text.replace("true or false", "true_or_false").split(" or ")
    return gettext(" or ").join(gettext(part.replace("true_or_false", "true or false")) for part in parts)
