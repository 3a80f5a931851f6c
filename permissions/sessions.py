"""How long a session lasts, and how all of a person's sessions end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from permissions.models import User
from permissions.signals import sessions_ended

BEGUN: Final = "clarive_begun_at"
SEEN: Final = "clarive_seen_at"
POLL: Final = "X-Clarive-Poll"
"""The header with which the pages' script marks what it asks by itself."""

_SEEN_RESOLUTION_SECONDS: Final = 60


class SessionLimitsMiddleware:
    """Ends sessions that are too old, and those whose person has not done anything for too long.

    What a page asks by itself is no sign of a person. Stands after authentication.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """End the session of ``request`` when its time is over, otherwise note the sign of life."""
        session = request.session
        # A request without a session's cookie, such as a program's, costs nothing here.
        if session.session_key and request.user.is_authenticated:
            now = int(timezone.now().timestamp())
            if is_over(session, now):
                logout(request)
            elif not _asks_by_itself(request) and now - session.get(SEEN, 0) >= _resolution():
                session[SEEN] = now
        return self.get_response(request)


def _asks_by_itself(request: HttpRequest) -> bool:
    """Return whether a page asks, and not its reader; an ``EventSource`` cannot send the header."""
    return POLL in request.headers or request.headers.get("Accept", "") == "text/event-stream"


def is_over(session: Any, now: int) -> bool:
    """Return whether a session has ended at ``now``, in seconds since 1970."""
    begun, seen = session.get(BEGUN), session.get(SEEN)
    if begun is None:
        return False  # of before this was counted: its cookie and its row still end
    if now - begun >= settings.CLARIVE_SESSION_HOURS * 3600:
        return True
    idle = settings.CLARIVE_SESSION_IDLE_MINUTES * 60
    return bool(idle and now - (seen or begun) >= idle)


def _resolution() -> int:
    """Return after how many seconds a sign of life is written again; each writes a row."""
    idle = settings.CLARIVE_SESSION_IDLE_MINUTES * 60
    if not idle:
        return 10**9  # nobody asks for it
    return min(_SEEN_RESOLUTION_SECONDS, idle // 4)


def begin(sender: Any, request: HttpRequest, user: User, **_more: Any) -> None:
    """Note when a session begins."""
    request.session[BEGUN] = request.session[SEEN] = int(timezone.now().timestamp())


user_logged_in.connect(begin, dispatch_uid="permissions.sessions.begin")


def end_others(request: HttpRequest, user: User) -> None:
    """End every session of ``user`` but the one that asks; each ends at its next request."""
    _end(user, others=True)
    user.refresh_from_db(fields=["session_generation"])
    update_session_auth_hash(request, user)


def end_all(user: User) -> None:
    """End every session of ``user`` at its next request."""
    _end(user, others=False)


@transaction.atomic
def _end(user: User, *, others: bool) -> None:
    user.raise_session_generation()
    sessions_ended.send(sender=User, user=user, others=others)
