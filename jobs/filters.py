"""Query parameters of lists of jobs, read strictly: page, API and exports narrow a list by the same code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from typing import Final

from jobs.choices import JobType, StatusChoice, StepChoice
from jobs.exceptions import InvalidInput
from jobs.keyset import Ordering
from jobs.search_words import split
from jobs.selectors import DATE_FIELDS, JobFilter

KNOWN_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "status": tuple(StatusChoice.values),
    "step": tuple(StepChoice.values),
    "type": tuple(JobType.values),
}
"""Filters whose values are fixed; a value that is none of them is a mistake and not an empty list."""

CODES: Final = ("environment", "project", "nature", "rule", "created_by")
"""Filters whose values are codes. An unknown code finds nothing, as one that the reader may not know."""

DATES: Final = tuple(f"{name}_{side}" for name in DATE_FIELDS for side in ("after", "before"))
TEXT: Final = "q"
NEGATION: Final = "exclude_"
MULTIPLE: Final = (*KNOWN_VALUES, *CODES)
"""Filters with several values; each has a negation, ``exclude_status``."""

NEGATED: Final = {f"{NEGATION}{name}": name for name in MULTIPLE}
"""What each negation is one of."""

PARAMETERS: Final = (*MULTIPLE, *NEGATED, TEXT, *DATES)
REPEATABLE: Final = frozenset((*MULTIPLE, *NEGATED))
LONGEST_TEXT: Final = 200
MOST_VALUES: Final = 200
MOST_LISTED: Final = 20
"""So many known values a message lists when none is near."""

YEARS: Final = (1970, 2200)
"""From the first to the last year of which a time may be named: every time zone can show it."""
_OUT_OF_RANGE: Final = "This time is out of range: use the years 1970 to 2200."

_NULLABLE: Final = frozenset({"started_at", "finished_at"})
_SPACE_FOR_PLUS: Final = re.compile(r" (?=\d\d:?\d\d\Z)")


def _orderings() -> Iterator[Ordering]:
    for sign in ("-", ""):
        yield Ordering(f"{sign}id", "id", descending=bool(sign))
        for column in (*DATE_FIELDS.values(), "max_start_at"):
            nullable = column in _NULLABLE
            yield Ordering(f"{sign}{column}", column, "datetime", descending=bool(sign), nullable=nullable)


ORDERINGS: Final = {ordering.name: ordering for ordering in _orderings()}
NEWEST_FIRST: Final = ORDERINGS["-id"]
PAGE_ORDERINGS: Final = {
    **ORDERINGS,
    "name": Ordering("name", "name", "str", tie="name"),
    "-name": Ordering("-name", "name", "str", descending=True, tie="name"),
}
"""Those of the page, where a heading orders by the name; the API's are the contract's."""


def parse_filter(
    parameters: Mapping[str, Sequence[str]],
    *,
    zone: tzinfo | None = None,
    unknown_value: Callable[[str, str], str] | None = None,
) -> JobFilter:
    """Return the filter that ``parameters`` ask for; those that are no filters are left to the caller.

    Args:
        parameters: Values by name, as in a query string. Empty values are left out, as forms send them.
        zone: Of the reader, for times without one. ``None`` refuses these.
        unknown_value: Returns the message for a value that a filter with fixed values does not have: it takes the
            filter's name, without its negation, and the value. ``None`` says it with codes, as the API does.

    Raises:
        InvalidInput: Names every parameter that is not usable.
    """
    errors: dict[str, list[str]] = {}
    given = {name: [text for text in parameters.get(name, ()) if text] for name in PARAMETERS}
    for name, texts in given.items():
        errors.update(_plain_mistakes(name, texts))
    for name in REPEATABLE:
        for mistake in _unknown_values(NEGATED.get(name, name), given[name], unknown_value):
            errors.setdefault(name, []).append(mistake)
    bounds: dict[str, datetime] = {}
    for name in DATES:
        for text in given[name] if name not in errors else ():
            try:
                bounds[name] = parse_time(text, zone=zone)
            except ValueError as error:
                errors[name] = [str(error)]
    if errors:
        raise InvalidInput(errors)
    return JobFilter(
        values={name: tuple(given[name]) for name in sorted(MULTIPLE) if given[name]},
        without={name: tuple(given[negation]) for negation, name in NEGATED.items() if given[negation]},
        # Quotation marks around nothing ask for nothing: they are no filter.
        text="".join(given[TEXT]).strip() if any(map(split, given[TEXT])) else "",
        after={name: bounds[f"{name}_after"] for name in DATE_FIELDS if f"{name}_after" in bounds},
        before={name: bounds[f"{name}_before"] for name in DATE_FIELDS if f"{name}_before" in bounds},
    )


def _unknown_values(
    field: str, texts: Sequence[str], said: Callable[[str, str], str] | None
) -> Iterator[str]:
    """Yield what is wrong with the values of a filter that has fixed ones; ``said`` as in ``parse_filter``."""
    known = KNOWN_VALUES.get(field, ())
    for text in texts if known else ():
        if text not in known:
            yield said(field, text) if said else unknown(text, known)


def parse_ordering(texts: Sequence[str], known: Mapping[str, Ordering] = ORDERINGS) -> Ordering:
    """Return the ordering asked for, the newest job first when none is.

    Raises:
        InvalidInput: It is none of ``known``, or more than one is asked for.
    """
    if not texts:
        return NEWEST_FIRST
    if len(texts) > 1:
        raise InvalidInput({"ordering": ["Give this parameter once."]})
    if texts[0] not in known:
        raise InvalidInput({"ordering": [unknown(texts[0], known)]})
    return known[texts[0]]


def parse_time(text: str, *, zone: tzinfo | None = None) -> datetime:
    """Return the moment that ``text`` names in ISO 8601; a date alone is its first moment.

    Args:
        text: ``2026-03-01T10:00:00Z``; in an address ``+01:00`` may arrive with a space for its sign.
        zone: For a text without one, ``None`` refuses it.

    Raises:
        ValueError: With a message for the asker.
    """
    written = _SPACE_FOR_PLUS.sub("+", text)
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("Write the time in ISO 8601, such as 2026-03-01T10:00:00Z.") from None
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError("Say the time zone, such as 2026-03-01T10:00:00Z.")
        moment = moment.replace(tzinfo=zone)
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise ValueError(_OUT_OF_RANGE)
    return moment.astimezone(UTC)


def unknown(text: str, known: Iterable[str], what: str = "value") -> str:
    """Return the message for a value that is none of ``known``, with the nearest one, or all when they are few."""
    choices = list(known)
    near = get_close_matches(text, choices, n=1) or get_close_matches(text.lower(), choices, n=1)
    near = near or get_close_matches(text.upper(), choices, n=1)
    listed = f" Use one of: {', '.join(choices)}." if 0 < len(choices) <= MOST_LISTED else ""
    advice = f" Did you mean {near[0]}?" if near else listed
    return f"Unknown {what}: {text[:50]}.{advice}"


def _plain_mistakes(name: str, texts: Sequence[str]) -> dict[str, list[str]]:
    if any("\x00" in text for text in texts):
        return {name: ["Null characters are not allowed."]}
    if any(len(text) > LONGEST_TEXT for text in texts):
        return {name: [f"Use at most {LONGEST_TEXT} characters."]}
    if name not in REPEATABLE and len(texts) > 1:
        return {name: ["Give this parameter once."]}
    if len(texts) > MOST_VALUES:
        return {name: [f"Give at most {MOST_VALUES} values."]}
    return {}
