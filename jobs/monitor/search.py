"""The search box of the monitor: what was typed becomes the address, or a message that says what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import filters, selectors
from jobs.exceptions import InvalidInput
from jobs.monitor import listing, query_text, wrong_values
from jobs.monitor.query_text import Fault, Mistake, QueryTextError
from jobs.monitor.view_query import pairs
from jobs.monitor.wrong_values import language
from jobs.wording import translated
from permissions import policy
from permissions.policy import AnyUser

PARAMETER: Final = "search"
MOST_SUGGESTED: Final = 3
"""For so many codes of one field that nothing has, what is near is named."""

MOST_NAMES: Final = 2000
"""A code is compared with so many others when what was typed is none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a search: the address that it means, or messages."""

    address: str = ""
    messages: tuple[str, ...] = ()


def written(parameters: QueryDict) -> str:
    """Return the filters of an address as one would type them."""
    return query_text.render(dict(parameters.lists()), language())


def read(user: AnyUser, parameters: QueryDict) -> Reading:
    """Return what the text in ``parameters`` means; order, columns, groups and view of the address stay as they are.

    Args:
        user: A code that none of the things has that they may know is a mistake, and what is near is named.
        parameters: Of the address. Filters beside the text are dropped, for the text says all of them.
    """
    text = " ".join(parameters.getlist(PARAMETER)).strip()
    try:
        found = query_text.parse(text, language())
        filters.parse_filter(found, zone=timezone.get_current_timezone())
    except QueryTextError as error:
        return Reading(messages=tuple(_in_words(mistake) for mistake in error.mistakes))
    except InvalidInput as error:
        return Reading(
            messages=tuple(
                f"{listing.label_of(name)}: {translated(text)}"
                for name, texts in error.errors.items()
                for text in texts
            )
        )
    if unknown := tuple(_settle_codes(user, found)):
        return Reading(messages=unknown)
    kept = pairs(parameters, without=(*filters.PARAMETERS, PARAMETER))
    said = [(name, value) for name, values in found.items() for value in values]
    return Reading(address="?" + urlencode([*said, *kept]))


def _in_words(mistake: Mistake) -> str:
    near = " " + _("Did you mean %(near)s?") % {"near": mistake.near} if mistake.near else ""
    values = {"piece": mistake.piece[:60], "name": mistake.name[:60]}
    if mistake.fault is Fault.UNKNOWN_FIELD:
        advice = near or " " + _("In quotation marks it is text.")
        return _("There is no field %(name)s.") % values + advice
    if mistake.fault is Fault.UNKNOWN_VALUE:
        return f"{listing.label_of(mistake.field)}: {wrong_values.of_field(mistake.field, mistake.name)}"
    return _SENTENCES[mistake.fault]() % values


_SENTENCES: Final[Mapping[Fault, Callable[[], str]]] = {
    Fault.NO_VALUE: lambda: _("%(piece)s: say a value after the field %(name)s."),
    Fault.NOT_A_DATE_FIELD: lambda: _("%(piece)s: only dates are compared; write %(name)s: and a value."),
    Fault.NOT_NEGATABLE: lambda: _(
        "%(piece)s: only a field with a value can be left out, such as -rule:web. In quotation marks it is text."
    ),
    Fault.NOT_TO_THE_END: lambda: _(
        "%(piece)s: write a day such as 2026-01-31, or compare with > and < for a time."
    ),
    Fault.TWICE: lambda: _("%(piece)s: a date has one beginning and one end."),
    Fault.EMPTY: lambda: _("%(piece)s: write what to look for between the quotation marks."),
    Fault.TOO_LONG: lambda: _("%(piece)s: this is too long."),
}


def _settle_codes(user: AnyUser, found: dict[str, list[str]]) -> list[str]:
    """Write each code as it is written where it is, and return a message for each that nothing has that the reader may know of.

    Users are not asked for: a job remains when its creator is gone.
    """
    messages = []
    for field, things in _THINGS.items():
        names = [name for name in (field, f"{filters.NEGATION}{field}") if name in found]
        asked = {code for name in names for code in found[name]}
        if not asked:
            continue
        codes, column = things(user)
        known = set(codes.filter(**{f"{column}__in": asked}).values_list(column, flat=True))
        if not (missing := sorted(asked - known)):
            continue
        others = list(codes.values_list(column, flat=True)[:MOST_NAMES])
        as_written = {other.lower(): other for other in others}
        settled = {code: as_written[code.lower()] for code in missing if code.lower() in as_written}
        for name in names if settled else ():
            found[name] = [settled.get(each, each) for each in found[name]]
        for place, code in enumerate(code for code in missing if code not in settled):
            near = query_text.near_to(code, others) if place < MOST_SUGGESTED else ""
            advice = " " + _("Did you mean %(near)s?") % {"near": near} if near else ""
            values = {"label": listing.label_of(field), "name": code[:60]}
            messages.append(_("%(label)s: there is no %(name)s.") % values + advice)
    return messages


_THINGS: Final[dict[str, Callable[[AnyUser], tuple[QuerySet[Any], str]]]] = {
    "environment": lambda user: (policy.environments_for(user), "code"),
    "project": lambda user: (selectors.visible_projects(user), "code"),
    "nature": lambda user: (selectors.visible_natures(user), "code"),
    "rule": lambda user: (selectors.visible_rules(user), "slug"),
}
