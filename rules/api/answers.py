"""Shapes of the answers about rules, for the description of the API; ``represent_*`` make them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class RuleAnswer(serializers.Serializer[Any]):
    """A rule as its newest version has it."""

    slug = serializers.CharField(help_text="The name in the source.")
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.IntegerField(min_value=1)
    # A serializer's own `source` is read on fields only.
    source = serializers.CharField(help_text="YAML.")  # type: ignore[assignment]
    versions = serializers.ListField(child=serializers.IntegerField(min_value=1), help_text="Newest first.")


class RuleVersionAnswer(serializers.Serializer[Any]):
    """One version of a rule; it never changes."""

    version = serializers.IntegerField(min_value=1)
    description = serializers.CharField()
    source = serializers.CharField(help_text="YAML.")  # type: ignore[assignment]
    comment = serializers.CharField()
    operations = serializers.IntegerField(min_value=0, help_text="Leaf operations in its tree.")
    author = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class RuleProblemAnswer(serializers.Serializer[Any]):
    """One mistake in a source."""

    line = serializers.IntegerField()
    column = serializers.IntegerField()
    message = serializers.CharField()
    hint = serializers.CharField(allow_null=True)


class ValidationAnswer(serializers.Serializer[Any]):
    """Whether a source is a rule, and all that keeps it from being one."""

    valid = serializers.BooleanField()
    errors = RuleProblemAnswer(many=True)  # type: ignore[assignment]
    operations = serializers.IntegerField(min_value=0)
