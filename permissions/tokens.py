"""API tokens: made once, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from clarive_monitor.prepared import Lookup
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import TokenRefused
from permissions.models import ApiToken, User
from permissions.names import is_line

PREFIX: Final = "clv_"
LONGEST_LIFE: Final = timedelta(days=3650)
_USED_RESOLUTION: Final = timedelta(minutes=1)
_by_digest: Final = Lookup(ApiToken, "user", by="digest = %s::text")
_LONGEST_NAME: Final = ApiToken._meta.get_field("name").max_length or 0


def digest(token: str) -> str:
    """Return the SHA-256 of ``token`` in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def issue(
    user: User,
    *,
    name: str = "",
    expires_at: datetime | None = None,
    rights: Collection[str] | None = None,
    environments: Collection[str] | None = None,
) -> str:
    """Make a token for ``user`` and return it; it cannot be read again.

    Args:
        user: Who may do what the token is for. With a limited token nobody makes another.
        name: What it is for.
        expires_at: From when on it opens nothing.
        rights: Names of the rights that it is limited to; ``None`` for no limit.
        environments: Codes of the environments that it is limited to; ``None`` for no limit.

    Raises:
        TokenRefused: The name or a limit does not fit; the message names what is wrong.
    """
    check(user, name=name, rights=rights, environments=environments)
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user,
        name=name,
        digest=digest(token),
        hint=token[:10],
        expires_at=expires_at,
        rights=None if rights is None else [right.value for right in Right if right in rights],
        environments=None if environments is None else sorted(set(environments)),
    )
    return token


def check_expiry(moment: datetime | None, *, now: datetime, until: datetime | None = None) -> None:
    """Do nothing when a token may end then.

    Args:
        moment: When; ``None`` for never.
        now: The present.
        until: When the token ends that another one is made with, so that none outlives its own end; ``None`` for never.

    Raises:
        TokenRefused: That is past, too far away, or after ``until``.
    """
    if moment is not None and moment <= now:
        raise TokenRefused("expires_at", _("This is past: the token would open nothing."))
    if moment is not None and moment > now + LONGEST_LIFE:
        raise TokenRefused("expires_at", _("A token lives at most ten years."))
    if until is not None and (moment is None or moment > until):
        raise TokenRefused(
            "expires_at", _("A token that is made with another one ends no later than that one.")
        )


def check(
    user: User,
    *,
    name: str = "",
    rights: Collection[str] | None = None,
    environments: Collection[str] | None = None,
) -> None:
    """Do nothing when such a token can be made for ``user``.

    Raises:
        TokenRefused: It cannot; as ``issue``.
    """
    if user.limits is not None:
        raise TokenRefused("token", _("A limited token makes no tokens."))
    if len(name) > _LONGEST_NAME or not is_line(name):
        text = _("The name may have at most %(most)d characters, in one line without control characters.")
        raise TokenRefused("name", text % {"most": _LONGEST_NAME})
    if rights is not None:
        _check_rights(rights)
    if environments is not None:
        _check_environments(user, environments)


def _check_rights(names: Collection[str]) -> None:
    known = [right.value for right in Right]
    for name in names:
        if name not in known:
            text = _("There is no right %(name)s; the rights are %(known)s.")
            raise TokenRefused("rights", text % {"name": name, "known": ", ".join(known)})
    if Right.VIEW_MONITOR not in names:
        raise TokenRefused("rights", _("Without view_monitor the other rights do not count: choose it too."))


def _check_environments(user: User, codes: Collection[str]) -> None:
    visible = set(policy.environments_for(user).values_list("code", flat=True))
    for code in codes:
        if code not in visible:
            text = _("There is no environment %(code)s that %(user)s may see.")
            raise TokenRefused("environments", text % {"code": code, "user": user.get_username()})
    if not codes:
        raise TokenRefused("environments", _("Choose at least one environment."))


def owner(token: str, *, now: datetime) -> User | None:
    """Return the active user that ``token`` stands for, ``None`` when it is unknown, expired or its user inactive.

    The user carries the limits of the token. The time of last use is kept to the minute, so that reading through the API
    does not write at each call.
    """
    found = valid(digest(token), now=now)
    if found is None:
        return None
    if found.last_used_at is None or now - found.last_used_at > _USED_RESOLUTION:
        ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
    found.user.limits, found.user.until = found.limits, found.expires_at
    return found.user


def valid(digested: str, *, now: datetime) -> ApiToken | None:
    """Return the token with this digest and its user, ``None`` when it is unknown, expired or its user inactive."""
    found = _by_digest.first(digested)
    if found is None or (found.expires_at and found.expires_at <= now) or not found.user.is_active:
        return None
    return found
