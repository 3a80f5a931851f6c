"""Forms that do something once, however often their answer is loaded again: each is given a key that is used up.

The keys that are used up are kept in the session: what was sent in another one is refused anyway, since it lacks this one's
CSRF token.
"""

from __future__ import annotations

import secrets
from typing import Final

from django.contrib.sessions.models import Session
from django.http import HttpRequest

FIELD: Final = "form_key"
USED: Final = "clarive_forms_sent"
_LONGEST: Final = 40
_MOST: Final = 200
"""So many keys are remembered."""


def key_for(request: HttpRequest) -> str:
    """Return the key of a form that is shown: the one that it was sent with, when it is shown again, or a new one."""
    return _sent(request) or secrets.token_urlsafe(12)


def is_used_up(request: HttpRequest) -> bool:
    """Return whether the form of ``request`` has done its work already; a form without a key never has.

    Needs a transaction, to the end of which whoever sends a form in the same session waits.
    """
    # The session of the request was read before, when the other one may not have written it.
    kept = Session.objects.select_for_update().filter(pk=request.session.session_key).first()
    used = kept.get_decoded().get(USED, []) if kept else []
    if used != request.session.get(USED, []):
        request.session[USED] = used
    return bool(used) and _sent(request) in used


def use_up(request: HttpRequest) -> None:
    """Note that the form of ``request`` has done its work. In the transaction of ``is_used_up``."""
    key = _sent(request)
    if key:
        request.session[USED] = [*request.session.get(USED, []), key][-_MOST:]
        # Before the lock is given back; otherwise it is written after the answer.
        request.session.save()


def _sent(request: HttpRequest) -> str:
    return request.POST.get(FIELD, "")[:_LONGEST]
