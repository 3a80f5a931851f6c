"""``/metrics``, for Prometheus: with the token that is made for it, or as an administrator."""

from __future__ import annotations

import hmac
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs import metrics
from permissions.authentication import BearerAuthentication

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SCRAPER: Final = "scraper"


class MetricsToken(BaseAuthentication):
    """``Authorization: Bearer`` with ``CLARIVE_METRICS_TOKEN``, which opens this door alone."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        """Return nobody in particular when the token is the one that is configured."""
        wanted = settings.CLARIVE_METRICS_TOKEN
        _scheme, _sign, given = get_authorization_header(request).partition(b" ")
        if wanted and hmac.compare_digest(given.strip(), wanted.encode()):
            return AnonymousUser(), _SCRAPER
        return None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return BearerAuthentication.keyword


class MayReadMetrics(BasePermission):
    """The token for it, or an administrator without limits."""

    message = "Only administrators, and the token of CLARIVE_METRICS_TOKEN, may read this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the asker may."""
        return request.auth == _SCRAPER or bool(getattr(request.user, "administers", False))


class MetricsView(APIView):
    """``/metrics``."""

    authentication_classes = (MetricsToken, BearerAuthentication, SessionAuthentication)
    permission_classes = (MayReadMetrics,)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in English, and what is kept nowhere."""
        with translation.override("en"):
            answer = super().dispatch(request, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Take whatever is asked for: there is one form, and Prometheus asks for several."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request) -> HttpResponse:
        """Return all figures in the text format of Prometheus."""
        return HttpResponse(metrics.text(metrics.families(timezone.now())), content_type=CONTENT_TYPE)
