"""Writing subscriptions, by administrators: checked by one function for API, administration and documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from jobs import audit, dispatch, filters
from jobs.acting import acting
from jobs.actions import rows
from jobs.actions.people import NameTaken
from jobs.audit import together
from jobs.choices import StatusChoice
from jobs.exceptions import InvalidInput, JobError
from jobs.models import Delivery, Project, Subscription
from jobs.notifications import due, fanout, keys, targets
from jobs.notifications.events import NoticeEvent
from jobs.plain_data import mistake_in_text
from permissions import locks
from permissions.models import Environment, User

MOST: Final = 200
"""Entries of one list."""

LONGEST_NAME: Final = 100
LISTS: Final = ("events", "environments", "projects", "statuses", "users", "groups", "addresses")
FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    "events": tuple(event.value for event in NoticeEvent),
    "statuses": tuple(StatusChoice.values),
}
"""Lists whose words are fixed."""

_NAMED: Final[Mapping[str, tuple[Any, str, str]]] = {
    "environments": (Environment, "code", "environment"),
    "projects": (Project, "code", "project"),
    "users": (User, "username", "user"),
    "groups": (Group, "name", "group"),
}


class DeliveryUnderWay(JobError):
    """The delivery is being sent at this moment."""

    code = "delivery_under_way"

    def __init__(self, number: int) -> None:
        super().__init__(f"The delivery {number} is being sent now. Look again in a minute.")


@dataclass(frozen=True, slots=True)
class Written:
    """A subscription that was written.

    Attributes:
        subscription: As it is now.
        secret: The key that was made for its webhook just now, to be shown once; ``None`` when none was made.
    """

    subscription: Subscription
    secret: str | None = None


def mistakes(
    values: Mapping[str, Any], *, resolve: bool = True, declared: Mapping[str, Collection[str]] | None = None
) -> dict[str, list[str]]:
    """Return what is wrong with fields of a subscription, by field.

    Args:
        values: ``LISTS``, ``webhook_url``, those that are written.
        resolve: Ask what the host of the webhook means.
        declared: Names by list that count as known though nothing has them yet.
    """
    found: dict[str, list[str]] = {}
    for name in LISTS:
        if name in values:
            wrong = _mistakes_in_list(name, values[name], (declared or {}).get(name, ()))
            if wrong:
                found[name] = wrong
    url = values.get("webhook_url")
    if url and (mistake := targets.mistake_in_url(url, resolve=resolve)):
        found["webhook.url"] = [mistake]
    return found


def _mistakes_in_list(name: str, entries: list[str], declared: Collection[str]) -> list[str]:
    if len(entries) > MOST:
        return [f"At most {MOST} entries."]
    if len(set(entries)) < len(entries):
        return ["An entry stands in it twice."]
    if name in FIXED:
        return [filters.unknown(each, FIXED[name]) for each in entries if each not in FIXED[name]]
    if wrong := [mistake for each in entries if (mistake := mistake_in_text(each))]:
        return wrong
    if name == "addresses":
        return [f"{each[:100]!r} is no mail address." for each in entries if not _is_address(each)]
    model, column, noun = _NAMED[name]
    rows = model._default_manager.filter(**{f"{column}__in": entries})
    known = {*rows.values_list(column, flat=True), *declared}
    return [f"Unknown {noun}: {each[:50]}." for each in entries if each not in known]


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def create(values: Mapping[str, Any], *, now: datetime, secret: str | None = None) -> Written:
    """Make a subscription.

    Args:
        values: Its columns; checked already.
        now: The present.
        secret: The key of its webhook; one is made when none is given.

    Raises:
        InvalidInput: It tells nobody.
        NameTaken: There is one of this name.
    """
    row = Subscription(**values)
    made = _prepare(row, secret, now)
    try:
        with transaction.atomic(), together():
            locks.hold()
            row.save(force_insert=True)
    except IntegrityError as error:
        if "jobs_subscription_name" in _constraint(error):
            raise NameTaken("name", row.name) from error
        raise
    return Written(row, made)


def change(
    subscription: Subscription, values: Mapping[str, Any], *, now: datetime, secret: str | None = None
) -> Written:
    """Change some columns of a subscription; ``secret``, when given, replaces its key at once.

    Raises:
        InvalidInput: It would tell nobody.
    """
    with transaction.atomic(), together():
        locks.hold()
        row = Subscription.objects.select_for_update(no_key=True).get(pk=subscription.pk)
        for name, value in values.items():
            setattr(row, name, value)
        made = _prepare(row, secret, now)
        row.save()
        if secret is not None:
            _record("change_secret", row, now)
    return Written(row, made)


def delete(subscription: Subscription) -> None:
    """Delete a subscription with the log of its deliveries."""
    with transaction.atomic(), together():
        locks.hold()
        rows.locked_to_delete(subscription).delete()


def rotate(subscription: Subscription, *, now: datetime, secret: str | None = None) -> Written:
    """Give its webhook a new key; for a day the old one signs as well.

    Raises:
        InvalidInput: It has no webhook.
    """
    with transaction.atomic():
        row = Subscription.objects.select_for_update(no_key=True).get(pk=subscription.pk)
        if not row.webhook_url:
            raise InvalidInput({"webhook": ["The subscription has no webhook."]})
        made = secret or keys.make()
        row.old_secret, row.old_secret_until = row.secret, now + keys.BOTH_SIGN
        row.secret, row.secret_set_at = keys.seal(made, row.name), now
        Subscription.objects.filter(pk=row.pk).update(
            secret=row.secret,
            secret_set_at=now,
            old_secret=row.old_secret,
            old_secret_until=row.old_secret_until,
        )
        _record("rotate_secret", row, now)
    return Written(row, made)


def test(subscription: Subscription, *, now: datetime) -> list[Delivery]:
    """Send a ``ping`` to all receivers of a subscription; return its deliveries."""
    author = acting.get()
    with transaction.atomic():
        made = fanout.ping(subscription, now, author.name if author else "")
        _record("test_subscription", subscription, now)
        dispatch.hint_notices()
    return made


def resend(delivery: Delivery, *, now: datetime) -> None:
    """Let a delivery be sent again, with its number and its body.

    Raises:
        DeliveryUnderWay: It is being sent.
    """
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if row.claim is not None and row.next_at is not None and row.next_at > now:
            raise DeliveryUnderWay(row.pk)
        due.send_again(row, now)
        if row.subscription is not None:
            _record("resend_delivery", row.subscription, now, f" {row.pk}")
        dispatch.hint_notices()


def tells_nobody(row: Subscription) -> bool:
    """Return whether nobody would hear of it."""
    return not (row.users or row.groups or row.addresses or row.webhook_url)


def _prepare(row: Subscription, secret: str | None, now: datetime) -> str | None:
    """Give a webhook its key, take the key of one that is gone; return a key that was made.

    Raises:
        InvalidInput: Nobody would hear of it.
    """
    if tells_nobody(row):
        raise InvalidInput({"webhook": ["Name users, groups, addresses or a webhook to tell."]})
    if not row.webhook_url:
        row.secret = row.secret_set_at = row.old_secret = row.old_secret_until = None
        return None
    if secret is None and row.secret is not None:
        return None
    made = secret or keys.make()
    row.secret, row.secret_set_at = keys.seal(made, row.name), now
    row.old_secret = row.old_secret_until = None
    return made


def _record(action: str, subscription: Subscription, now: datetime, more: str = "") -> None:
    author = acting.get()
    if author is not None:
        audit.record_setting(author, action, now=now, comment=f"{subscription.name}{more}")


def _constraint(error: IntegrityError) -> str:
    return str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", ""))
