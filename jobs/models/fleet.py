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
        permissions = (("drain_worker", _("Can drain workers and let them work again")),)

    def __str__(self) -> str:
        return self.name


class WorkerDrain(models.Model):
    """A worker that was told to take no new work, until this row goes.

    It is kept by the worker's name and not beside its signs of life: these end with the worker, and one that is started again
    under the same name is still drained.
    """

    name = models.CharField(_("name"), max_length=200, unique=True)
    requested_at = models.DateTimeField(_("when"))
    requested_by = models.CharField(_("user"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("drained worker")
        verbose_name_plural = _("drained workers")
        ordering = ("name",)
        default_permissions = ()

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
