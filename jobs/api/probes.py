"""``/healthz`` and ``/readyz``, for whatever watches over the processes. They need no sign-in and tell nothing of jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs import health

OK: Final = "ok"
UNAVAILABLE: Final = "unavailable"


class Probe(APIView):
    """Asked every few seconds, by programs that say little: nobody is looked up or counted, and no form is refused."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    http_method_names = ("get", "head")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer what is kept nowhere."""
        answer = super().dispatch(request, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Begin at once: there is one form of the answer, whatever ``Accept`` says, and nothing to find out before."""


class HealthView(Probe):
    """``/healthz``."""

    def get(self, request: Request) -> JsonResponse:
        """Say that this process answers; nothing else is looked at."""
        return JsonResponse({"status": OK})


class ReadyView(Probe):
    """``/readyz``."""

    def get(self, request: Request) -> JsonResponse:
        """Say whether database, broker, a worker and the daemon are there: 200 when all are, 503 otherwise."""
        checks = health.readiness(timezone.now())
        ready = all(check.ok for check in checks.values())
        return JsonResponse(
            {
                "status": OK if ready else UNAVAILABLE,
                "checks": {name: asdict(check) for name, check in checks.items()},
            },
            status=200 if ready else 503,
        )
