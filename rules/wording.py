"""Mistakes of rules in the reader's language."""

from __future__ import annotations

from django.utils.translation import gettext

from rules.exceptions import RuleProblem


def message_of(problem: RuleProblem) -> str:
    """Return what is wrong."""
    return gettext(problem.template) % problem.params


def hint_of(problem: RuleProblem) -> str:
    """Return what to write instead, or an empty text."""
    return gettext(problem.hint_template) % problem.params if problem.hint_template else problem.hint
