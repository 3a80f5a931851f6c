"""Query parameters, path parameters and headers, each described once."""

from __future__ import annotations

from typing import Any, Final

from jobs import filters, idempotency, selectors
from jobs.api import idempotency as once
from jobs.api import log, pagination, stream
from jobs.api.schema.fields import CODE_PATTERN
from jobs.choices import StepChoice

Schema = dict[str, Any]
Parameter = dict[str, Any]

_LARGEST_ATTEMPT: Final = 2**31 - 1
_TEXT: Final[Schema] = {"type": "string", "maxLength": filters.LONGEST_TEXT}


def _one_of(values: Any) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def _whole(least: int, most: int, default: int | None = None) -> Schema:
    found = {"type": "integer", "minimum": least, "maximum": most}
    return found if default is None else {**found, "default": default}


def _several(schema: Schema) -> Schema:
    return {"type": "array", "items": schema, "maxItems": filters.MOST_VALUES}


def _query(name: str, schema: Schema, description: str) -> Parameter:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _filters() -> dict[str, tuple[Schema, str]]:
    """Return schema and description of each filter of jobs."""
    found: dict[str, tuple[Schema, str]] = {
        name: (_several(_one_of(values)), f"Jobs with one of these values of `{name}`; repeat the parameter.")
        for name, values in filters.KNOWN_VALUES.items()
    }
    for name in filters.CODES:
        found[name] = (
            _several(_TEXT),
            f"Jobs with one of these values of `{name}`; repeat the parameter. An unknown one finds nothing.",
        )
    for negation, name in filters.NEGATED.items():
        known = filters.KNOWN_VALUES.get(name)
        values = _several(_one_of(known) if known else _TEXT)
        found[negation] = (values, f"Jobs with none of these values of `{name}`; repeat the parameter.")
    for name in filters.DATES:
        column, _, side = name.rpartition("_")
        bound = "at or after" if side == "after" else "before"
        moment = {"type": "string", "format": "date-time"}
        found[name] = (moment, f"Jobs whose `{selectors.DATE_FIELDS[column]}` is {bound} this time.")
    text = (
        "Words, all of which are found: each as part of the name or comment, as a job's number, a ref, or the beginning of a "
        'commit. "Words in quotation marks" are one.'
    )
    found[filters.TEXT] = (_TEXT, text)
    return found


def _usual() -> dict[str, tuple[Schema, str]]:
    most = pagination.MOST
    return {
        **_filters(),
        "ordering": (
            {**_one_of(filters.ORDERINGS), "default": filters.NEWEST_FIRST.name},
            "The order; `-` is descending.",
        ),
        pagination.CURSOR: (
            {"type": "string"},
            "Where the page begins: only out of `next` and `previous` of an answer.",
        ),
        pagination.LIMIT: (_whole(1, most, pagination.DEFAULT_LIMIT), "Most rows on a page."),
        "attempt": (_whole(1, _LARGEST_ATTEMPT), "The attempt; the current one when not given."),
    }


_LOG: Final[dict[str, tuple[Schema, str]]] = {
    "step": (_one_of(StepChoice.values), "Lines of this step."),
    "operation": ({"type": "string", "maxLength": 500}, "Lines of the operation with this id."),
    "level": ({"type": "array", "items": _one_of(log.LEVELS)}, "Lines of one of these levels; repeat it."),
    "q": (_TEXT, "Lines with this text, letters' case aside."),
    "after": (_whole(0, selectors.LARGEST_ID), "Lines after the one with this id."),
    "limit": (_whole(1, log.MOST, log.DEFAULT_LIMIT), "Most lines on a page."),
}

_AT: Final[tuple[Schema, str]] = (
    {"type": "string", "format": "date-time"},
    "As it was then; now when not given.",
)

