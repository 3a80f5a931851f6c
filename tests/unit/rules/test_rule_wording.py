"""Mistakes about waits and rollbacks, in the reader's language."""

from __future__ import annotations

import pytest
from django.utils import translation

from rules.exceptions import RuleInvalid
from rules.parser import parse
from rules.wording import WAITING_AND_UNDOING, hint_of, message_of


@pytest.mark.parametrize(
    ("steps", "message", "hint"),
    [
        (
            "PRE: [{parallel: [{approval: {}}]}]",
            "approval puede hacer esperar al pase, y eso no es posible dentro de parallel.",
            "Ponlo antes o después de parallel.",
        ),
        (
            "INIT: [{log: x, on_error: trap}]",
            "on_error: trap puede hacer esperar al pase, y eso no es posible en INIT.",
            "Ponlo en PRE, RUN o POST.",
        ),
        (
            "RUN: [{log: x, rollback_if_failed: true}]",
            "rollback_if_failed no significa nada sin rollback.",
            "Escribe rollback: y las operaciones que deshacen esta.",
        ),
    ],
)
def test_mistakes_about_waits_and_rollbacks_are_told_in_spanish(steps: str, message: str, hint: str) -> None:
    with pytest.raises(RuleInvalid) as found:
        parse(f"name: r\nsteps:\n  {steps}\n")
    with translation.override("es"):
        assert (message, hint) in [(message_of(each), hint_of(each)) for each in found.value.problems]


def test_all_of_them_have_a_spanish_one() -> None:
    with translation.override("es"):
        same = [text for text in WAITING_AND_UNDOING if translation.gettext(text) == text]
    assert same == []
