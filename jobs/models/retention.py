"""How long jobs are kept: policies, jobs on hold, what was taken of jobs that are still there, and how far the daemon is."""

from __future__ import annotations

from typing import Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from permissions.models import Environment
from rules.models import Rule

MOST_DAYS: Final = 36_500
MOST_JOBS: Final = 1_000_000


class RetentionPolicy(models.Model):
    """How long one thing is kept of the jobs that have ended.

    A job falls under the most specific policy for each thing that can be removed: one for its environment goes before one
    for all, then one for its rule, then one for its outcome. What falls under no policy is kept.

    Attributes:
        environment: Of the jobs; ``None`` for any.
        rule: Of the jobs; ``None`` for any.
        outcome: How they ended.
        removes: What goes once nothing keeps it any more.
        keep_days: It is kept so long after the end; ``None`` when its age keeps nothing.
        keep_jobs: The newest so many of each environment and rule keep it; ``None`` when their number keeps nothing.
            With neither of the two it is kept for ever.
        changed_at: When it was written last; the daemon looks at all jobs anew after that.
    """

    class Outcome(models.TextChoices):
        """How a job ended; everything but finished is failed."""

        ANY = "any", pgettext_lazy("outcome", "Any")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed, cancelled, expired")

    class Removes(models.TextChoices):
        """What goes."""

        LOG = "log", _("The log")
        FILES = "files", _("The files on workers")
        JOB = "job", _("The job with all that is its own")

    environment = models.ForeignKey(
        Environment,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("environment"),
        help_text=_("Empty for any."),
        null=True,
        blank=True,
    )
    rule = models.ForeignKey(
        Rule,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("rule"),
        help_text=_("Empty for any."),
        null=True,
        blank=True,
    )
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.ANY.value
    )
    removes = models.CharField(_("removes"), max_length=10, choices=Removes.choices)
    keep_days = models.PositiveIntegerField(
        _("days kept"),
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text=_("Since the job's end."),
        null=True,
        blank=True,
    )
    keep_jobs = models.PositiveIntegerField(
        _("jobs kept"),
        validators=[MinValueValidator(1), MaxValueValidator(MOST_JOBS)],
        help_text=_("The newest of each environment and rule. With neither days nor jobs, for ever."),
        null=True,
        blank=True,
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("retention policy")
        verbose_name_plural = _("retention policies")
        ordering = ("removes", "environment__code", "rule__slug", "outcome")
        constraints = (
            models.UniqueConstraint(
                name="retention_policy_once",
                fields=("environment", "rule", "outcome", "removes"),
                nulls_distinct=False,
                violation_error_message=_("There is a policy for these jobs already."),
            ),
            models.CheckConstraint(
                name="retention_policy_outcome_known", condition=Q(outcome__in=["any", "finished", "failed"])
            ),
            models.CheckConstraint(
                name="retention_policy_removes_known", condition=Q(removes__in=["log", "files", "job"])
            ),
            models.CheckConstraint(
                name="retention_policy_days_in_range",
                condition=Q(keep_days__isnull=True) | Q(keep_days__gte=1, keep_days__lte=MOST_DAYS),
            ),
            models.CheckConstraint(
                name="retention_policy_jobs_in_range",
                condition=Q(keep_jobs__isnull=True) | Q(keep_jobs__gte=1, keep_jobs__lte=MOST_JOBS),
            ),
        )

    def __str__(self) -> str:
        environment = self.environment.code if self.environment is not None else "*"
        rule = self.rule.slug if self.rule is not None else "*"
        return f"{self.removes} of {environment} × {rule} × {self.outcome}"

    @property
    def is_for_ever(self) -> bool:
        """Whether it keeps everything."""
        return self.keep_days is None and self.keep_jobs is None


class JobHold(models.Model):
    """A job that no policy touches until somebody releases it. A name and no key: the hold outlives the account."""

    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="hold")
    held_at = models.DateTimeField()
    held_by = models.CharField(max_length=150)
    comment = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.job_id}: {self.held_by}"


class JobTrim(models.Model):
    """What policies took of a job that is still there. What it does afterwards, as after a rerun, is its own again.

    Attributes:
        log_at: When its log was said to go; ``None`` when it was not.
        log_upto: The last line of the log that goes.
        log_left: Whether rows of that log are still to be removed.
        files_at: When its files on the workers were said to go; ``None`` when they were not.
    """

    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="trim")
    log_at = models.DateTimeField(null=True)
    log_upto = models.BigIntegerField(default=0)
    log_left = models.BooleanField(default=False)
    files_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = (models.Index("job", name="job_trim_log_left", condition=Q(log_left=True)),)
        constraints = (
            models.CheckConstraint(
                name="job_trim_log_left_of_something",
                condition=Q(log_left=False) | Q(log_at__isnull=False, log_upto__gte=1),
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id}: {self.log_upto}"


class RetentionState(models.Model):
    """How far the daemon is in its walk over all jobs, the oldest first; one row.

    Attributes:
        next_at: When somebody is to look again.
        position: Number of the job up to which the present walk has looked; 0 at its beginning.
        began_at: When the present walk, or the last one, began.
        finished_at: When the last walk that came to the end did.
        jobs: How many jobs it removed in all walks.
        logs: How many logs.
        files: Of how many jobs the files.
    """

    next_at = models.DateTimeField()
    position = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    jobs = models.BigIntegerField(default=0)
    logs = models.BigIntegerField(default=0)
    files = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = (models.CheckConstraint(name="retention_state_is_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return f"{self.position}"


class LogTable(models.Model):
    """What was seen of one partition of the log when it was last looked at; the catalogue of the database knows its bounds.

    Attributes:
        name: Of the partition.
        looked_at: When.
        live_bytes: What its rows hold.
        disk_bytes: What it takes on disk, indexes and all.
        tries: How often giving its disk back failed since it last worked.
    """

    name = models.CharField(max_length=63, primary_key=True)
    looked_at = models.DateTimeField()
    live_bytes = models.BigIntegerField(default=0)
    disk_bytes = models.BigIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        indexes = (models.Index("looked_at", name="log_table_looked_at"),)

    def __str__(self) -> str:
        return self.name
