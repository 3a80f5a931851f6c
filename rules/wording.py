"""Mistakes of rules in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop

from rules.exceptions import RuleProblem
from rules.problem_words import KINDS

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


_KINDS: Final = re.compile(
    rf"({'|'.join(re.escape(kind) for kind in sorted(KINDS, key=len, reverse=True))})"
    rf"( or (?:{'|'.join(re.escape(kind) for kind in KINDS)}))*"
)


def message_of(problem: RuleProblem) -> str:
    """Return what is wrong."""
    return gettext(problem.template) % _worded(problem.params)


def hint_of(problem: RuleProblem) -> str:
    """Return what to write instead, or an empty text."""
    return gettext(problem.hint_template) % _worded(problem.params) if problem.hint_template else problem.hint


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
