"""Environments, and who the asker is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User


def represent_environment(environment: Environment) -> dict[str, Any]:
    """Return an environment; durations in seconds."""
    return {
        "code": environment.code,
        "name": environment.name,
        "order": environment.position,
        "colour": environment.colour,
        "expiry": round(environment.expiry.total_seconds()),
        "expiry_urgent": round(environment.expiry_urgent.total_seconds()),
        "variables": environment.variables,
    }


class EnvironmentsView(GenericAPIView[Environment]):
    """``environments/``."""

    keyset = ("position", "id")
    for_everybody = True

    def get_queryset(self) -> QuerySet[Environment]:
        """Return the environments whose monitor the asker may see."""
        return policy.environments_for(self.request.user)

    def get(self, request: Request) -> Response:
        """Return them in their order."""
        rows = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([represent_environment(environment) for environment in rows])


class EnvironmentView(APIView):
    """``environments/{code}/``."""

    def get(self, request: Request, code: str) -> Response:
        """Return one environment; one that the asker may not see does not exist."""
        visible = policy.environments_for(request.user)
        return Response(represent_environment(get_object_or_404(visible, code=code)))


class MeView(APIView):
    """``me/``."""

    def get(self, request: Request) -> Response:
        """Return who asks, and what they may do where."""
        user = request.user
        assert isinstance(user, User)
        return Response(
            {
                "username": user.get_username(),
                "is_superuser": user.is_superuser,
                "language": user.language or settings.LANGUAGE_CODE,
                "time_zone": user.time_zone or settings.TIME_ZONE,
                "rights": _rights(user),
            }
        )


def _rights(user: User) -> dict[str, list[str]]:
    """Return the rights that count, by code of the environments that ``user`` may see."""
    rights = policy.rights_of(user)
    held = {environment.code: rights.on(environment.pk) for environment in Environment.objects.all()}
    return {code: [right.value for right in Right if right in those] for code, those in held.items() if those}
