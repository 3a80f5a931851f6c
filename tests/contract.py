"""Holds every answer that a test gets from the API against the description of the API.

Stricter than the description: a member that no shape names is a mistake here, while programs must live with new ones.
"""

from __future__ import annotations

import copy
import functools
import gzip
import json
import re
from typing import Any, Final

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from jsonschema import Draft202012Validator, FormatChecker

from jobs.api.schema.document import document

Schema = dict[str, Any]

API: Final = "/api/"
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
PROBLEM: Final = "application/problem+json"
_PART: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_UNDESCRIBED: Final = frozenset({"OPTIONS", "HEAD", "TRACE"})


def check(response: HttpResponseBase) -> None:
    """Do nothing when the answer is one that the description promises for what was asked.

    Raises:
        AssertionError: It is not; the message says where they differ.
    """
    asked = response.request  # type: ignore[attr-defined]
    method, address = asked["REQUEST_METHOD"], asked["PATH_INFO"]
    described = address in PROBES or (address.startswith(API) and address != "/api/docs/")
    if not described or method in _UNDESCRIBED:
        return
    where = f"{method} {address} answered {response.status_code}"
    operation = operation_of(response, method)
    if operation is None:
        assert response.status_code in {400, 401, 403, 404, 405, 413, 429}, where
        _fits(response, PROBLEM, {"$ref": "#/components/schemas/Problem"}, where)
        return
    answers = operation["responses"]
    assert str(response.status_code) in answers, (
        f"{where}, which is in no answer of {operation['operationId']}"
    )
    answer = resolved(answers[str(response.status_code)])
    for name, header in answer.get("headers", {}).items():
        assert not header.get("required") or name in response, f"{where} without {name}"
    if "content" not in answer:
        assert getattr(response, "content", b"") == b"", f"{where} with a body"
        return
    media = response["Content-Type"].partition(";")[0]
    assert media in answer["content"], f"{where} as {media}"
    if media in {PROBLEM, "application/json"}:
        _fits(response, media, answer["content"][media]["schema"], where)


def operation_of(response: HttpResponseBase, method: str) -> Schema | None:
    """Return the description of what was asked, ``None`` when there is nothing at that address."""
    match = getattr(response, "resolver_match", None)
    if match is None:
        return None
    path = "/" + _PART.sub(r"{\1}", match.route)
    found: Schema | None = closed()["paths"].get(path, {}).get(method.lower())
    return found


def _fits(response: HttpResponseBase, media: str, schema: Schema, where: str) -> None:
    assert response["Content-Type"].partition(";")[0] == media, where
    assert not isinstance(response, StreamingHttpResponse), where
    content: bytes = response.content  # type: ignore[attr-defined]
    body = json.loads(gzip.decompress(content) if response.get("Content-Encoding") == "gzip" else content)
    errors = [
        f"{error.json_path}: {error.message}" for error in validator(json.dumps(schema)).iter_errors(body)
    ]
    assert not errors, f"{where}, and that does not fit: {errors[:5]}"


@functools.cache
def validator(schema: str) -> Draft202012Validator:
    """Return what validates by a schema, given as JSON, that refers to components of the description."""
    whole = {**json.loads(schema), "components": closed()["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker(["date-time"]))


@functools.cache
def closed() -> Schema:
    """Return the description with every shape closed: no member that it does not name."""
    found = copy.deepcopy(document())
    _close(found["components"])
    return found


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for each in schema.values():
            _close(each)


def resolved(answer: Schema) -> Schema:
    """Return an answer that several operations share, or the one that is given."""
    if "$ref" not in answer:
        return answer
    name = answer["$ref"].rpartition("/")[2]
    found: Schema = closed()["components"]["responses"][name]
    return found
