"""Rules as JSON, and the bodies that bring their sources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from rest_framework import serializers

from rules.exceptions import RuleProblem
from rules.models import Rule, RuleVersion

LONGEST_SOURCE: Final = 1_000_000
"""Characters that are looked at at all; the parser has its own, smaller bound."""


def represent_rule(rule: Rule) -> dict[str, Any]:
    """Return a rule, which comes with its versions read already, newest first."""
    versions = list(rule.versions.all())
    current = versions[0]
    return {
        "slug": rule.slug,
        "name": current.name,
        "description": current.description,
        "version": current.number,
        "source": current.source,
        "versions": [version.number for version in versions],
    }


def represent_version(version: RuleVersion) -> dict[str, Any]:
    """Return one version."""
    return {
        "version": version.number,
        "description": version.description,
        "source": version.source,
        "comment": version.comment,
        "operations": version.operations,
        "author": version.author.get_username() if version.author else None,
        "created_at": _instant(version.created_at),
    }


def represent_problem(problem: RuleProblem) -> dict[str, Any]:
    """Return one mistake in a source."""
    return {
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class SourceField(serializers.CharField):
    """The text of a rule, kept as it is written."""

    def __init__(self, **options: Any) -> None:
        """Leave white space alone."""
        super().__init__(trim_whitespace=False, max_length=LONGEST_SOURCE, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return ``data`` when it is a string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SourceSerializer(serializers.Serializer[Any]):
    """``{"source"}``; unknown fields are refused and named."""

    # The serializer has a `source` of its own, which nobody reads on the outermost one.
    source = SourceField()  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is in the body and not here."""
        given = self.initial_data if isinstance(self.initial_data, Mapping) else {}
        errors = {}
        for name in given:
            if name not in self.fields:
                near = get_close_matches(name, list(self.fields), n=1)
                errors[name] = [f"Unknown field.{f' Did you mean {near[0]}?' if near else ''}"]
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class VersionSerializer(SourceSerializer):
    """``{"source", "comment"}``."""

    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=10_000)
