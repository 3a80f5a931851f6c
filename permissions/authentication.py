"""Bearer tokens for the REST API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from permissions import tokens
from permissions.models import User


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>``."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        """Return the token's user, who carries the token's limits, or ``None`` when the request carries no bearer token.

        Raises:
            AuthenticationFailed: The header is malformed, or the token unknown, expired, or of an inactive user.
        """
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword.lower().encode():
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("Write the header as: Authorization: Bearer <token>.")
        try:
            user = tokens.owner(parts[1].decode("ascii"), now=timezone.now())
        except UnicodeDecodeError:
            user = None
        if user is None:
            raise AuthenticationFailed("The token is unknown, expired, or its user is inactive.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return self.keyword


def bearer_of(request: HttpRequest) -> str:
    """Return the token that a request was let in with, empty when it was by a session."""
    parts = request.META.get("HTTP_AUTHORIZATION", "").split()
    is_bearer = len(parts) == 2 and parts[0].lower() == BearerAuthentication.keyword.lower()
    return str(parts[1]) if is_bearer else ""
