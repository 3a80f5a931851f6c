"""The whole document, made once a process."""

from __future__ import annotations

import functools
import threading
from typing import Any, Final

from django.utils import translation
from drf_spectacular.generators import SchemaGenerator

from jobs.api.schema.auto import SECURITY
from jobs.api.schema.problems import PROBLEM

Schema = dict[str, Any]
_making: Final = threading.Lock()

DESCRIPTION: Final = """\
Jobs run rules; this is how programs create, watch and decide them.

- **Sign in** with `Authorization: Bearer <token>`; pages of this installation use their session and a CSRF token.
- **Bodies** are JSON. Unknown fields, filters and parameters are refused and named, as are wrong types and null characters.
- **Errors** are RFC 9457 problem details; programs branch on `code`.
- **Lists** are keyset pages: follow `next` until it is null. No row comes twice, none is skipped.
- **Times** are ISO 8601 in UTC.
- **What one may not see does not exist**: it is answered like something that never was.
"""
_TAGS: Final = {
    "jobs": "Create jobs, watch them, decide about them.",
    "environments": "Where jobs deploy to.",
    "projects": "What jobs deploy.",
    "natures": "Technologies that contents are recognised by.",
    "rules": "What jobs do; written once, never changed, versioned.",
    "schedules": "Jobs that come again and again.",
    "deployments": "What is deployed where.",
    "stream": "What happens, as it happens.",
    "subscriptions": "Who is told what, by mail and webhook.",
    "grants": "Who may do what, where.",
    "users": "People.",
    "groups": "Groups of people.",
    "tokens": "How programs sign in.",
    "apply": "Configuration as documents.",
    "health": "For whatever watches over the installation.",
    "me": "Who asks.",
    "schema": "The API described, for programs.",
}


def finish(result: Schema, **_: Any) -> Schema:
    """Add what no single view knows: the last hook of the generator."""
    components = result["components"]
    components["securitySchemes"] = SECURITY
    components["schemas"] = dict(sorted({**components["schemas"], "Problem": PROBLEM}.items()))
    used = {
        tag for item in result["paths"].values() for operation in item.values() for tag in operation["tags"]
    }
    result["info"]["description"] = DESCRIPTION
    result["tags"] = [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in used]
    missing = used - set(_TAGS)
    assert not missing, f"These tags are described nowhere: {missing}"
    return result


def document() -> Schema:
    """Return the OpenAPI document as plain data, which nobody may change."""
    # Several requests may be the first: drf-spectacular loads its extensions with the first document, and two at once fail.
    with _making:
        return _document()


@functools.cache
def _document() -> Schema:
    with translation.override("en"):
        found: Schema = SchemaGenerator().get_schema(request=None, public=True)
    return found
