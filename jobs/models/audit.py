"""The audit: one append-only record for every decision of a person, and of the daemon."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditRecord(models.Model):
    """Who did what, when, from where and why. A trigger refuses changes; no key ties it to a job, so it outlives the job.

    Names are copied as text for the same reason.
    """

    class Source(models.TextChoices):
        """The door it came through."""

        PAGE = "page", _("Page")
        API = "api", "API"
        ADMIN = "admin", _("Administration")
        COMMAND = "command", _("Command")
        DAEMON = "daemon", _("Daemon")

    at = models.DateTimeField(_("when"))
    user = models.CharField(_("user"), max_length=150, blank=True)
    action = models.CharField(_("action"), max_length=50)
    job_id = models.BigIntegerField(_("job number"), null=True, blank=True)
    job_name = models.CharField(_("job"), max_length=200, blank=True)
    environment = models.CharField(_("environment"), max_length=50, blank=True)
    from_status = models.CharField(_("status before"), max_length=20, blank=True)
    to_status = models.CharField(_("status after"), max_length=20, blank=True)
    step = models.CharField(_("step"), max_length=5, blank=True)
    attempt = models.PositiveIntegerField(_("attempt"), null=True, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    address = models.CharField(_("address"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit record")
        verbose_name_plural = _("audit")
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = (models.Index("job_id", "id", name="audit_job"),)

    def __str__(self) -> str:
        # Without the action: what it is called is up to the pages.
        parts = (
            f"{timezone.localtime(self.at):%Y-%m-%d %H:%M}",
            self.user or self.get_source_display(),
            self.job_name,
        )
        return " · ".join(filter(None, parts))
