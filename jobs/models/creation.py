"""Requests to create a job, while CHECK and INIT run on a worker and the asker waits."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.models.project import empty


class CreationRequest(models.Model):
    """One asker's wish.

    Its state moves by compare-and-set, so a worker that comes late finds it abandoned and creates nothing.
    """

    class State(models.TextChoices):
        """Where the request is."""

        ASKED = "asked"
        CHECKING = "checking"
        CREATED = "created"
        REFUSED = "refused"
        ABANDONED = "abandoned"
        DONE = "done"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    wish = models.JSONField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=10)
    address = models.CharField(max_length=64, blank=True)
    limits = models.JSONField(
        null=True, blank=True, help_text=_("Of the API token that the actor came with, as they were then.")
    )
    created_at = models.DateTimeField()
    deadline = models.DateTimeField()
    job = models.ForeignKey("jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    refusal = models.JSONField(default=empty, blank=True)
    schedule_run = models.ForeignKey(
        "jobs.ScheduleRun",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="requests",
        help_text=_("The run of a schedule that asks, in place of a person."),
    )

    class Meta:
        verbose_name = _("creation request")
        verbose_name_plural = _("creation requests")
        default_permissions = ()
        indexes = (models.Index("created_at", name="creation_request_age"),)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"
