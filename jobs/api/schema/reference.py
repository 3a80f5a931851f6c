"""The OpenAPI document as what the page of documentation shows."""

from __future__ import annotations

import functools
import html
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.utils.safestring import SafeString, mark_safe

from jobs.api.schema.document import document

Schema = dict[str, Any]

_CODE: Final = re.compile(r"`([^`]+)`")
_BOLD: Final = re.compile(r"\*\*([^*]+)\*\*")
_EMPHASIS: Final = re.compile(r"\*([^*]+)\*")
_REF: Final = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of an object."""

    name: str
    type: SafeString
    required: bool
    text: SafeString
    where: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """An object or a list of words that has a name."""

    name: str
    text: SafeString
    fields: list[Field]
    words: list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an operation may answer with."""

    status: str
    phrase: str
    text: SafeString
    shape: SafeString
    is_problem: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One operation."""

    id: str
    method: str
    path: str
    summary: str
    text: SafeString
    is_open: bool
    parameters: list[Field]
    body: SafeString
    fields: list[Field]
    answers: list[Answer]
    curl: str
    example: str


@dataclass(frozen=True, slots=True)
class Group:
    """Operations under one tag."""

    name: str
    text: SafeString
    operations: list[Shown]


@dataclass(frozen=True, slots=True)
class Reference:
    """All of the page."""

    title: str
    text: SafeString
    groups: list[Group]
    shapes: list[Shape]


@functools.cache
def reference() -> Reference:
    """Return what the page shows, made once a process."""
    found = document()
    groups: dict[str, list[Shown]] = {tag["name"]: [] for tag in found["tags"]}
    for path, item in found["paths"].items():
        for method, operation in item.items():
            groups[operation["tags"][0]].append(_shown(method.upper(), path, operation))
    return Reference(
        title=found["info"]["title"],
        text=_prose(found["info"]["description"]),
        groups=[Group(tag["name"], _prose(tag["description"]), groups[tag["name"]]) for tag in found["tags"]],
        shapes=[_shape(name, schema) for name, schema in found["components"]["schemas"].items()],
    )


def _shown(method: str, path: str, operation: Schema) -> Shown:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = [_answer(status, _resolved(each)) for status, each in operation["responses"].items()]
    return Shown(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        text=_prose(operation["description"]),
        is_open={} in operation["security"],
        parameters=[_parameter(each) for each in operation.get("parameters", ())],
        body=_type(body["schema"]) if body else SafeString(""),
        fields=_members(_resolved(body["schema"])) if body else [],
        answers=answers,
        curl=_curl(method, path, operation, body.get("example")),
        example=_example(operation),
    )


def _curl(method: str, path: str, operation: Schema, body: Any) -> str:
    """Return a command line that does it; ``$CLARIVE`` stands for the address, ``$TOKEN`` for a token."""
    flags = "" if method == "GET" else f" -X {method}"
    lines = [f'curl{flags} "$CLARIVE{re.sub("{[a-z_]*id}", "42", path)}"']
    if {} not in operation["security"]:
        lines.append('  -H "Authorization: Bearer $TOKEN"')
    if body is not None:
        lines.append("  -H 'Content-Type: application/json'")
        written = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        lines.append(f"  -d '{written}'")
    return " \\\n".join(lines)


def _example(operation: Schema) -> str:
    """Return an answer when all goes well."""
    first = next(iter(operation["responses"].values()))
    media = _resolved(first).get("content", {})
    example = media.get("application/json", {}).get("example")
    if example is None:
        return next((str(each["example"]) for each in media.values() if "example" in each), "")
    return json.dumps(example, indent=2, ensure_ascii=False)


def _answer(status: str, answer: Schema) -> Answer:
    media = answer.get("content", {})
    schemas = [each.get("schema", {}) for each in media.values()]
    is_problem = int(status) >= HTTPStatus.BAD_REQUEST
    named = schemas[0] if schemas and "$ref" in schemas[0] else {}
    shape = _type({"$ref": named["$ref"]}) if named else _safe(", ".join(media))
    return Answer(
        status,
        HTTPStatus(int(status)).phrase,
        _prose(answer["description"]),
        SafeString("") if is_problem else shape,
        is_problem,
    )


def _parameter(parameter: Schema) -> Field:
    schema = parameter["schema"]
    return Field(
        parameter["name"],
        _type(schema),
        parameter.get("required", False),
        _prose(parameter.get("description", "")),
        parameter["in"],
    )


def _shape(name: str, schema: Schema) -> Shape:
    return Shape(name, _prose(schema.get("description", "")), _members(schema), schema.get("enum", []))


def _members(schema: Schema) -> list[Field]:
    required = schema.get("required", ())
    return [
        Field(name, _type(each), name in required, _prose(each.get("description", "")))
        for name, each in schema.get("properties", {}).items()
    ]


def _type(schema: Schema) -> SafeString:
    """Return a schema in a few words, with links to the shapes that have names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return _safe_html(f'<a href="#shape-{html.escape(name)}">{html.escape(name)}</a>')
    several = schema.get("oneOf") or schema.get("anyOf")
    if several:
        return _safe_html(" or ".join(_type(each) for each in several))
    if "enum" in schema:
        return _safe_html(" · ".join(f"<code>{html.escape(str(each))}</code>" for each in schema["enum"]))
    if schema.get("type") == "array":
        return _safe_html(f"list of {_type(schema['items'])}")
    if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return _safe_html(f"object of {_type(schema['additionalProperties'])}")
    kinds = schema.get("type", "any")
    words = " or ".join(kinds) if isinstance(kinds, list) else kinds
    return _safe(words + _bounds(schema))


def _bounds(schema: Schema) -> str:
    found = ""
    if "format" in schema:
        found += f", {schema['format']}"
    if "minimum" in schema and "maximum" in schema:
        found += f", {schema['minimum']} to {schema['maximum']}"
    elif "minimum" in schema:
        found += f", from {schema['minimum']}"
    if "maxLength" in schema:
        found += f", at most {schema['maxLength']} characters"
    if "default" in schema and schema["default"] not in ("", None):
        found += f", else {json.dumps(schema['default'])}"
    return found


def _resolved(schema: Schema) -> Schema:
    """Return what a reference stands for."""
    if "$ref" not in schema:
        return schema
    found: Any = document()
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _prose(text: str) -> SafeString:
    """Return the few marks that descriptions use as HTML: lists, code, bold."""
    parts = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            parts.append("<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>")
        elif block:
            parts.append(f"<p>{_inline(' '.join(lines))}</p>")
    return _safe_html("".join(parts))


def _inline(text: str) -> str:
    found = _CODE.sub(r"<code>\1</code>", html.escape(text, quote=False))
    found = _BOLD.sub(r"<strong>\1</strong>", found)
    return _EMPHASIS.sub(r"<em>\1</em>", found)


def _safe(text: str) -> SafeString:
    return _safe_html(html.escape(text))


def _safe_html(text: str) -> SafeString:
    """Mark what was made here out of escaped pieces."""
    return mark_safe(text)
