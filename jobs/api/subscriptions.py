"""Subscriptions, by administrators alone: they hold addresses of people and of programs."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.actions import subscriptions
from jobs.actions.subscriptions import Written
from jobs.api import pagination
from jobs.api.parsing import Choice, Flag, Line, NothingSerializer, StrictSerializer, Text
from jobs.choices import StatusChoice
from jobs.exceptions import InvalidInput
from jobs.keyset import Ordering
from jobs.models import Attempt, Delivery, Subscription
from jobs.notifications import keys
from jobs.notifications.events import NoticeEvent
from jobs.representation import instant
from permissions.models import User

BY_NAME: Final = Ordering("name", "name", "str", tie="name")
NEWEST: Final = Ordering("-id", "id", descending=True)


class OnlyAdministrators(BasePermission):
    """Nobody else reads or writes these."""

    message = "Only administrators may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the asker may go on; a method that is not there is 405 for everybody who is signed in."""
        if not isinstance(request.user, User):
            return False
        return request.user.administers or not hasattr(view, str(request.method).lower())


def _texts(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=Text(max_length=254, **options), required=False, max_length=subscriptions.MOST
    )


def _words(words: Any) -> serializers.ListField:
    return serializers.ListField(child=Choice(words), required=False, max_length=subscriptions.MOST)


def _checked(secret: str) -> None:
    if mistake := keys.mistake_in(secret):
        raise ValidationError(mistake)


class WebhookSerializer(StrictSerializer):
    """``{url, secret}``; without ``secret`` one is made, and shown in the answer."""

    url = Text(max_length=500)
    secret = Text(required=False, trim_whitespace=False, validators=[_checked])


class SubscriptionSerializer(StrictSerializer):
    """A subscription; an empty list of events, environments, projects or statuses stands for all."""

    name = Line(max_length=subscriptions.LONGEST_NAME)
    enabled = Flag(required=False)
    events = _words(tuple(NoticeEvent))
    environments = _texts()
    projects = _texts()
    statuses = _words(tuple(StatusChoice.values))
    users = _texts()
    groups = _texts()
    addresses = _texts()
    webhook = WebhookSerializer(required=False, allow_null=True)

    def validate_name(self, name: str) -> str:
        """Let a name be given again as it is, and never be another."""
        if self.instance is not None and name != self.instance.name:
            raise ValidationError("A name cannot be changed.")
        return name

    def columns(self) -> tuple[dict[str, Any], str | None]:
        """Return the columns of the valid body, and the key that it gives.

        Raises:
            InvalidInput: A name in it is unknown, an address is none, or the webhook may not lead there.
        """
        values = dict(self.validated_data)
        values.update({name: sorted(values[name]) for name in subscriptions.LISTS if name in values})
        secret = None
        if "webhook" in values:
            webhook = values.pop("webhook") or {}
            values["webhook_url"], secret = webhook.get("url", ""), webhook.get("secret")
        if errors := subscriptions.mistakes(values):
            raise InvalidInput(errors)
        return values, secret


class RotateSerializer(StrictSerializer):
    """``{secret}``; without it one is made."""

    secret = Text(required=False, trim_whitespace=False, validators=[_checked])


def represent_subscription(subscription: Subscription, secret: str | None = None) -> dict[str, Any]:
    """Return a subscription; its key only where it was made just now."""
    webhook = None
    if subscription.webhook_url:
        webhook = {
            "url": subscription.webhook_url,
            "secret": secret,
            "secret_set_at": instant(subscription.secret_set_at),
            "old_secret_until": instant(subscription.old_secret_until),
        }
    return {
        "id": subscription.pk,
        "name": subscription.name,
        "enabled": subscription.enabled,
        **{name: getattr(subscription, name) for name in subscriptions.LISTS},
        "webhook": webhook,
    }


