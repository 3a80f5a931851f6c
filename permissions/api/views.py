"""Who the asker is."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User


class MeView(APIView):
    """``me/``."""

    def get(self, request: Request) -> Response:
        """Return who asks, and what they may do where."""
        user = request.user
        assert isinstance(user, User)
        return Response(
            {
                "username": user.get_username(),
                "is_superuser": user.administers,
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
