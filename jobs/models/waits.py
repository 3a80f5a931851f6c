"""What a job waits for: the signatures of an approval, the answer to a trap, the slot of a semaphore."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from jobs.choices import StepChoice
from jobs.models.project import empty


def empty_list() -> list[Any]:
    """Return the default of JSON columns that hold a list."""
    return []


class Wait(models.Model):
    """What approvals and traps share: an operation of an attempt at which the job stands until somebody decides.

    Attributes:
        path: The operation.
        operation: Its ``id``, or its path.
        began_at: Since when the job stands there.
        closed_at: When somebody or something ended it, ``NULL`` while it is open.
    """

    job = models.ForeignKey(
        "jobs.Job", on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("job")
    )
    attempt = models.PositiveIntegerField(_("attempt"))
    step = models.CharField(_("step"), max_length=5, choices=StepChoice.choices)
    path = models.TextField(_("path"))
    operation = models.TextField(_("operation"))
    name = models.CharField(_("name"), max_length=500, blank=True)
    began_at = models.DateTimeField(_("since"))
    closed_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        abstract = True


class Approval(Wait):
    """Signatures that a job waits for. An expired job keeps its approval open: rescheduled, it waits for it again."""

    class Result(models.TextChoices):
        """How it ended."""

        OPEN = "open", pgettext_lazy("wait", "Open")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        VOID = "void", _("Void")

    job = models.ForeignKey(
        "jobs.Job",
        on_delete=models.CASCADE,
        related_name="approvals",
        db_index=False,
        verbose_name=_("job"),
    )
    approvers = models.JSONField(
        _("approvers"), default=empty_list, help_text=_("Principals: user:ana, group:qa.")
    )
    minimum = models.PositiveSmallIntegerField(_("signatures needed"), default=1)
    exclude_creator = models.BooleanField(_("without the creator"), default=False)
    result = models.CharField(_("result"), max_length=10, choices=Result.choices, default=Result.OPEN)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ("id",)
        default_permissions = ("view",)
        indexes = (models.Index("job", "id", name="approval_job"),)
        constraints = (
            models.UniqueConstraint(
                fields=("job",), name="approval_one_open_per_job", condition=Q(closed_at__isnull=True)
            ),
            models.CheckConstraint(
                name="approval_open_iff_no_result",
                condition=Q(closed_at__isnull=True, result="open")
                | (Q(closed_at__isnull=False) & ~Q(result="open")),
            ),
            models.CheckConstraint(name="approval_needs_a_signature", condition=Q(minimum__gte=1)),
        )

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.path}: {self.get_result_display()}"


class ApprovalSignature(models.Model):
    """One person's word on an approval; the second one of the same person violates the constraint."""

    approval = models.ForeignKey(
        Approval,
        on_delete=models.CASCADE,
        related_name="signatures",
        db_index=False,
        verbose_name=_("approval"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("user")
    )
    approves = models.BooleanField(_("approves"), default=True)
    at = models.DateTimeField(_("when"))
    comment = models.TextField(_("comment"), blank=True)

    class Meta:
        verbose_name = _("signature")
        verbose_name_plural = _("signatures")
        ordering = ("id",)
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=("approval", "user"), name="approval_signed_once_per_person"),
        )

    def __str__(self) -> str:
        return f"{self.user_id}: {self.approves}"


class Trap(Wait):
    """An error that waits for a person's answer. Either its clock runs (``deadline``) or it stands (``remaining``)."""

    class Answer(models.TextChoices):
        """What was answered."""

        OPEN = "open", pgettext_lazy("wait", "Open")
        RETRY = "retry", _("Retried")
        SKIP = "skip", _("Skipped")
        ABORT = "abort", _("Aborted")
        VOID = "void", _("Void")

    job = models.ForeignKey(
        "jobs.Job", on_delete=models.CASCADE, related_name="traps", db_index=False, verbose_name=_("job")
    )
    error = models.TextField(_("error"), blank=True)
    stash = models.JSONField(
        _("saved variables"),
        default=empty,
        blank=True,
        help_text=_("Run variables as they were when the operation failed, for an abort."),
    )
    deadline = models.DateTimeField(_("deadline"), null=True, blank=True)
    remaining = models.DurationField(_("time left"), null=True, blank=True)
    on_timeout = models.CharField(_("on timeout"), max_length=10)
    retries = models.PositiveIntegerField(
        _("retries"), default=0, help_text=_("How often it was retried before.")
    )
    max_retries = models.PositiveIntegerField(
        _("most retries"), default=0, help_text=_("0 is without limit.")
    )
    answer = models.CharField(_("answer"), max_length=10, choices=Answer.choices, default=Answer.OPEN)

    class Meta:
        verbose_name = _("trap")
        verbose_name_plural = _("traps")
        ordering = ("id",)
        default_permissions = ("view",)
        indexes = (
            models.Index("job", "id", name="trap_job"),
            models.Index("deadline", name="trap_deadline", condition=Q(closed_at__isnull=True)),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("job",), name="trap_one_open_per_job", condition=Q(closed_at__isnull=True)
            ),
            models.CheckConstraint(
                name="trap_open_iff_no_answer",
                condition=Q(closed_at__isnull=True, answer="open")
                | (Q(closed_at__isnull=False) & ~Q(answer="open")),
            ),
            models.CheckConstraint(
                name="trap_clock_runs_or_stands",
                condition=Q(deadline__isnull=False, remaining__isnull=True)
                | Q(deadline__isnull=True, remaining__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.path}: {self.get_answer_display()}"


class Semaphore(models.Model):
    """A name with slots. The first operation that asks for a name makes it, with one slot."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    slots = models.PositiveIntegerField(_("slots"), default=1)

    class Meta:
        verbose_name = _("semaphore")
        verbose_name_plural = _("semaphores")
        ordering = ("name",)
        constraints = (models.CheckConstraint(name="semaphore_has_a_slot", condition=Q(slots__gte=1)),)

    def __str__(self) -> str:
        return self.name


class SemaphoreRequest(models.Model):
    """An operation's place in the queue of a semaphore, or the slot it holds. The row goes when the slot is free again."""

    semaphore = models.ForeignKey(
        Semaphore,
        on_delete=models.CASCADE,
        related_name="requests",
        db_index=False,
        verbose_name=_("semaphore"),
    )
    job = models.ForeignKey(
        "jobs.Job", on_delete=models.CASCADE, related_name="semaphore_requests", verbose_name=_("job")
    )
    path = models.TextField(_("path"))
    asked_at = models.DateTimeField(_("asked at"))
    granted_at = models.DateTimeField(_("granted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("semaphore request")
        verbose_name_plural = _("semaphore requests")
        ordering = ("id",)
        default_permissions = ("view",)
        indexes = (
            models.Index(F("semaphore"), F("id"), name="semaphore_queue"),
            models.Index("semaphore", name="semaphore_waiting", condition=Q(granted_at__isnull=True)),
        )
        constraints = (
            models.UniqueConstraint(fields=("job", "path"), name="semaphore_asked_once_per_operation"),
        )

    def __str__(self) -> str:
        return f"{self.semaphore_id}: {self.job_id} {self.path}"
