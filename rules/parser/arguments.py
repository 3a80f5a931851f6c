"""Whether a value fits a JSON Schema, in sentences for people. Pure.

Used twice: on what a rule says (where a template may stand in the place of anything that is rendered) and, at run
time, on what came out of the templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from rules import durations
from rules.engine.bounded import kind
from rules.engine.names import ROOT_NAMES, is_identifier
from rules.engine.registry import OperationType
from rules.parser.problems import suggestion

_TEMPLATE: Final = re.compile(r"\{\{|\{%")
_UNITS: Final = "Write a number and a unit: 90s, 15m, 2h or 1d."
_IN_WORDS: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_BY_KEYWORD: Final = {
    "minimum": "Choose a larger number.",
    "exclusiveMinimum": "Choose a larger number.",
    "maximum": "Choose a smaller number.",
    "exclusiveMaximum": "Choose a smaller number.",
    "minLength": "Fill it, or take it out.",
    "minItems": "Fill it, or take it out.",
    "minProperties": "Fill it, or take it out.",
}
"""Hints for schemas that give none of their own."""
RENDERED_KINDS: Final = frozenset({None, "duration"})
"""Values of ``x-kind`` whose texts are templates."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One way in which a value does not fit.

    Attributes:
        path: Keys and indexes down to the value.
        code: Stable name of the kind of mistake.
        template: Sentence with places for ``params``.
        params: What fills the places, ``what`` is always there.
        hint: What to write instead, with the same places.
        at_key: The mistake is the last key of ``path``, not the value under it.
    """

    path: tuple[str | int, ...]
    code: str
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""
    at_key: bool = False

    @property
    def sentence(self) -> str:
        """The sentence and the hint in English."""
        return f"{self.template} {self.hint}".rstrip() % self.params


def _check_kind(
    _validator: Validator, wanted: str, instance: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Check the texts that ``x-kind`` marks as durations and names."""
    if not isinstance(instance, str):
        return
    if wanted == "duration":
        try:
            durations.parse(instance)
        except durations.NotADuration:
            yield ValidationError("duration")
    elif wanted == "name" and not is_identifier(instance):
        yield ValidationError("name")
    elif wanted == "name" and instance in ROOT_NAMES:
        yield ValidationError("reserved")


_Validator: Final = extend(Draft202012Validator, {"x-kind": _check_kind})  # type: ignore[no-untyped-call]
_validators: Final[dict[int, tuple[Mapping[str, Any], Any]]] = {}


def misfits(
    schema: Mapping[str, Any], value: Any, *, what: str, templates: bool, others: tuple[str, ...] = ()
) -> list[Misfit]:
    """Return every way in which ``value`` does not fit ``schema``.

    Args:
        schema: JSON Schema with ``x-kind`` and ``x-hint``.
        value: Plain data.
        what: The key that the value stands under, for the sentences.
        templates: Whether a text that holds a template passes where it is rendered.
        others: Keys that the mapping may have besides those of the schema; for suggestions.
    """
    found: list[Misfit] = []
    for error in _validator(schema).iter_errors(value):
        if templates and _is_rendered(error):
            continue
        found += _explained(error, what, others)
    return found


def _validator(schema: Mapping[str, Any]) -> Any:
    """Return the validator of ``schema``, kept because making one is slow; schemas are constants and few."""
    kept = _validators.get(id(schema))
    if kept is None or kept[0] is not schema:
        kept = _validators[id(schema)] = (schema, _Validator(schema))
    return kept[1]


def _is_rendered(error: ValidationError) -> bool:
    if not isinstance(error.instance, str) or _TEMPLATE.search(error.instance) is None:
        return False
    return (
        _schema(error).get("x-kind") in RENDERED_KINDS and "propertyNames" not in error.absolute_schema_path
    )


