"""Shapes of the answers about people and rights, for the description of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from permissions.catalog import Right


class MeAnswer(serializers.Serializer[Any]):
    """Who asks, and what they may do where."""

    username = serializers.CharField()
    is_superuser = serializers.BooleanField()
    language = serializers.CharField()
    time_zone = serializers.CharField()
    rights = serializers.DictField(
        child=serializers.ListField(child=serializers.ChoiceField(list(Right))),
        help_text="Names of rights by code of the environment.",
    )
