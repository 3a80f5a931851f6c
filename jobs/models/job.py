"""The job (pase)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from jobs.choices import JobType, OutcomeChoice, RollbackState, StatusChoice, StepChoice
from jobs.eta.forecast import Forecast
from jobs.eta.survival import Eta
from jobs.lifecycle import ENDED, RUNNER_STATUSES, Status
from jobs.models.content import Nature
from jobs.models.project import Project, empty
from permissions.models import Environment
from rules.models import Rule, RuleVersion

ENDED_VALUES = sorted(status.value for status in ENDED)
_RUNNER_VALUES = sorted(status.value for status in RUNNER_STATUSES)


class Job(models.Model):
    """One run of a rule that takes revisions of a project into an environment.

    ``status`` and what follows from it are written by ``jobs.transitions`` alone. ``claim`` is the fencing
    token of the worker that has the
    job: a runner writes only where its claim still stands. ``due_at`` is when a worker may take it, ``NULL`` when none may.
    """

    name = models.CharField(_("name"), max_length=200, unique=True)
    type = models.CharField(_("type"), max_length=10, choices=JobType.choices, default=JobType.PROMOTE)
    rule = models.ForeignKey(
        Rule, on_delete=models.PROTECT, related_name="jobs", db_index=False, verbose_name=_("rule")
    )
    rule_version = models.ForeignKey(
        RuleVersion, on_delete=models.PROTECT, related_name="jobs", verbose_name=_("rule version")
    )
    rule_pins = models.JSONField(
        default=empty, blank=True, help_text=_("Versions of the rules that the rule calls, by slug.")
    )
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="jobs",
        db_index=False,
        verbose_name=_("environment"),
    )
    project = models.ForeignKey(
        Project,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="jobs",
        db_index=False,
        verbose_name=_("project"),
    )
    natures: models.ManyToManyField[Nature, models.Model] = models.ManyToManyField(
        Nature, through="jobs.JobNature", related_name="jobs", verbose_name=_("natures")
    )

    status = models.CharField(_("status"), max_length=20, choices=StatusChoice.choices)
    step = models.CharField(_("step"), max_length=5, choices=StepChoice.choices)
    outcome = models.CharField(  # noqa: DJ001 - null is the contract's value for "not known yet"
        _("outcome"), max_length=10, choices=OutcomeChoice.choices, null=True, blank=True
    )
    reason = models.TextField(
        _("reason"), blank=True, help_text=_("Why it is in this status, in a sentence.")
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    rollback = models.CharField(
        _("rollback"), max_length=10, choices=RollbackState.choices, default=RollbackState.NONE
    )
    rollback_asked = models.BooleanField(
        default=False, help_text=_("A person asked for the rollback of this attempt; POST does not follow.")
    )
    status_before_expiry = models.CharField(max_length=20, blank=True)

    urgent = models.BooleanField(_("urgent"), default=False)
    comment = models.TextField(_("comment"), blank=True)
    variables = models.JSONField(_("variables"), default=empty, blank=True)
    stash = models.JSONField(
        default=empty, blank=True, help_text=_("Run variables as they were when the step began.")
    )

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="created_jobs",
        db_index=False,
        verbose_name=_("user"),
    )
    limits = models.JSONField(
        null=True,
        blank=True,
        help_text=_(
            "Of the API token that it was created with, as they were then; they hold for what it creates."
        ),
    )
    created_at = models.DateTimeField(_("created"))
    scheduled_at = models.DateTimeField(_("scheduled date"))
    max_start_at = models.DateTimeField(_("max start date"))
    started_at = models.DateTimeField(_("start date"), null=True, blank=True)
    run_began_at = models.DateTimeField(null=True, blank=True)
    last_ran = models.CharField(
        max_length=5, blank=True, help_text=_("The last of PRE and RUN that began, in any attempt.")
    )
    finished_at = models.DateTimeField(_("end date"), null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)

    claim = models.UUIDField(null=True, blank=True)
    claimed_by = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    cancelled_claim = models.UUIDField(
        null=True, blank=True, help_text=_("Whose runner may still say which processes it ended.")
    )

    log_lines = models.BigIntegerField(default=0)
    operations_done = models.PositiveIntegerField(default=0)
    operations_expected = models.PositiveIntegerField(default=0)
    progress_basis = models.CharField(max_length=12, default="tree")
    percent = models.PositiveSmallIntegerField(_("progress"), default=0)
    forecast = models.JSONField(
        null=True,
        blank=True,
        help_text=_("What is still to come, as whoever changed the job last foresaw it."),
    )

    if TYPE_CHECKING:
        clock: datetime
        """The database's time, put there by ``transitions.lock``."""
        asks_slots: bool
        """Whether it asked for slots of semaphores, put there by ``transitions.lock``."""
        is_told: bool
        """Whether anybody subscribes to anything, put there by ``transitions.lock``."""
        has_secrets: bool
        """Whether there are secrets that it may read, put there by ``transitions.lock``."""
        has_records: bool
        """Whether its attempt has records of operations, put there by ``transitions.lock``, but not by ``lock_again``."""
        as_locked: dict[str, Any]
        """Its columns by attribute as they are in the database, put there by ``transitions.lock``."""

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        default_permissions = ()
        indexes = (
            models.Index(F("environment"), F("id").desc(), name="job_environment_newest"),
            models.Index(F("status"), F("environment"), F("id").desc(), name="job_status_place"),
            models.Index(F("project"), F("environment"), F("id").desc(), name="job_project_place"),
            models.Index(F("created_by"), F("environment"), F("id").desc(), name="job_creator_place"),
            models.Index(F("rule"), F("environment"), F("id").desc(), name="job_rule_place"),
            models.Index(
                F("type"),
                F("environment"),
                F("id").desc(),
                name="job_type_place",
                condition=~Q(type="promote"),
            ),
            models.Index(
                F("step"), F("environment"), F("id").desc(), name="job_step_place", condition=~Q(step="END")
            ),
            models.Index(
                F("rule"),
                F("environment"),
                F("id").desc(),
                name="job_finished_newest",
                condition=Q(status="finished"),
            ),
            # What some pages of the table have, least and greatest: where a range of dates has no jobs, see ``jobs.list_dates``.
            BrinIndex(
                fields=["id", "created_at", "scheduled_at", "started_at", "finished_at"],
                name="job_dates",
                pages_per_range=16,
                autosummarize=True,
            ),
            models.Index(
                F("rule"), F("id").desc(), name="job_finished_of_rule", condition=Q(status="finished")
            ),
            models.Index("created_at", "id", name="job_created"),
            models.Index("scheduled_at", "id", name="job_scheduled"),
            models.Index("max_start_at", "id", name="job_max_start"),
            models.Index("started_at", "id", name="job_started"),
            models.Index("finished_at", "id", name="job_finished"),
            models.Index(
                F("urgent").desc(), "due_at", "id", name="job_due_order", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                "max_start_at",
                name="job_may_expire",
                condition=Q(status__in=["ready", "pending_approval"], run_began_at=None),
            ),
            models.Index("id", name="job_blocked", condition=Q(status="ready", due_at__isnull=True)),
            models.Index("id", name="job_claimed", condition=Q(claim__isnull=False)),
        )
        constraints = (
            models.CheckConstraint(name="job_status_known", condition=Q(status__in=StatusChoice.values)),
            models.CheckConstraint(name="job_step_known", condition=Q(step__in=StepChoice.values)),
            models.CheckConstraint(
                name="job_finished_at_iff_ended",
                condition=Q(status__in=ENDED_VALUES, finished_at__isnull=False)
                | (~Q(status__in=ENDED_VALUES) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="job_claim_only_while_running",
                condition=Q(claim__isnull=True) | Q(status__in=_RUNNER_VALUES),
            ),
            models.CheckConstraint(
                name="job_claim_has_lease",
                condition=Q(claim__isnull=True, lease_expires_at__isnull=True)
                | Q(claim__isnull=False, lease_expires_at__isnull=False),
            ),
            models.CheckConstraint(
                name="job_max_start_not_before_schedule", condition=Q(max_start_at__gte=F("scheduled_at"))
            ),
            models.CheckConstraint(
                name="job_limits_are_whole_or_none",
                condition=Q(limits__isnull=True) | Q(limits__has_keys=["rights", "environments"]),
            ),
            models.CheckConstraint(name="job_attempt_from_one", condition=Q(attempt__gte=1)),
            models.CheckConstraint(name="job_percent_at_most_100", condition=Q(percent__lte=100)),
            models.CheckConstraint(
                name="job_end_is_finished_or_error",
                condition=~Q(step="END") & ~Q(status__in=["finished", "error"])
                | Q(step="END", status__in=["finished", "error"]),
            ),
        )

    def __str__(self) -> str:
        return self.name

    def eta(self, now: datetime) -> Eta | None:
        """Return how long its remaining work takes, ``None`` while too few like it have finished, and once it has ended."""
        if self.forecast is None or self.status in ENDED_VALUES:
            return None
        return Forecast.from_data(self.forecast).range(now, is_running=self.status == Status.RUNNING)
