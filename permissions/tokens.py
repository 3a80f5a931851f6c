"""API tokens: made once, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from permissions.models import ApiToken, User

PREFIX: Final = "clv_"
_USED_RESOLUTION: Final = timedelta(minutes=1)


def digest(token: str) -> str:
    """Return the SHA-256 of ``token`` in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def issue(user: User, *, name: str = "", expires_at: datetime | None = None) -> str:
    """Make a token for ``user`` and return it; it cannot be read again."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user, name=name, digest=digest(token), hint=token[:10], expires_at=expires_at
    )
    return token


def owner(token: str, *, now: datetime) -> User | None:
    """Return the active user that ``token`` stands for, ``None`` when it is unknown, expired or its user inactive.

    The time of last use is kept to the minute, so that reading through the API does not write at each call.
    """
    found = ApiToken.objects.select_related("user").filter(digest=digest(token)).first()
    if found is None or (found.expires_at and found.expires_at <= now) or not found.user.is_active:
        return None
    if found.last_used_at is None or now - found.last_used_at > _USED_RESOLUTION:
        ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
    return found.user
