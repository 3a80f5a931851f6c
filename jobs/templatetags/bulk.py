"""What the bar of the selection offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django import template
from django.http import HttpRequest

from jobs import filters
from jobs.monitor.dialogs import DIALOGS, Dialog
from jobs.monitor.listing import Chip

register = template.Library()

_FIRST: Final = ("rerun", "run_now", "cancel")
"""What most people select several jobs for; the others are a click further."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the bar shows.

    Attributes:
        parameters: The filter of the list, and the whole address to come back to.
        matching: How many jobs match it, as the chips count them; empty when nobody knows.
        first: The actions with buttons of their own.
    """

    parameters: list[tuple[str, str]]
    matching: str
    first: list[Dialog]


@register.simple_tag
def bulk_offer(request: HttpRequest, chips: Iterable[Chip]) -> Offer:
    """Return what the bar of the list at this address offers."""
    query = request.GET
    narrowing = [
        (name, value)
        for name, values in query.lists()
        if name.removeprefix("exclude_") in filters.PARAMETERS
        for value in values
        if value
    ]
    parameters = [*narrowing, ("back", query.urlencode())]
    return Offer(parameters, matching(list(chips or ())), [DIALOGS[key] for key in _FIRST])


def matching(chips: list[Chip]) -> str:
    """Return the sum of the counts per status, of the selected ones when there are any; ``999+`` stays open.

    A status that is left out does not count, selected or not.
    """
    counted = [chip for chip in chips if chip.selected] or chips
    texts = [chip.count for chip in counted if not chip.negated]
    numbers = [int(text.rstrip("+")) for text in texts if text.rstrip("+").isdecimal()]
    if not numbers or len(numbers) < len(texts):
        return ""
    return f"{sum(numbers)}+" if any(text.endswith("+") for text in texts) else str(sum(numbers))