def _schema(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _explained(error: ValidationError, what: str, others: tuple[str, ...]) -> list[Misfit]:
    path = tuple(error.absolute_path)
    params: dict[str, Any] = {"what": _dotted(what, path)}
    keyword = str(error.validator)
    if keyword == "additionalProperties":
        return _unknown_members(error, path, params, others)
    if keyword == "required":
        name = str(error.message).split("'")[1]
        hint = _hint_of(error, _schema(error).get("properties", {}).get(name))
        return [Misfit(path, "missing_key", "%(what)s needs %(name)s.", {**params, "name": name}, hint)]
    if keyword == "x-kind":
        return [_wrong_text(error, path, params)]
    code, template, more = _sentence(keyword, error)
    return [Misfit(path, code, template, {**params, **more}, _hint_of(error))]


def _dotted(what: str, path: tuple[str | int, ...]) -> str:
    return what + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _unknown_members(
    error: ValidationError, path: tuple[str | int, ...], params: dict[str, Any], others: tuple[str, ...]
) -> list[Misfit]:
    known: tuple[str, ...] = (*_schema(error).get("properties", {}), *(others if not path else ()))
    found = []
    members: Mapping[str, Any] = error.instance  # type: ignore[assignment]
    for name in members:
        if name in known:
            continue
        hint, filled = suggestion(str(name), known)
        more = {**params, **filled, "name": name}
        found.append(
            Misfit((*path, name), "unknown_key", "%(what)s has no %(name)s.", more, hint, at_key=True)
        )
    return found


def _wrong_text(error: ValidationError, path: tuple[str | int, ...], params: dict[str, Any]) -> Misfit:
    at_key = "propertyNames" in error.absolute_schema_path
    path = (*path, str(error.instance)) if at_key else path
    params["found"] = error.instance
    if error.message == "duration":
        return Misfit(path, "duration", "%(what)s is no duration: %(found)s.", params, _UNITS)
    if error.message == "reserved":
        template = "%(found)s cannot be used as a name: it is known already, with another meaning."
        return Misfit(path, "reserved_name", template, params, "Choose another name.", at_key)
    hint = (
        "Use letters, digits and _, begin with a letter; words of the language such as if and not are taken."
    )
    return Misfit(path, "name", "%(found)s cannot be used as a name.", params, hint, at_key)


def _sentence(keyword: str, error: ValidationError) -> tuple[str, str, dict[str, Any]]:
    """Return code, template and params of a keyword's sentence."""
    wanted: Any = error.validator_value
    match keyword:
        case "type":
            types = (wanted,) if isinstance(wanted, str) else tuple(wanted)
            words = " or ".join(_IN_WORDS.get(one, one) for one in types)
            more = {"wanted": words, "found": kind(error.instance)}
            return "type", "%(what)s must be %(wanted)s, not %(found)s.", more
        case "enum":
            return "value", "%(what)s must be one of: %(wanted)s.", {"wanted": ", ".join(map(str, wanted))}
        case "minimum" | "exclusiveMinimum":
            return "value", "%(what)s must be at least %(wanted)s.", {"wanted": wanted}
        case "maximum" | "exclusiveMaximum":
            return "value", "%(what)s must be at most %(wanted)s.", {"wanted": wanted}
        case "minLength" | "minItems" | "minProperties":
            return "empty", "%(what)s must not be empty.", {}
        case "pattern":
            return "value", "%(what)s is not well formed.", {}
        case _:
            return "value", "%(what)s does not fit.", {}


def _hint_of(error: ValidationError, member: Any = None) -> str:
    """Return the hint that the schema (of the missing member) gives, or one that follows from the mistake."""
    if isinstance(member, Mapping) and "x-hint" in member:
        return str(member["x-hint"]).replace("%", "%%")
    schema = _schema(error)
    if "x-hint" in schema:
        return str(schema["x-hint"]).replace("%", "%%")
    if schema.get("x-kind") == "duration":
        return _UNITS
    if (
        error.validator == "type"
        and schema.get("type") == "string"
        and isinstance(error.instance, int | float)
    ):
        return "Put quotes around it."
    if error.validator == "enum" and isinstance(error.instance, str):
        wanted: Any = error.validator_value
        hint, filled = suggestion(error.instance, tuple(map(str, wanted)))
        return (hint % filled).replace("%", "%%") if "meant" in filled else "Choose one of them."
    return _BY_KEYWORD.get(str(error.validator), "")


def validate_arguments(operation_type: OperationType, rendered: Any) -> list[str]:
    """Return what is wrong with the arguments of an operation once their templates are rendered.

    Args:
        operation_type: The operation.
        rendered: Its arguments as plain data, child operations taken out.

    Returns:
        Sentences; none when the arguments fit.
    """
    found = misfits(operation_type.schema, rendered, what=operation_type.key, templates=False)
    return [misfit.sentence for misfit in found]
