"""Letters with which a forgotten password is replaced, bounded, and silent about who has an account."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Final

from django.core.mail import EmailMessage
from django.db import connection, transaction

from permissions.models import ResetRequest

logger = logging.getLogger(__name__)

SPAN: Final = timedelta(hours=1)
MOST_PER_ADDRESS: Final = 20
MOST_PER_EMAIL: Final = 3
_LOCK: Final = 0x636C6172_5253
# Letters go out beside the answer, or how long it takes would tell whether there was one.
_MOST_AT_ONCE: Final = 2
_POSTMEN: Final = ThreadPoolExecutor(max_workers=_MOST_AT_ONCE, thread_name_prefix="reset-mail")


@transaction.atomic
def may_ask(address: str | None, email: str, *, now: datetime) -> tuple[bool, bool]:
    """Count one more request and return whether the address, and whether the e-mail, may still ask.

    Args:
        address: Where the request comes from; ``None`` counts as one address.
        email: As it was typed; kept as a digest.
        now: The moment.
    """
    with connection.cursor() as cursor:
        # One after the other, so that requests sent at once are all counted.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    digest = hashlib.sha256(email.strip().casefold().encode()).hexdigest()
    recent = ResetRequest.objects.filter(at__gt=now - SPAN)
    if recent.filter(address=address).count() >= MOST_PER_ADDRESS:
        return False, False
    fine = recent.filter(digest=digest).count() < MOST_PER_EMAIL
    ResetRequest.objects.create(at=now, address=address, digest=digest)
    return True, fine


def post(letter: EmailMessage) -> None:
    """Send a letter without waiting for it."""
    _POSTMEN.submit(_send, letter)


def _send(letter: EmailMessage) -> None:
    try:
        letter.send()
    except OSError as error:
        logger.warning("A letter for a new password could not be sent: %s", error)


def wait() -> None:
    """Wait until every letter so far has gone out."""
    all_are_free = Barrier(_MOST_AT_ONCE + 1)
    for _ in range(_MOST_AT_ONCE):
        _POSTMEN.submit(all_are_free.wait)
    all_are_free.wait(timeout=60)
