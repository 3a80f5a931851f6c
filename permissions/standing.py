"""Whether somebody who was let in still is, for answers that last: asked again when rights change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from permissions import policy, sessions, tokens
from permissions.authentication import bearer_of
from permissions.models import User
from permissions.rights import Rights


@dataclass(frozen=True, slots=True)
class Held:
    """What somebody holds at the moment.

    Attributes:
        rights: Within the limits of the token, if it is one.
        until: When the key ends by itself, ``None`` when it does not.
    """

    rights: Rights
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who came in, and by which key. Equal ones hold the same.

    Attributes:
        user_id: Of the user.
        token: Digest of the API token; empty for a session.
        session: Key of the session; empty for a token.
    """

    user_id: int
    token: str = field(default="", repr=False)
    session: str = field(default="", repr=False)

    @property
    def session_mark(self) -> str:
        """What events name the session by; empty for a token."""
        return hashlib.md5(self.session.encode(), usedforsecurity=False).hexdigest() if self.session else ""

    def look(self, now: datetime) -> Held | None:
        """Return what is held, ``None`` when the key opens nothing any more or its user is inactive or gone."""
        return self._by_token(now) if self.token else self._by_session(now)

    def _by_token(self, now: datetime) -> Held | None:
        found = tokens.valid(self.token, now=now)
        if found is None or found.user_id != self.user_id:
            return None
        found.user.limits = found.limits
        return Held(policy.rights_of(found.user), found.expires_at)

    def _by_session(self, now: datetime) -> Held | None:
        session = import_module(settings.SESSION_ENGINE).SessionStore(self.session)
        request = HttpRequest()
        request.session = session
        if not session.load() or sessions.is_over(session, int(now.timestamp())):
            return None
        user = get_user(request)
        if not isinstance(user, User) or not user.is_active or user.pk != self.user_id:
            return None
        return Held(policy.rights_of(user), _end_of(session))


def standing_of(request: HttpRequest, user: User) -> Standing:
    """Return how ``user`` came in with ``request``, which was let in."""
    token = bearer_of(request)
    if token:
        return Standing(user.pk, token=tokens.digest(token))
    return Standing(user.pk, session=request.session.session_key or "")


def _end_of(session: Any) -> datetime | None:
    """Return when a session ends unless its person does something."""
    begun = session.get(sessions.BEGUN)
    if begun is None:
        return None
    ends = [begun + settings.CLARIVE_SESSION_HOURS * 3600]
    if settings.CLARIVE_SESSION_IDLE_MINUTES:
        ends.append((session.get(sessions.SEEN) or begun) + settings.CLARIVE_SESSION_IDLE_MINUTES * 60)
    return datetime.fromtimestamp(min(ends), UTC) + timedelta(seconds=1)
