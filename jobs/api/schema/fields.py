"""How fields and bodies are written as JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from jobs import filters
from jobs.api.applying import Files
from jobs.api.bulk import MOST_JOBS, Filter, Numbers, SeenJobs
from jobs.api.catalogue_bodies import LARGEST_ORDER, MOST_SECONDS, Code, Duration, WholeNumber
from jobs.api.parsing import Choice, Flag, Moment, PlainObject

Schema = dict[str, Any]

_MOST_WORDS: Final = 60
CODE_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Word(serializers.ChoiceField):
    """One of a few words, in answers. ``component`` names them once for all places that have them."""

    def __init__(self, choices: Iterable[str], *, component: str | None = None, **options: Any) -> None:
        """Keep the words."""
        self.component = component
        super().__init__(list(choices), **options)


def words(values: Iterable[Any], *, nullable: bool = False) -> Schema:
    """Return the schema of one of ``values``."""
    found: Schema = {"type": "string", "enum": [str(value) for value in values]}
    # An enum without null would refuse it whatever the type says.
    return {"oneOf": [found]} if nullable else found


class WordSchema(OpenApiSerializerFieldExtension):
    """Words without the list of their labels."""

    target_class = "rest_framework.serializers.ChoiceField"
    match_subclasses = True

    def get_name(self) -> str | None:
        """Return the name of the component."""
        return getattr(self.target, "component", None)

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return the schema."""
        return words(self.target.choices, nullable=self.target.allow_null and self.get_name() is None)


class ChoiceSchema(OpenApiSerializerFieldExtension):
    """Words in bodies."""

    target_class = Choice
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return the schema; more words than anybody reads, such as all time zones, are not listed."""
        if len(self.target.choices) > _MOST_WORDS:
            return {"type": "string"}
        blank = ("",) if self.target.allow_blank else ()
        return words((*self.target.choices, *blank), nullable=self.target.allow_null)


class ObjectSchema(OpenApiSerializerFieldExtension):
    """Objects with any names."""

    target_class = PlainObject
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return the schema."""
        each = self.target.each
        inner = auto_schema.resolve_serializer(each, direction).ref if each else {}
        return {"type": "object", "additionalProperties": inner}


_SEEN: Final[Schema] = {"$ref": "#/components/schemas/SeenBody"}
_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_PLAIN: Final[dict[type[serializers.Field[Any, Any, Any, Any]], Callable[[], Schema]]] = {
    Numbers: lambda: {
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "minItems": 1,
        "maxItems": MOST_JOBS,
        "uniqueItems": True,
    },
    SeenJobs: lambda: {"type": "object", "additionalProperties": _SEEN},
    Filter: lambda: {
        "type": "object",
        "properties": {name: {"oneOf": [{"type": "string"}, _TEXTS]} for name in filters.PARAMETERS},
        "additionalProperties": False,
        "minProperties": 1,
    },
    Files: lambda: {"type": "object", "additionalProperties": {"type": "string"}},
    Flag: lambda: {"type": "boolean"},
    Moment: lambda: {"type": "string", "format": "date-time"},
    WholeNumber: lambda: {"type": "integer", "minimum": 0, "maximum": LARGEST_ORDER},
    Code: lambda: {"type": "string", "minLength": 1, "maxLength": 50, "pattern": CODE_PATTERN},
    Duration: lambda: {
        "oneOf": [
            {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS},
            {"type": "string", "description": "90s, 15m, 2h or 1d"},
        ]
    },
}


def _extension(field: type[Any], schema: Callable[[], Schema]) -> type[OpenApiSerializerFieldExtension]:
    def map_serializer_field(self: Any, auto_schema: Any, direction: Any) -> Schema:
        return schema()

    members = {
        "target_class": field,
        "match_subclasses": True,
        "priority": 1,
        "map_serializer_field": map_serializer_field,
        "__doc__": f"How a {field.__name__} is written.",
        "__module__": __name__,
    }
    return type(f"{field.__name__}Schema", (OpenApiSerializerFieldExtension,), members)


EXTENSIONS: Final = [_extension(field, schema) for field, schema in _PLAIN.items()]
"""Kept: they register themselves by being made."""
