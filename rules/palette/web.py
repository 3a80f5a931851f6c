"""The operation that asks a web service."""

from __future__ import annotations

from typing import Any

from rules.engine.call import Call
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _http(call: Call) -> dict[str, Any]:
    # The library takes most of a second to load: processes that never ask do not wait for it.
    from rules.palette.http.asking import ask

    return ask(call)


registry.register(
    OperationType("http", schemas.HTTP_SCHEMA, schemas.HTTP_HELP, execute=_http, example=examples.HTTP)
)
