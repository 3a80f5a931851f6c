"""Refusals as the description has them, and those that operations share. What each code means: ``jobs.api.problems``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from jobs.api.errors import CONTENT_TYPE
from jobs.api.problems import KINDS, TYPE

Schema = dict[str, Any]

CODES: Final = {code: (kind.status, f"{kind.meaning} {kind.advice}") for code, kind in KINDS.items()}
"""Status and words by code."""

_MAY_WAIT: Final = frozenset({"throttled", "unavailable", "idempotency_key_in_use"})

_SHARED: Final[dict[tuple[int, tuple[str, ...]], str]] = {
    (400, ("invalid", "bad_request")): "BadParameters",
    (400, ("invalid", "malformed", "bad_request")): "BadBody",
    (401, ("not_authenticated", "authentication_failed")): "Unauthorized",
    (403, ("permission_denied",)): "Forbidden",
    (404, ("not_found",)): "NotFound",
    (406, ("not_acceptable",)): "NotAcceptable",
    (409, ("changed_meanwhile",)): "Conflict",
    (409, ("changed_meanwhile", "idempotency_key_reused", "idempotency_key_in_use")): "KeyConflict",
    (413, ("too_large",)): "TooLarge",
    (415, ("unsupported_media_type",)): "UnsupportedMediaType",
    (429, ("throttled",)): "TooManyRequests",
    (500, ("internal_error",)): "InternalError",
    (503, ("unavailable",)): "Unavailable",
}

_NAMED_JOB: Final[Schema] = {
    "type": "object",
    "properties": {"id": {"type": ["integer", "null"]}, "name": {"type": "string"}},
    "required": ["id", "name"],
}
_ERROR: Final[Schema] = {
    "type": "object",
    "properties": {
        "field": {"type": "string", "description": "`revisions[0].ref`, or `body` for all of it."},
        "message": {"type": "string"},
        "line": {"type": ["integer", "null"], "description": "In a document or the source of a rule."},
        "column": {"type": ["integer", "null"]},
        "document": {"type": ["string", "null"]},
        "hint": {"type": ["string", "null"]},
    },
    "required": ["field", "message"],
}
_REFERENCE: Final[Schema] = {
    "type": "object",
    "properties": {
        "kind": {"type": "string"},
        "name": {"type": "string"},
        "id": {"type": ["integer", "null"]},
    },
    "required": ["kind", "name"],
}
_FILE: Final[Schema] = {
    "type": "object",
    "properties": {
        "document": {"type": "integer", "description": "Its place in the body."},
        "file": {"type": "string"},
    },
    "required": ["document", "file"],
}
PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "A refusal or failure, as RFC 9457 has it. `code` is stable; `detail` is for people.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {"type": "array", "items": _ERROR, "description": "What is wrong with the input."},
        "right": {"type": "string", "description": "With `right_missing`: `action.job.restart`."},
        "job": {**_NAMED_JOB, "description": "With `revision_in_active_job`."},
        "jobs": {"type": "array", "items": _NAMED_JOB, "description": "With `later_jobs`."},
        "grant": {
            "type": "object",
            "properties": {"id": {"type": "string"}},
            "description": "With `grant_exists`.",
        },
        "matching": {"type": "integer", "description": "With `too_many`."},
        "limit": {"type": "integer", "description": "With `too_many`."},
        "files": {"type": "array", "items": _FILE, "description": "With `files_missing`."},
        "operation": {"type": "string", "description": "With `check_failed`: id of what refused."},
        "references": {"type": "array", "items": _REFERENCE, "description": "With `referenced`."},
        "others": {
            "type": "boolean",
            "description": "With `referenced`: there is more, not shown to the asker.",
        },
    },
    "required": ["type", "title", "status", "detail", "code"],
}
PROBLEM_REF: Final = "#/components/schemas/Problem"


def by_status(codes: Iterable[str]) -> dict[int, tuple[str, ...]]:
    """Return ``codes`` by the status that they come with.

    Raises:
        KeyError: A code is not in ``CODES``.
    """
    found: dict[int, tuple[str, ...]] = {}
    for code in sorted(set(codes), key=list(CODES).index):
        status = CODES[code][0]
        found[status] = (*found.get(status, ()), code)
    return dict(sorted(found.items()))


def component_name(status: int, codes: tuple[str, ...]) -> str | None:
    """Return the name of the answer when many operations have it, ``None`` when it is one of a few."""
    return _SHARED.get((status, codes))


def response(status: int, codes: tuple[str, ...]) -> Schema:
    """Return the answer with this status."""
    lines = "\n".join(f"- `{code}`: {CODES[code][1]}" for code in codes)
    schema: Schema = {"$ref": PROBLEM_REF, "properties": {"code": {"enum": list(codes)}}}
    example = {
        "type": TYPE + codes[0],
        "title": KINDS[codes[0]].title,
        "status": status,
        "detail": KINDS[codes[0]].meaning.replace("`", ""),
        "code": codes[0],
    }
    found: Schema = {
        "description": lines,
        "content": {CONTENT_TYPE: {"schema": schema, "example": example}},
    }
    headers: Schema = {}
    if _MAY_WAIT.intersection(codes):
        headers["Retry-After"] = {
            "description": "Seconds to wait before the next try, when that is known.",
            "schema": {"type": "integer", "minimum": 0},
        }
    if status == 401:
        headers["WWW-Authenticate"] = {"description": "Bearer", "schema": {"type": "string"}}
    return {**found, "headers": headers} if headers else found
