"""Making deliveries of notices: whom each one is for, decided when it is taken from the outbox.

One process does so at a time, so deliveries of a job to a receiver are made in the order of its notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Q

from jobs.models import Delivery, Notice, Subscription
from jobs.notifications import matching
from jobs.notifications.events import FOR_CREATOR, PING, NoticeEvent
from permissions.models import User

MOST_AT_ONCE: Final = 100
MAIL_SERVER: Final = "mail"
CREATOR: Final = "creator"
APPROVER: Final = "approver"
_LOCK: Final = 0x636C61_4E4F54


@dataclass(frozen=True, slots=True)
class _Reader:
    """Somebody who gets a mail, and why.

    Attributes:
        user: Who; ``None`` for an address that is nobody's.
        address: Where to.
        why: As ``Delivery.why``.
        subscription: By which, if by one.
    """

    user: User | None
    address: str
    why: str
    subscription: Subscription | None = None


def fan_out(now: datetime) -> int:
    """Make the deliveries of some notices; return how many notices were taken, 0 when another process is at it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            row = cursor.fetchone()
        if not row[0]:
            return 0
        notices = list(Notice.objects.filter(ready=True).order_by("id")[:MOST_AT_ONCE])
        if not notices:
            return 0
        subscriptions = list(Subscription.objects.filter(enabled=True).order_by("id"))
        made = [each for notice in notices for each in _deliveries(notice, subscriptions, now)]
        Delivery.objects.bulk_create(made)
        Notice.objects.filter(pk__in=[notice.pk for notice in notices]).update(ready=False)
    return len(notices)


def ping(subscription: Subscription, now: datetime, actor: str) -> list[Delivery]:
    """Make a notice that says nothing, and its deliveries to all receivers of a subscription, enabled or not."""
    payload = {"event": PING, "at": now.isoformat().replace("+00:00", "Z"), "actor": actor or None}
    nothing = dict.fromkeys(("comment", "reason", "job", "step", "approval", "trap"))
    notice = Notice.objects.create(
        event=PING, at=now, actor=actor, payload={**payload, **nothing}, ready=False
    )
    return Delivery.objects.bulk_create(_of_subscription(notice, subscription, now, set()))


def _deliveries(notice: Notice, subscriptions: Iterable[Subscription], now: datetime) -> Iterator[Delivery]:
    told: set[str] = set()
    for subscription in subscriptions:
        if matching.wants(subscription, notice):
            yield from _of_subscription(notice, subscription, now, told)
    for reader in _own_readers(notice):
        yield from _mail(notice, reader, now, told)


def _of_subscription(
    notice: Notice, subscription: Subscription, now: datetime, told: set[str]
) -> list[Delivery]:
    found = []
    if subscription.webhook_url:
        found.append(
            Delivery(
                notice=notice,
                subscription=subscription,
                channel=Delivery.Channel.WEBHOOK.value,
                address=subscription.webhook_url,
                lane=_lane(f"subscription:{subscription.pk}", notice),
                server=f"subscription:{subscription.pk}",
                created_at=now,
                next_at=now,
            )
        )
    for reader in _readers(subscription):
        found += _mail(notice, reader, now, told)
    return found


def _mail(notice: Notice, reader: _Reader, now: datetime, told: set[str]) -> Iterator[Delivery]:
    """Yield the mail to a reader, once for each address, whatever it is for."""
    key = reader.address.casefold()
    if not key or key in told:
        return
    told.add(key)
    yield Delivery(
        notice=notice,
        subscription=reader.subscription,
        channel=Delivery.Channel.MAIL.value,
        user=reader.user,
        address=reader.address,
        why=reader.why,
        lane=_lane(f"mail:{key}", notice),
        server=MAIL_SERVER,
        created_at=now,
        next_at=now,
    )


def _lane(receiver: str, notice: Notice) -> str:
    return f"{receiver}:{notice.job_id}" if notice.job_id is not None else ""


def _readers(subscription: Subscription) -> Iterator[_Reader]:
    active = User.objects.filter(is_active=True).exclude(email="")
    for user in active.filter(username__in=subscription.users).order_by("username"):
        yield _Reader(user, user.email, f"user:{user.get_username()}", subscription)
    for name in subscription.groups:
        for user in active.filter(groups__name=name).order_by("username"):
            yield _Reader(user, user.email, f"group:{name}", subscription)
    for address in subscription.addresses:
        yield _Reader(None, address, address, subscription)


def _own_readers(notice: Notice) -> Iterator[_Reader]:
    """Yield who is told without subscribing: named approvers, and who created the job unless they did it themselves."""
    job: dict[str, Any] = notice.payload["job"] or {}
    writing = User.objects.filter(is_active=True).exclude(email="").exclude(mail_choice__own=False)
    if notice.event == NoticeEvent.APPROVAL_REQUESTED:
        approval = notice.payload["approval"] or {}
        for user in writing.filter(_among(approval.get("approvers", ()))).order_by("username").distinct():
            if not (approval.get("exclude_creator") and user.get_username() == job.get("created_by")):
                yield _Reader(user, user.email, APPROVER)
    elif notice.event in FOR_CREATOR and job.get("created_by") != notice.actor:
        for user in writing.filter(username=job.get("created_by", "")):
            yield _Reader(user, user.email, CREATOR)


def _among(principals: Iterable[str]) -> Q:
    """Return the condition of being one of these: ``user:ana``, or a member of ``group:qa``."""
    named = [name.partition(":") for name in principals]
    users = [rest for kind, _, rest in named if kind == "user"]
    groups = [rest for kind, _, rest in named if kind == "group"]
    return Q(username__in=users) | Q(groups__name__in=groups)