USUAL: Final = _usual()
OTHER: Final[dict[str, dict[str, tuple[Schema, str]]]] = {
    "jobs/{job_id}/log/": _LOG,
    "jobs/{job_id}/log/download/": _LOG,
    "jobs/{job_id}/wait/": {
        "until": (
            {**_one_of(stream.UNTIL), "default": stream.ENDED},
            "What is waited for: a status, or that the job has ended.",
        ),
        "timeout": (_whole(0, stream.LONGEST_TIMEOUT, stream.USUAL_TIMEOUT), "How many seconds to wait."),
    },
    "stream/": {
        "job": (_whole(0, selectors.LARGEST_ID), "Only what happens to this job."),
        "hints": (
            {"type": "boolean", "default": False},
            "Tell at most once a second which jobs something happened to, instead of what; for pages that ask themselves.",
        ),
        "events": (
            {"type": "string", "pattern": "^(job|log)(,(job|log))*$"},
            "Which events; both when not given.",
        ),
        "last_event_id": (
            {"type": "string"},
            "As the header `Last-Event-ID`, for readers that cannot send one.",
        ),
    },
    "grants/": {
        "principal": ({**_TEXT, "pattern": "^(user|group):."}, "Grants of this user or group."),
        "environment": (_TEXT, "Grants on this environment; `*` for those on all of them."),
    },
    "schedules/": {
        "environment": (_TEXT, "Schedules of this environment."),
        "project": (_TEXT, "Schedules of this project."),
        "rule": (_TEXT, "Schedules of this rule."),
    },
    "tokens/": {"user": (_TEXT, "Tokens of this user.")},
    "deployments/": {
        "environment": (_several(_TEXT), "Places in one of these environments; repeat the parameter."),
        "project": (_several(_TEXT), "Places of one of these projects; repeat the parameter."),
        "at": _AT,
    },
    "deployments/drift/": {
        "project": (_TEXT, "The project."),
        "from": (_TEXT, "The environment whose commits are `ahead`."),
        "to": (_TEXT, "The environment that it is compared with."),
        "at": _AT,
    },
}
"""By address, where a name means something of its own."""

REQUIRED: Final = {"deployments/drift/": ("project", "from", "to")}
"""By address, the query parameters that have to be given."""

PATHS: Final[dict[str, tuple[Schema, str]]] = {
    "job_id": (_whole(1, selectors.LARGEST_ID), "Number of the job."),
    "code": ({"type": "string", "maxLength": 50, "pattern": CODE_PATTERN}, "The code."),
    "grant": ({"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}, "Id of the grant."),
    "username": ({"type": "string", "minLength": 1, "maxLength": 150}, "Name of the user."),
    "name": ({"type": "string", "minLength": 1, "maxLength": 150}, "The name."),
    "token_id": (_whole(1, selectors.LARGEST_ID), "Number of the token."),
    "subscription_id": (_whole(1, selectors.LARGEST_ID), "Number of the subscription."),
    "delivery_id": (_whole(1, selectors.LARGEST_ID), "Number of the delivery."),
    "slug": ({"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}, "Slug of the rule."),
}

IDEMPOTENCY_KEY: Final[Parameter] = {
    "name": once.HEADER,
    "in": "header",
    "description": (
        "Made up by the asker, once for each thing to do. The same key with the same body is answered for 24 hours "
        "as the first time, without doing it again; a refused request does not use the key up."
    ),
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": idempotency.LONGEST,
        "pattern": "^[ -~]+$",
    },
}

IF_NONE_MATCH: Final[Parameter] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an answer that the asker has: when it is still the same, 304 without a body.",
    "schema": {"type": "string"},
}
LAST_EVENT_ID: Final[Parameter] = {
    "name": stream.LAST_EVENT_ID,
    "in": "header",
    "description": "The `id` of the last event that was read: what happened since comes first.",
    "schema": {"type": "string"},
}


def query_parameter(address: str, name: str) -> Parameter:
    """Return the description of a query parameter.

    Args:
        address: What follows ``/api/v1/``.
        name: Of the parameter.

    Raises:
        LookupError: Nothing here describes it.
    """
    found = OTHER.get(address, {}).get(name) or USUAL.get(name)
    if found is None:
        raise LookupError(f"The query parameter {name} of {address} is described nowhere.")
    must = {"required": True} if name in REQUIRED.get(address, ()) else {}
    return {**_query(name, *found), **must}


def headers(address: str, *, lasts: bool) -> list[Parameter]:
    """Return the headers that reading takes; what is sent piece by piece is never the same again."""
    if address == "stream/":
        return [LAST_EVENT_ID]
    return [] if lasts else [IF_NONE_MATCH]


def path_parameter(address: str, name: str) -> Parameter:
    """Return the description of a part of an address.

    Args:
        address: What follows ``/api/v1/``.
        name: Of the part.

    Raises:
        LookupError: Nothing here describes it.
    """
    if name not in PATHS:
        raise LookupError(f"The part {name} of an address is described nowhere.")
    schema, description = PATHS["code" if address.startswith("schedules/") else name]
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}
