"""Bodies that make or change environments, projects and natures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from jobs import natures
from jobs.addresses import is_usable, shown_address
from jobs.api.parsing import Line, PlainObject, StrictSerializer, Text
from jobs.models import Project
from jobs.models.project import credential_mistakes
from jobs.secrets import credentials
from permissions.models import code_validator, colour_validator
from permissions.variables import bad_names
from rules import durations

LARGEST_ORDER: Final = 2**31 - 1
MOST_SECONDS: Final = 100 * 365 * 86400


class WholeNumber(serializers.Field[int, Any, int, Any]):
    """A whole number; true, 1.0 and "1" are none."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": f"Write a whole number from 0 to {LARGEST_ORDER}."
    }

    def to_internal_value(self, data: Any) -> int:
        """Return ``data`` when it is one within the bounds."""
        if type(data) is not int or not 0 <= data <= LARGEST_ORDER:
            self.fail("invalid")
        return data


class Duration(serializers.Field[timedelta, Any, int, Any]):
    """Seconds, as answers have them, or ``90s``, ``15m``, ``2h``, ``1d``."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Write whole seconds above 0, or a duration such as 90s, 15m, 2h or 1d."
    }

    def to_internal_value(self, data: Any) -> timedelta:
        """Return the duration."""
        if type(data) is int and 0 < data <= MOST_SECONDS:
            return timedelta(seconds=data)
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return durations.parse(data)
        except durations.NotADuration:
            self.fail("invalid")


class Code(Text):
    """A code, given once."""

    def __init__(self, **options: Any) -> None:
        """Take what the tables take."""
        super().__init__(max_length=50, trim_whitespace=False, validators=[code_validator], **options)


class CatalogueSerializer(StrictSerializer):
    """What all have; a body for what is there already (``instance``) may leave everything out."""

    code = Code()
    name = Line(max_length=200, required=False)

    def validate_code(self, code: str) -> str:
        """Let a code be given again as it is, and never be another."""
        if self.instance is not None and code != self.instance.code:
            raise ValidationError("A code cannot be changed.")
        return code

    def validate_variables(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Refuse names that no rule could read; those that are there already may stay."""
        kept = getattr(self.instance, "variables", None)
        if wrong := bad_names(variables, kept):
            raise ValidationError(_not_a_name(wrong[0]))
        return variables

    def values(self) -> dict[str, Any]:
        """Return the columns of the valid body."""
        found = dict(self.validated_data)
        if self.instance is None:
            found.setdefault("name", found["code"])
        return found


class EnvironmentSerializer(CatalogueSerializer):
    """``{code, name, order, colour, expiry, expiry_urgent, variables}``."""

    order = WholeNumber(source="position", required=False)
    colour = Text(required=False, validators=[colour_validator])
    expiry = Duration(required=False)
    expiry_urgent = Duration(required=False)
    variables = PlainObject(required=False)


class ProjectEnvironmentSerializer(StrictSerializer):
    """``{variables}``."""

    variables = PlainObject()


class ProjectSerializer(CatalogueSerializer):
    """``{code, name, repository, credential, username, variables, environments: {CODE: {variables}}}``."""

    repository = Text(max_length=500, required=False, allow_blank=True)
    credential = Line(max_length=64, required=False, allow_blank=True)
    username = Line(max_length=150, required=False, allow_blank=True)
    variables = PlainObject(required=False)
    environments = PlainObject(required=False, each=ProjectEnvironmentSerializer)

    def validate_repository(self, repository: str) -> str:
        """Read the address as answers show it, without its password, as the one that is there."""
        present = self.instance.repository if isinstance(self.instance, Project) else ""
        if repository == shown_address(present):
            return present
        if not is_usable(repository):
            raise ValidationError(
                "Write a path, or the address of a git repository by https, ssh, git or file."
            )
        if "***@" in repository:
            raise ValidationError("Write user and password in full; *** stands for them in answers.")
        return repository

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Refuse a secret that is not there, or has nothing to open."""
        names = ("repository", "credential", "username")
        if not given.keys() & set(names):
            return given
        repository, credential, username = (
            str(given.get(name, getattr(self.instance, name, ""))) for name in names
        )
        errors = {
            name: [str(text)] for name, text in credential_mistakes(repository, credential, username).items()
        }
        key = self.instance.pk if isinstance(self.instance, Project) else None
        if not errors and credential and credentials.secret_of(credential, key) is None:
            errors["credential"] = [f"There is no secret {credential} for all environments."]
        if errors:
            raise ValidationError(errors)
        return given

    def validate_environments(self, environments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables by code."""
        found, errors = {}, {}
        for code, body in environments.items():
            inner = ProjectEnvironmentSerializer(data=body)
            inner.is_valid()
            given = {} if inner.errors else inner.validated_data["variables"]
            if wrong := bad_names(given, self._kept(code)):
                errors[code[:50]] = {"variables": [_not_a_name(wrong[0])]}
            elif not inner.errors:
                found[code] = inner.validated_data["variables"]
            else:
                errors[code[:50]] = inner.errors
        if errors:
            raise ValidationError(errors)
        return found

    def _kept(self, code: str) -> dict[str, Any]:
        """Return the variables that the project has in an environment."""
        if not isinstance(self.instance, Project) or "\0" in code:
            return {}
        found = self.instance.environments.filter(environment__code=code).first()
        return found.variables if found is not None else {}


def _not_a_name(name: str) -> str:
    return f"{name[:50]!r} is not a name: use letters, digits and underscore."


class NatureSerializer(CatalogueSerializer):
    """``{code, name, include, exclude}``."""

    include = serializers.ListField(
        child=Text(max_length=natures.LONGEST_PATTERN, trim_whitespace=False),
        required=False,
        max_length=natures.MOST_PATTERNS,
    )
    exclude = serializers.ListField(
        child=Text(max_length=natures.LONGEST_PATTERN, trim_whitespace=False),
        required=False,
        max_length=natures.MOST_PATTERNS,
    )

    def validate_include(self, patterns: list[str]) -> list[str]:
        """Refuse patterns that cannot be used, each by its place."""
        return _usable(patterns)

    def validate_exclude(self, patterns: list[str]) -> list[str]:
        """Refuse the same."""
        return _usable(patterns)


def _usable(patterns: list[str]) -> list[str]:
    if wrong := natures.mistakes(patterns):
        errors: dict[Any, list[str]] = {mistake.line - 1: [mistake.fault.value] for mistake in wrong}
        raise ValidationError(errors)
    return patterns
