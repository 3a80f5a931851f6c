"""What ran: steps and operations of each attempt of a job."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from jobs.choices import OperationStatus, StepChoice, UndoState


def empty() -> dict[str, Any]:
    """Return the default of JSON columns that hold an object."""
    return {}


class StepRun(models.Model):
    """One step of one attempt, from its first operation to its result."""

    class Result(models.TextChoices):
        """How the step is, or how it ended."""

        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        STOPPED = "stopped", _("Stopped")

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="step_runs", db_index=False)
    attempt = models.PositiveIntegerField()
    step = models.CharField(max_length=5, choices=StepChoice.choices)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ("started_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("job", "attempt", "step"), name="step_run_unique"),
            models.UniqueConstraint(
                fields=("job",), name="step_run_one_running_per_job", condition=Q(result="running")
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.step}"


class OperationRun(models.Model):
    """The record of one operation under its path: what durable execution reads when a job is taken up again.

    ``value`` is what the operation answered, ``memo`` what it decided (branch, items, turns, tries), so that
    walking the tree again
    leads the same way without executing anything twice.
    """

    job = models.ForeignKey(
        "jobs.Job", on_delete=models.CASCADE, related_name="operation_runs", db_index=False
    )
    attempt = models.PositiveIntegerField()
    path = models.TextField()
    identifier = models.TextField(help_text=_("The operation's id, or its path."))
    name = models.CharField(max_length=500, blank=True)
    key = models.CharField(max_length=50)
    step = models.CharField(max_length=5, choices=StepChoice.choices)
    status = models.CharField(max_length=10, choices=OperationStatus.choices)
    value = models.JSONField(null=True, blank=True)
    memo = models.JSONField(default=empty, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    undo = models.CharField(max_length=10, choices=UndoState.choices, default=UndoState.NONE, blank=True)
    ran_in = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("The attempt whose result this one reuses.")
    )

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("job", "attempt", "path"), name="operation_run_once_per_attempt"),
            models.CheckConstraint(
                name="operation_run_status_known", condition=Q(status__in=OperationStatus.values)
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.path}"
