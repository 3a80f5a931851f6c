"""Keys with which webhooks are signed: made or given, encrypted in the database, changed with some time to spare."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from jobs.models import Subscription
from jobs.plain_data import mistake_in_text
from jobs.secrets import vault
from jobs.secrets.sealing import CannotOpen

SHORTEST: Final = 16
LONGEST: Final = 256
BOTH_SIGN: Final = timedelta(hours=24)
"""For how long after a change the old key signs as well."""

_PREFIX: Final = "whsec_"


def make() -> str:
    """Return a new key of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def mistake_in(secret: str) -> str | None:
    """Return why a text cannot be a key, ``None`` when it can. The answer does not hold it."""
    if mistake := mistake_in_text(secret):
        return mistake
    if not SHORTEST <= len(secret) <= LONGEST or secret != secret.strip():
        return f"A secret has {SHORTEST} to {LONGEST} characters, without blanks around it."
    return None


def seal(secret: str, name: str) -> bytes:
    """Return a key encrypted for the subscription ``name``, whose name never changes."""
    return vault.key_ring().seal(secret, _identity(name))


def current(subscription: Subscription, now: datetime) -> list[str]:
    """Return the keys that sign now, the newest first.

    Raises:
        CannotOpen: None of the installation's keys decrypts the present one.
    """
    ring, identity = vault.key_ring(), _identity(subscription.name)
    found = [ring.open(bytes(subscription.secret or b""), identity)]
    until = subscription.old_secret_until
    if subscription.old_secret and until is not None and until > now:
        found.append(ring.open(bytes(subscription.old_secret), identity))
    return found


def signature(secrets_: list[str], timestamp: int, body: bytes) -> str:
    """Return the header ``Clarive-Signature``.

    Args:
        secrets_: Of each there is a ``v1=``.
        timestamp: Seconds since 1970.
        body: As it is sent.
    """
    signed = str(timestamp).encode() + b"." + body
    parts = [hmac.new(each.encode(), signed, hashlib.sha256).hexdigest() for each in secrets_]
    return ",".join([f"t={timestamp}", *(f"v1={part}" for part in parts)])


@transaction.atomic
def seal_anew() -> tuple[int, list[str]]:
    """Encrypt every key anew under the first of the installation's; return how many, and whose no key opens."""
    ring, count, lost = vault.key_ring(), 0, []
    rows = Subscription.objects.select_for_update().filter(secret__isnull=False)
    for row in rows.order_by("pk"):
        identity = _identity(row.name)
        try:
            for name in ("secret", "old_secret"):
                sealed = getattr(row, name)
                if sealed is not None:
                    setattr(row, name, ring.seal(ring.open(bytes(sealed), identity), identity))
        except CannotOpen:
            lost.append(row.name)
        else:
            Subscription.objects.filter(pk=row.pk).update(secret=row.secret, old_secret=row.old_secret)
            count += 1
    return count, lost


def _identity(name: str) -> bytes:
    return f"subscription:{name}".encode()
