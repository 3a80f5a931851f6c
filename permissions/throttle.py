"""Failed sign-ins: how many are too many, and when one may try again."""

from __future__ import annotations

import math
import unicodedata
from datetime import datetime
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.http import HttpRequest
from django.utils.translation import gettext

from permissions.addresses import client_address
from permissions.signals import sign_in_unlocked


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """Two counts: of a user name from an address, and of an address, which many people may share.

    A name alone is never locked: whoever knows it could keep its owner out.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures that count; those of the address in proportion to its own, higher limit."""
        of_pair, of_address = (
            attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        scaled = of_address * settings.AXES_FAILURE_LIMIT // settings.CLARIVE_LOGIN_ADDRESS_FAILURES
        return max(of_pair, scaled)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget the failures of who signed in: with this name only, or an account of one's own would free an address."""
        of_pair, _of_address = self.filter_user_attempts(request, credentials)
        count: int = of_pair.delete()[0]
        return count


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str | None:
    """Return the user name under which a failure is counted: writing it otherwise gives no further tries."""
    name = (credentials or request.POST).get("username")
    return unicodedata.normalize("NFKC", name).strip().casefold()[:255] if isinstance(name, str) else None


def may_try(request: HttpRequest, username: str) -> bool:
    """Return whether neither the name from this address nor the address has failed too often."""
    allowed: bool = AxesProxyHandler.is_allowed(request, {"username": username})
    return allowed


def seconds_to_wait(request: HttpRequest, credentials: dict[str, Any] | None, *, now: datetime) -> int:
    """Return after how many seconds whoever is locked out may try again, at least one.

    It is the same for names that exist and for those that do not.
    """
    cool_off = get_cool_off(request)
    handler = Handler()
    last = None
    for attempts in handler.get_user_attempts(request, credentials):
        # The newest failure of either count: never too early, and at most a whole pause.
        newest = attempts.aggregate(newest=Max("attempt_time"))["newest"]
        last = max(filter(None, (last, newest)), default=None)
    if last is None:
        return 1
    ends: datetime = last + cool_off
    return max(1, math.ceil((ends - now).total_seconds()))


def browser_of(entry: Any) -> str:
    """Return what the browser of a sign-in called itself; where it said nothing, django-axes keeps an English word."""
    said: str = entry.user_agent
    return gettext("unknown browser") if said == "<unknown>" else said


def unlock(attempts: Any) -> int:
    """Forget the failures in a query set of ``AccessAttempt``, say so, and return how many rows those were."""
    with transaction.atomic():
        chosen = list(AccessAttempt.objects.select_for_update().filter(pk__in=attempts.values("pk")))
        for each in chosen:
            sign_in_unlocked.send(sender=AccessAttempt, username=each.username, address=each.ip_address)
        count: int = AccessAttempt.objects.filter(pk__in=[each.pk for each in chosen]).delete()[0]
    return count


def lock_out(request: HttpRequest, username: str) -> None:
    """Make the answer to ``request`` the one for who is locked out."""
    locked: Any = request
    locked.axes_locked_out = True
    locked.axes_credentials = {"username": username}


def forgive(request: HttpRequest, username: str) -> None:
    """Forget the failures of a name from the address of ``request``: its owner has shown who they are."""
    AccessAttempt.objects.filter(
        username=counted_name(request, {"username": username}), ip_address=client_address(request)
    ).delete()
