"""Reading what programs send, strictly: wrong types are refused and not converted, unknown names are refused and named."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import IO, Any, ClassVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser

from jobs import filters
from jobs.exceptions import InvalidInput
from jobs.plain_data import mistake_in_object
from permissions.names import is_line


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it: bounded, in UTF-8, without NaN, without a name twice in one object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the document in ``stream``.

        Raises:
            ParseError: It is not JSON.
            RequestDataTooBig: It is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
        """
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(most + 1)
        if len(raw) > most:
            raise RequestDataTooBig
        try:
            return json.loads(
                codecs.decode(raw, "utf-8"), parse_constant=_no_constant, object_pairs_hook=_once
            )
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except json.JSONDecodeError as error:
            raise Malformed(f"The body is not JSON: {error}", error.lineno, error.colno) from None
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: wrong byte at {error.start}.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from None


class Malformed(ParseError):
    """The body is not JSON, and it is known where.

    Attributes:
        place: ``line`` and ``column``, from 1 on.
    """

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.place = {"line": line, "column": column}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{twice[:50]!r} stands twice in one object")
    return found


def refuse_unknown_parameters(query: QueryDict, known: Iterable[str]) -> None:
    """Do nothing when every query parameter is known and says something.

    Raises:
        InvalidInput: Names each one that is not, with the nearest one that is, and each one without a value, which
            would be taken for no filter at all.
    """
    known = sorted(known)
    errors = {name: [unknown_name("parameter", name, known)] for name in query if name not in known}
    for name in known:
        if "" in query.getlist(name):
            errors[name] = ["Give a value, or leave the parameter out."]
    if errors:
        raise InvalidInput(errors)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is none of ``known``, with the nearest one."""
    near = get_close_matches(name, list(known), n=1)
    return f"Unknown {kind}.{f' Did you mean {near[0]}?' if near else ''}"


class StrictSerializer(serializers.Serializer[Any]):
    """A body in which every name is known."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values; unknown names are reported together with all other mistakes."""
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            errors = {
                name: [unknown_name("field", name, self.fields)] for name in data if name not in self.fields
            }
        elif data is not None:
            raise ValidationError({"non_field_errors": ["Send a JSON object."]})
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            detail = error.detail
            raise ValidationError({**errors, **(detail if isinstance(detail, dict) else {})}) from None
        if errors:
            raise ValidationError(errors)
        return values


class NothingSerializer(StrictSerializer):
    """``{}``: nothing is asked but that it be done."""


class Text(serializers.CharField):
    """A JSON string; numbers are none. Null characters and broken surrogates are refused."""

    def to_internal_value(self, data: Any) -> str:
        """Return ``data`` when it is a string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(Text):
    """A text of one line without control characters, such as a name that is shown."""

    def to_internal_value(self, data: Any) -> str:
        """Return ``data`` when it is one."""
        text = super().to_internal_value(data)
        if not is_line(text):
            raise ValidationError("Write one line without control characters.")
        return text


class Flag(serializers.Field[bool, Any, bool, Any]):
    """``true`` or ``false``, nothing that looks like it."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Write true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Return ``data`` when it is a boolean."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Choice(Text):
    """One of a few words."""

    def __init__(self, choices: Iterable[str], **options: Any) -> None:
        """Keep the words."""
        self.choices = tuple(choices)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        """Return ``data`` when it is one of the words."""
        text = super().to_internal_value(data)
        if text not in self.choices:
            raise ValidationError(filters.unknown(text, self.choices))
        return text


class Moment(serializers.Field[datetime, Any, str, Any]):
    """A time in ISO 8601 with its zone."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Write the time as a string in ISO 8601, such as 2026-03-01T10:00:00Z."
    }

    def to_internal_value(self, data: Any) -> datetime:
        """Return the moment in UTC."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return filters.parse_time(data)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class PlainObject(serializers.Field[dict[str, Any], Any, dict[str, Any], Any]):
    """A JSON object that the database can keep as it is; ``each`` says what its values must be."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Send a JSON object."}

    def __init__(self, *, each: type[serializers.Serializer[Any]] | None = None, **options: Any) -> None:
        """Keep what the values are."""
        self.each = each
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return ``data`` when it is an object and every value in it can be kept."""
        if not isinstance(data, dict):
            self.fail("invalid")
        if mistake := mistake_in_object(data):
            raise ValidationError(mistake)
        return data