def represent_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery with its attempts, read already."""
    return {
        "id": delivery.pk,
        "notice": delivery.notice_id,
        "event": delivery.notice.event,
        "job": delivery.notice.job_id,
        "channel": delivery.channel,
        "address": delivery.address,
        "user": delivery.user.get_username() if delivery.user else None,
        "state": delivery.state,
        "reason": delivery.reason or None,
        "created_at": instant(delivery.created_at),
        "next_at": instant(delivery.next_at),
        "finished_at": instant(delivery.finished_at),
        "attempts": [_attempt(each) for each in delivery.attempts.all()],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": instant(attempt.at),
        "milliseconds": attempt.milliseconds,
        "response_status": attempt.response_status,
        "response_body": attempt.response_body,
        "error": attempt.error or None,
    }


class _View(APIView):
    """What all addresses share."""

    permission_classes = (OnlyAdministrators,)
    body: ClassVar[type[StrictSerializer]] = SubscriptionSerializer

    def answer(self, written: Written, status: int = 200, headers: Any = None) -> Response:
        """Answer with a subscription, and with the key of its webhook when one was made."""
        shown = represent_subscription(written.subscription, written.secret)
        return Response(shown, status=status, headers=headers)

    def found(self, subscription_id: int) -> Subscription:
        """Return the subscription.

        Raises:
            Http404: There is none.
        """
        return get_object_or_404(Subscription, pk=subscription_id)


class SubscriptionsView(_View):
    """``subscriptions/``."""

    query_parameters = pagination.PARAMETERS
    answers_secret = True

    def get(self, request: Request) -> Response:
        """Return the subscriptions by name."""
        return pagination.paged(request, Subscription.objects.all(), BY_NAME, represent_subscription)

    def post(self, request: Request) -> Response:
        """Create one; a secret that was made for its webhook is in this answer and in no other."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values, secret = body.columns()  # type: ignore[attr-defined]
        written = subscriptions.create(values, now=timezone.now(), secret=secret)
        address = reverse("api:subscription", kwargs={"subscription_id": written.subscription.pk})
        return self.answer(written, 201, {"Location": request.build_absolute_uri(address)})


class SubscriptionView(_View):
    """``subscriptions/{id}/``."""

    def get(self, request: Request, subscription_id: int) -> Response:
        """Return one."""
        return Response(represent_subscription(self.found(subscription_id)))

    def patch(self, request: Request, subscription_id: int) -> Response:
        """Change what the body names, and nothing else."""
        present = self.found(subscription_id)
        body = SubscriptionSerializer(present, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        values, secret = body.columns()
        return self.answer(subscriptions.change(present, values, now=timezone.now(), secret=secret))

    def delete(self, request: Request, subscription_id: int) -> Response:
        """Delete it with its deliveries."""
        subscriptions.delete(self.found(subscription_id))
        return Response(status=204)


class RotateSecretView(_View):
    """``subscriptions/{id}/rotate_secret/``."""

    body = RotateSerializer
    answers_secret = True

    def post(self, request: Request, subscription_id: int) -> Response:
        """Change the key of the webhook; for a day both sign. A key that was made is in this answer and in no other."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data.get("secret")
        return self.answer(
            subscriptions.rotate(self.found(subscription_id), now=timezone.now(), secret=given)
        )


class TestView(_View):
    """``subscriptions/{id}/test/``."""

    __test__ = False
    body = NothingSerializer

    def post(self, request: Request, subscription_id: int) -> Response:
        """Send a ``ping`` to all its receivers; the answer has the deliveries, which are still on their way."""
        self.body(data=request.data).is_valid(raise_exception=True)
        made = subscriptions.test(self.found(subscription_id), now=timezone.now())
        return Response({"deliveries": [represent_delivery(each) for each in made]})


class DeliveriesView(_View):
    """``subscriptions/{id}/deliveries/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request, subscription_id: int) -> Response:
        """Return its deliveries, the newest first, with every attempt."""
        rows = deliveries_of(self.found(subscription_id))
        return pagination.paged(request, rows, NEWEST, represent_delivery)


class ResendView(_View):
    """``subscriptions/{id}/deliveries/{delivery}/resend/``."""

    body = NothingSerializer

    def post(self, request: Request, subscription_id: int, delivery_id: int) -> Response:
        """Send it again, with the same number and body."""
        self.body(data=request.data).is_valid(raise_exception=True)
        rows = deliveries_of(self.found(subscription_id))
        subscriptions.resend(get_object_or_404(rows, pk=delivery_id), now=timezone.now())
        return Response(represent_delivery(rows.get(pk=delivery_id)))


def deliveries_of(subscription: Subscription) -> QuerySet[Delivery]:
    """Return the deliveries of a subscription with all that is shown of them."""
    rows = Delivery.objects.filter(subscription=subscription)
    return rows.select_related("notice", "user").prefetch_related("attempts")
