"""Who does the work: workers and the daemon as they were last seen."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerSeen(models.Model):
    """A worker process and its last sign of life."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    queues = models.JSONField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ("name",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name


class DaemonState(models.Model):
    """The only row says when the daemon ticked last and since when it has ticked without a gap.

    After a gap (database or daemon away) nobody could renew a lease, so leases count as lost only once the
    daemon has been steady for
    a whole lease: a live worker is never declared dead.
    """

    ticked_at = models.DateTimeField()
    steady_since = models.DateTimeField()
    seconds = models.FloatField(default=0)

    class Meta:
        default_permissions = ()
        constraints = (models.CheckConstraint(name="daemon_state_one_row", condition=models.Q(pk=1)),)

    def __str__(self) -> str:
        return f"{self.ticked_at:%H:%M:%S}"
