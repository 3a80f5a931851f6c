"""Taking deliveries that are due, and noting what came of them. The database's clock decides.

A delivery is taken with a lease, by SKIP LOCKED, so two workers never have the same one; whoever died with one gives it back
when the lease ends. Of one job to one receiver the next waits until the one before is over. A receiver that did not answer is
left alone for a while, with all that is for it, so it takes no more time from the others the longer it is away.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F

from jobs.models import Attempt, Delivery, Notice, NoticeServer
from jobs.notifications.webhooks import Answer

LEASE: Final = timedelta(seconds=60)
AT_ONCE: Final = 2
"""Deliveries under way to one receiver."""

PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
)
"""After each failed try; after the try that follows the last one the delivery is given up, a day after it was made."""

LONGEST_REST: Final = timedelta(minutes=5)
KEPT: Final = timedelta(days=30)
MOST_FORGOTTEN: Final = 500

_TAKE: Final = """
UPDATE jobs_delivery SET claim = %(claim)s, next_at = clock_timestamp() + make_interval(secs => %(lease)s) WHERE id = (
    SELECT d.id FROM jobs_delivery d LEFT JOIN jobs_noticeserver s ON s.name = d.server
    WHERE d.next_at <= statement_timestamp() AND (s.rests_until IS NULL OR s.rests_until <= clock_timestamp())
        AND (d.lane = '' OR NOT EXISTS (
            SELECT FROM jobs_delivery e WHERE e.lane = d.lane AND e.id < d.id AND e.next_at IS NOT NULL))
        AND %(at_once)s > (SELECT count(*) FROM jobs_delivery f
            WHERE f.server = d.server AND f.claim IS NOT NULL AND f.next_at > clock_timestamp())
    ORDER BY d.next_at, d.id LIMIT 1 FOR UPDATE OF d SKIP LOCKED
) RETURNING id
"""
_ARE_DUE: Final = """
SELECT EXISTS (SELECT FROM jobs_notice WHERE ready) OR EXISTS (
    SELECT FROM jobs_delivery d LEFT JOIN jobs_noticeserver s ON s.name = d.server
    WHERE d.next_at <= %(now)s AND (s.rests_until IS NULL OR s.rests_until <= %(now)s))
"""


def are_due(now: datetime) -> bool:
    """Return whether there is something to do."""
    with connection.cursor() as cursor:
        cursor.execute(_ARE_DUE, {"now": now})
        row = cursor.fetchone()
        return bool(row[0])


def take() -> Delivery | None:
    """Take the next delivery that is due, ``None`` when there is none."""
    claim = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"claim": claim, "lease": LEASE.total_seconds(), "at_once": AT_ONCE})
        row = cursor.fetchone()
    if row is None:
        return None
    return Delivery.objects.select_related("notice", "subscription", "user").get(pk=row[0])


def settle(delivery: Delivery, answer: Answer, begun: datetime, now: datetime) -> bool:
    """Note what came of a try; return ``False`` when somebody else has the delivery by now, and nothing was written."""
    state, pause = _after(delivery.tries, answer)
    with transaction.atomic():
        mine = Delivery.objects.filter(pk=delivery.pk, claim=delivery.claim)
        is_over = state is not Delivery.State.PENDING
        settled = mine.update(
            state=state.value,
            tries=F("tries") + 1,
            claim=None,
            next_at=None if is_over else now + pause,
            finished_at=now if is_over else None,
            reason=answer.error,
        )
        if not settled:
            return False
        Attempt.objects.create(
            delivery=delivery,
            at=begun,
            milliseconds=max(0, round((now - begun) / timedelta(milliseconds=1))),
            response_status=answer.status,
            response_body=answer.body,
            error=answer.error,
        )
        _mind(delivery.server, answer, now)
    return True


def drop(delivery: Delivery, reason: str, now: datetime) -> None:
    """Note that a delivery is not to be sent, and why."""
    Delivery.objects.filter(pk=delivery.pk, claim=delivery.claim).update(
        state=Delivery.State.DROPPED.value, claim=None, next_at=None, finished_at=now, reason=reason
    )


def send_again(delivery: Delivery, now: datetime) -> None:
    """Let a delivery be tried now, whatever became of it.

    One that is still to come keeps its place behind the others of its job. One that is over waits for no other, and none for it.
    """
    free = Delivery.objects.filter(pk=delivery.pk).exclude(claim__isnull=False, next_at__gt=now)
    if not free.filter(state=Delivery.State.PENDING).update(claim=None, next_at=now):
        free.update(
            state=Delivery.State.PENDING.value, next_at=now, finished_at=None, lane="", tries=0, reason=""
        )
    NoticeServer.objects.filter(pk=delivery.server).delete()


def forget(now: datetime) -> None:
    """Remove some notices that are too old, with all that became of them."""
    old = (
        Notice.objects.filter(at__lt=now - KEPT)
        .exclude(deliveries__state="pending")
        .order_by("at")
        .values_list("pk", flat=True)
    )
    gone = list(old[:MOST_FORGOTTEN])
    if gone:
        Notice.objects.filter(pk__in=gone).delete()


def _after(tries: int, answer: Answer) -> tuple[Delivery.State, timedelta]:
    """Return how a delivery stands after another try, and for how long it then rests."""
    if not answer.error:
        return Delivery.State.DELIVERED, timedelta(0)
    if answer.for_good or tries >= len(PAUSES):
        return Delivery.State.FAILED, timedelta(0)
    return Delivery.State.PENDING, PAUSES[tries]


def _mind(server: str, answer: Answer, now: datetime) -> None:
    """Remember a receiver that does not answer, and forget it when it does."""
    if not answer.error or answer.status is not None:
        NoticeServer.objects.filter(pk=server).delete()
        return
    found, _ = NoticeServer.objects.select_for_update().get_or_create(pk=server)
    pause = min(PAUSES[min(found.failures, len(PAUSES) - 1)], LONGEST_REST)
    NoticeServer.objects.filter(pk=server).update(failures=found.failures + 1, rests_until=now + pause)
