"""Keys by which programs send the same request twice and have it done once."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models.project import empty


class IdempotencyKey(models.Model):
    """One key of one user: in use until there is an answer, which is then given again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of address and body.")
    created_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)
    headers = models.JSONField(default=empty, blank=True)

    class Meta:
        default_permissions = ()
        indexes = (models.Index("created_at", name="idempotency_key_age"),)
        constraints = (
            models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_once_per_user"),
            models.CheckConstraint(
                name="idempotency_key_keeps_no_refusal",
                condition=Q(status__isnull=True, body="") | Q(status__gte=200, status__lt=400),
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id}: {self.key}"
