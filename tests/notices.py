"""Subscriptions and deliveries for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.actions import subscriptions
from jobs.models import Delivery, Notice, NoticeServer, Subscription
from jobs.notifications import service

SECRET = "a-secret-of-the-tests"


def subscribe(name: str = "chat", *, url: str = "", **columns: Any) -> Subscription:
    """Make a subscription without asking whether its webhook may lead there."""
    values = {"name": name, "webhook_url": url, **columns}
    return subscriptions.create(values, now=timezone.now(), secret=SECRET if url else None).subscription


def deliver() -> int:
    """Send what is due now."""
    return service.serve()


def hurry() -> None:
    """Let every pause be over."""
    NoticeServer.objects.all().delete()
    Delivery.objects.filter(next_at__isnull=False, claim=None).update(
        next_at=timezone.now() - timedelta(seconds=1)
    )


def states(subscription: Subscription | None = None) -> list[tuple[str, str]]:
    """Return event and state of the deliveries in their order."""
    rows = Delivery.objects.order_by("id").select_related("notice")
    if subscription is not None:
        rows = rows.filter(subscription=subscription)
    return [(row.notice.event, row.state) for row in rows]


def older(delivery: Delivery, age: timedelta) -> None:
    """Let a notice be as old as this."""
    Notice.objects.filter(pk=delivery.notice_id).update(at=delivery.notice.at - age)
