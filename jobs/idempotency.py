"""Doing a request once, however often it is sent: who takes a key does it, everybody else gets the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jobs.exceptions import JobError
from jobs.models import IdempotencyKey
from permissions.models import User

KEPT: Final = timedelta(hours=24)
LONGEST: Final = 255
_TRIES: Final = 5


class KeyReused(JobError):
    """The key was used for another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This key was used for a request with another body or address; use a new one.")


class KeyInUse(JobError):
    """The first request with the key has no answer yet."""

    code = "idempotency_key_in_use"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("The first request with this key has no answer yet.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is given again.

    Attributes:
        status: Of HTTP.
        body: As text.
        headers: Those that the view itself set.
    """

    status: int
    body: str
    headers: Mapping[str, str]


def take(user: User, key: str, digest: str, now: datetime) -> UUID | Answer:
    """Take a key, which is then to be given an answer or released.

    A key whose request died half-way, by a crash or with its database, stays in use until it is forgotten: whether its work was
    done is not known, and twice would be worse than not at all.

    Returns:
        What to ``answer`` or ``release`` when the key is the caller's now, else the answer of the first request.

    Raises:
        KeyReused: It belongs to another request.
        KeyInUse: Somebody is doing this request.
    """
    for _ in range(_TRIES):
        mine = IdempotencyKey(user=user, key=key, digest=digest, created_at=now)
        # The constraint decides who is first; the others insert nothing.
        IdempotencyKey.objects.bulk_create([mine], ignore_conflicts=True)
        found = IdempotencyKey.objects.filter(user=user, key=key).first()
        if found is None:
            continue  # released in between
        if found.pk == mine.pk:
            return mine.pk
        if found.created_at > now - KEPT:
            return _answer_of(found, digest)
        IdempotencyKey.objects.filter(pk=found.pk).delete()
    raise KeyInUse


def _answer_of(found: IdempotencyKey, digest: str) -> Answer:
    if found.digest != digest:
        raise KeyReused
    if found.status is None:
        raise KeyInUse
    return Answer(found.status, found.body, found.headers)


def answer(taken: UUID, given: Answer) -> None:
    """Keep the answer of a request that was done."""
    IdempotencyKey.objects.filter(pk=taken).update(
        status=given.status, body=given.body, headers=dict(given.headers)
    )


def release(taken: UUID) -> None:
    """Let the key be used again: its request was refused."""
    IdempotencyKey.objects.filter(pk=taken).delete()


def forget_idempotency_keys(now: datetime) -> int:
    """Remove the keys whose time is over and return how many those were."""
    return IdempotencyKey.objects.filter(created_at__lte=now - KEPT).delete()[0]
