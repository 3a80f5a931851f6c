"""What people and programs are told: subscriptions, notices in an outbox, their deliveries and every attempt."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from jobs.models.waits import empty_list
from permissions.models import lines_wrong


class Subscription(models.Model):
    """Who is told what. In each list of conditions an empty one stands for all.

    Environments, projects, users and groups are kept by name: what is gone then matches nothing, where an empty list would
    match everything. ``secret`` and ``old_secret`` are made by ``jobs.notifications.keys``.
    """

    name = models.CharField(_("name"), max_length=100, unique=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    events = models.JSONField(_("events"), default=empty_list, blank=True)
    environments = models.JSONField(_("environments"), default=empty_list, blank=True)
    projects = models.JSONField(_("projects"), default=empty_list, blank=True)
    statuses = models.JSONField(_("statuses"), default=empty_list, blank=True)
    users = models.JSONField(_("users"), default=empty_list, blank=True)
    groups = models.JSONField(_("groups"), default=empty_list, blank=True)
    addresses = models.JSONField(_("mail addresses"), default=empty_list, blank=True)
    webhook_url = models.CharField(_("webhook"), max_length=500, blank=True)
    secret = models.BinaryField(null=True, blank=True)
    secret_set_at = models.DateTimeField(null=True, blank=True, editable=False)
    old_secret = models.BinaryField(null=True, blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                name="subscription_webhook_has_secret", condition=Q(webhook_url="") | Q(secret__isnull=False)
            ),
            models.CheckConstraint(
                name="subscription_old_secret_ends",
                condition=Q(old_secret__isnull=True) | Q(old_secret_until__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a name of several lines or with control characters, unless it is an old one.

        Raises:
            ValidationError: By field.
        """
        super().clean()
        if self._state.adding and (errors := lines_wrong(self, "name")):
            raise ValidationError(errors)


class Notice(models.Model):
    """One thing that happened, written in the transaction in which it did; its payload is as of then.

    ``job_id`` is no foreign key: what is told of a job outlives it. ``ready`` is true until deliveries were made of it.
    """

    event = models.CharField(_("event"), max_length=30)
    at = models.DateTimeField(_("when"))
    job_id = models.BigIntegerField(_("job"), null=True, blank=True)
    job_name = models.CharField(_("job"), max_length=200, blank=True)
    environment = models.CharField(_("environment"), max_length=50, blank=True)
    project = models.CharField(_("project"), max_length=50, blank=True)
    status = models.CharField(_("status"), max_length=20, blank=True)
    actor = models.CharField(_("user"), max_length=150, blank=True)
    payload = models.JSONField(_("payload"))
    ready = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-id",)
        default_permissions = ()
        indexes = (
            models.Index("id", name="notice_ready", condition=Q(ready=True)),
            models.Index("at", name="notice_age"),
        )

    def __str__(self) -> str:
        return f"{self.event} {self.job_name}".strip()

    @property
    def body(self) -> dict[str, Any]:
        """What a webhook is sent."""
        found: dict[str, Any] = {"id": self.pk, **self.payload}
        return found


class Delivery(models.Model):
    """One notice on its way to one receiver: a webhook, or one person's mail.

    Attributes:
        lane: Deliveries of one job to one receiver; they go out in order. Empty for one that waits for no other.
        server: What is left alone for a while when it does not answer: ``subscription:7``, ``mail``.
        why: Why a person gets it: ``creator``, ``approver``, ``user:ana``, ``group:qa``; the address for others.
        next_at: When it may be tried; while a worker is at it, when its word is no longer believed. ``NULL`` once it is over.
        claim: The token of the worker that is at it.
    """

    class Channel(models.TextChoices):
        """How it goes."""

        WEBHOOK = "webhook", _("Webhook")
        MAIL = "mail", _("Mail")

    class State(models.TextChoices):
        """How it stands."""

        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        DROPPED = "dropped", _("Not sent")

    notice = models.ForeignKey(
        Notice, on_delete=models.CASCADE, related_name="deliveries", verbose_name=_("notice")
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
        verbose_name=_("subscription"),
    )
    channel = models.CharField(_("way"), max_length=10, choices=Channel.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    address = models.CharField(_("address"), max_length=500)
    why = models.CharField(max_length=200, blank=True)
    lane = models.CharField(max_length=500, blank=True)
    server = models.CharField(max_length=50)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    created_at = models.DateTimeField(_("created"))
    next_at = models.DateTimeField(_("next try"), null=True, blank=True)
    claim = models.UUIDField(null=True, blank=True)
    finished_at = models.DateTimeField(_("end"), null=True, blank=True)
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-id",)
        default_permissions = ()
        indexes = (
            models.Index("next_at", "id", name="delivery_due", condition=Q(next_at__isnull=False)),
            models.Index("lane", "id", name="delivery_lane", condition=Q(next_at__isnull=False)),
            models.Index("server", name="delivery_under_way", condition=Q(claim__isnull=False)),
            models.Index(F("subscription"), F("id").desc(), name="delivery_newest"),
        )
        constraints = (
            models.CheckConstraint(
                name="delivery_pending_iff_tried_again",
                condition=Q(state="pending", next_at__isnull=False, finished_at__isnull=True)
                | (
                    ~Q(state="pending")
                    & Q(next_at__isnull=True, finished_at__isnull=False, claim__isnull=True)
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.notice_id} → {self.address}"


class Attempt(models.Model):
    """One try of a delivery, and what came back."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts", verbose_name=_("delivery")
    )
    at = models.DateTimeField(_("when"))
    milliseconds = models.PositiveIntegerField(_("milliseconds"))
    response_status = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)
    response_body = models.TextField(_("beginning of the answer"), blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ("id",)
        default_permissions = ()

    def __str__(self) -> str:
        return self.error or str(self.response_status or "")


class NoticeServer(models.Model):
    """A receiver that did not answer lately, and until when it is left alone."""

    name = models.CharField(max_length=50, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    rests_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class MailChoice(models.Model):
    """Whether a person gets mail without subscribing; without a row they do."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_choice", primary_key=True
    )
    own = models.BooleanField(default=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.own}"
