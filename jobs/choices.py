"""What people read for the states of a job: Spanish through the catalogue, and the colour family of each badge."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from jobs.lifecycle import Outcome, Status, Step


class StatusChoice(models.TextChoices):
    """Labels of ``lifecycle.Status``."""

    READY = Status.READY.value, _("Ready")
    RUNNING = Status.RUNNING.value, _("Running")
    PENDING_APPROVAL = Status.PENDING_APPROVAL.value, _("Waiting for approval")
    TRAPPED = Status.TRAPPED.value, _("Trapped")
    TRAP_PAUSED = Status.TRAP_PAUSED.value, _("Trap paused")
    ROLLBACK = Status.ROLLBACK.value, _("Rollback")
    REJECTED = Status.REJECTED.value, _("Rejected")
    EXPIRED = Status.EXPIRED.value, _("Expired")
    ABEND = Status.ABEND.value, _("Abend")
    CANCELLED = Status.CANCELLED.value, _("Cancelled")
    ERROR = Status.ERROR.value, _("Error")
    FINISHED = Status.FINISHED.value, _("Finished")


class StepChoice(models.TextChoices):
    """Steps a visible job can be at; their names are the product's words in every language."""

    INIT = Step.INIT.value, "INIT"
    PRE = Step.PRE.value, "PRE"
    RUN = Step.RUN.value, "RUN"
    POST = Step.POST.value, "POST"
    END = Step.END.value, "END"


class OutcomeChoice(models.TextChoices):
    """The result so far."""

    FINISHED = Outcome.FINISHED.value, _("Finished")
    ERROR = Outcome.ERROR.value, _("Error")


class JobType(models.TextChoices):
    """What a job does with its revisions."""

    PROMOTE = "promote", _("Promote")
    STATIC = "static", _("Static")
    DEMOTE = "demote", _("Demote")


class RollbackState(models.TextChoices):
    """How far undoing is."""

    NONE = "none", pgettext_lazy("rollback", "None")
    RUNNING = "running", pgettext_lazy("rollback", "Running")
    SUCCEEDED = "succeeded", pgettext_lazy("rollback", "Succeeded")
    FAILED = "failed", pgettext_lazy("rollback", "Failed")


class OperationStatus(models.TextChoices):
    """How one operation of a job is."""

    PENDING = "pending", pgettext_lazy("operation", "Pending")
    RUNNING = "running", pgettext_lazy("operation", "Running")
    COMPLETED = "completed", pgettext_lazy("operation", "Completed")
    SKIPPED = "skipped", pgettext_lazy("operation", "Skipped")
    IGNORED = "ignored", pgettext_lazy("operation", "Failed, ignored")
    FAILED = "failed", pgettext_lazy("operation", "Failed")
    WAITING = "waiting", pgettext_lazy("operation", "Waiting")


class UndoState(models.TextChoices):
    """Whether what an operation did can be undone: when it was completed, also when it only began, or it was."""

    NONE = "", _("No rollback")
    COMPLETED = "completed", _("When completed")
    BEGUN = "begun", _("When begun")
    UNDONE = "undone", _("Undone")


NAME_PREFIXES: Final = {JobType.PROMOTE: "N", JobType.STATIC: "N", JobType.DEMOTE: "B"}

BADGES: Final = {
    Status.READY: "neutral",
    Status.RUNNING: "running",
    Status.PENDING_APPROVAL: "waiting",
    Status.TRAPPED: "attention",
    Status.TRAP_PAUSED: "attention",
    Status.ROLLBACK: "attention",
    Status.REJECTED: "bad",
    Status.EXPIRED: "stopped",
    Status.ABEND: "bad",
    Status.CANCELLED: "stopped",
    Status.ERROR: "bad",
    Status.FINISHED: "good",
}
"""CSS family of the badge of each status; every badge also carries its label, so colour is never the only sign."""
