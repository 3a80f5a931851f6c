"""The panels of the monitor: every filter as a field, the columns to choose and order, the groups, and the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs import filters, selectors
from jobs.choices import JobType, StatusChoice, StepChoice
from jobs.exceptions import InvalidInput
from jobs.monitor import columns, listing
from jobs.monitor.columns import COLUMNS
from jobs.monitor.export import FORMATS
from jobs.monitor.names import creators
from jobs.monitor.view_query import GROUPS, TIME, Query, address, given_values, pairs
from jobs.monitor.wrong_values import no_value
from permissions import policy
from permissions.policy import AnyUser

MOST_CHOICES: Final = 300
"""A field offers so many; others are typed in the search box."""

PANELS: Final[dict[str, Promise]] = {"filters": _("Filters"), "columns": _("Columns")}
_CHOSEN: Final = ("column", "move")


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose, with whether it is chosen."""

    value: str
    label: str
    chosen: bool = False
    is_first: bool = False
    is_last: bool = False
    always: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A filter as a field of the panel.

    Attributes:
        name: Of the parameter.
        label: For people.
        kind: ``checks``, ``several`` or ``date``.
        choices: What it offers.
        value: What is in it, for dates.
    """

    name: str
    label: str
    kind: str
    choices: list[Choice]
    value: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A way to look at the list."""

    label: str
    href: str
    current: bool = False


def fields(user: AnyUser, parameters: QueryDict) -> list[Field]:
    """Return the fields of the panel of filters, as the address fills them. Six queries.

    Args:
        user: Only what the reader may know of is offered.
        parameters: Of the address. A value that is none of those offered is offered, too, so that sending keeps it.
    """
    given = given_values(parameters)
    labels: dict[str, list[tuple[str, Any]]] = {
        "status": StatusChoice.choices,
        "step": StepChoice.choices,
        "type": JobType.choices,
    }
    codes: dict[str, Sequence[str]] = {
        "environment": list(policy.environments_for(user).values_list("code", flat=True)[:MOST_CHOICES]),
        "project": _first(selectors.visible_projects(user), "code"),
        "rule": _first(selectors.visible_rules(user), "slug"),
        "nature": _first(selectors.visible_natures(user), "code"),
        "created_by": creators(user),
    }
    found = []
    for name, choices in labels.items():
        offered = [Choice(value, str(label), value in given.get(name, ())) for value, label in choices]
        found.append(Field(name, listing.label_of(name), "checks", offered))
    for name, known in codes.items():
        chosen = given.get(name, [])
        offered = [Choice(code, code, code in chosen) for code in dict.fromkeys([*known, *chosen])]
        found.append(Field(name, listing.label_of(name), "several", offered))
    for name in filters.DATES:
        found.append(Field(name, listing.label_of(name), "date", [], "".join(given.get(name, [])[:1])))
    return found


def _first(things: QuerySet[Any], column: str) -> list[str]:
    return list(things.order_by(column).values_list(column, flat=True)[:MOST_CHOICES])


def choices(query: Query) -> list[Choice]:
    """Return all columns, those that are shown first, in their order."""
    shown = [column.key for column in query.columns]
    others = [key for key in COLUMNS if key not in shown]
    keys = [*shown, *others]
    return [
        Choice(
            key,
            str(COLUMNS[key].label),
            key in shown,
            is_first=place == 0,
            is_last=place == len(keys) - 1,
            always=key == columns.ALWAYS,
        )
        for place, key in enumerate(keys)
    ]


def is_chosen(parameters: QueryDict) -> bool:
    """Return whether the panel of columns was sent."""
    return any(name in parameters for name in _CHOSEN)


def address_of(parameters: QueryDict) -> str:
    """Return the address with the columns that the panel says: what is ticked, in the order of the panel, after a move."""
    ticked = parameters.getlist("column")
    order = [key for key in parameters.getlist("at") if key in COLUMNS] or list(COLUMNS)
    move = parameters.get("move", "")
    shown = [key for key in columns.moved(order, move) if key in ticked]
    kept = pairs(parameters, without=("columns", "at", *_CHOSEN))
    written = columns.write(shown)
    found = [*kept, *([("columns", written)] if written else []), *([("panel", "columns")] if move else [])]
    return "?" + urlencode(found) + ("#columns" if move else "")


def opened(parameters: QueryDict) -> str:
    """Return the panel that the address opens, an empty text when it opens none.

    Raises:
        InvalidInput: It is none of ``PANELS``.
    """
    asked = parameters.get("panel", "")
    if asked and asked not in PANELS:
        raise InvalidInput({"panel": [no_value(asked, PANELS)]})
    return asked


def format_of(parameters: QueryDict) -> str:
    """Return the format of the file that is asked for, an empty text when none is.

    Raises:
        InvalidInput: It is none of ``FORMATS``.
    """
    asked = "".join(parameters.getlist("format"))
    if asked and asked not in FORMATS:
        raise InvalidInput({"format": [no_value(asked, {kind: kind for kind in FORMATS})]})
    return asked


def links(parameters: QueryDict) -> list[Link]:
    """Return the ways to open each panel, or to close the one that is open. A closed one costs nothing."""
    opened = parameters.get("panel", "")
    base = urlencode(pairs(parameters))
    found = []
    for name, label in PANELS.items():
        pieces = [piece for piece in (base, "" if name == opened else f"panel={name}") if piece]
        found.append(Link(str(label), f"?{'&'.join(pieces)}", name == opened))
    return found


def group_links(parameters: QueryDict, query: Query) -> list[Link]:
    """Return the ways to put the list in groups."""
    return [
        Link(str(label), _grouped(parameters, group), group == query.group) for group, label in GROUPS.items()
    ]


def _grouped(parameters: QueryDict, group: str) -> str:
    found = parameters.copy()
    # What is folded are groups of another kind.
    found.pop("fold", None)
    return address(found, "group", [group] if group != TIME else [])


def export_links(parameters: QueryDict) -> Iterable[Link]:
    """Return the ways to take the view away as a file."""
    return [Link(kind.upper(), address(parameters, "format", [kind])) for kind in FORMATS]
