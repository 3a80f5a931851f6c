"""Schedules: templates of jobs that are created by the clock, and what came of each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs.choices import JobType
from jobs.models.project import Project, empty
from jobs.models.waits import empty_list
from jobs.planning import MOST_AHEAD
from jobs.recurrence import SHORTEST, NotACron, Timing, fields_of, next_runs
from permissions.models import Environment, code_validator, validate_time_zone
from rules.models import Rule

LONGEST: Final = timedelta(days=365)
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SAYS_WHEN: Final = ("enabled", "cron", "interval", "time_zone", "starts_at", "ends_at")


def default_zone() -> str:
    """Return the installation's time zone."""
    return str(settings.TIME_ZONE)


def _most_one_of(one: str, other: str) -> Q:
    return Q(**{one: "", f"{other}__isnull": False}) | (~Q(**{one: ""}) & Q(**{f"{other}__isnull": True}))


class Schedule(models.Model):
    """A template and when a job is made of it.

    ``next_run_at`` alone decides when that is: whoever moves it on under the row's lock has the run, so that it comes once
    however many clocks tick. ``save`` keeps it right.
    """

    class Overlap(models.TextChoices):
        """What happens while a job of the schedule is under way."""

        SKIP = "skip", _("Skip the run")
        ALLOW = "allow", _("Create another job")

    class CatchUp(models.TextChoices):
        """What happens after a time in which nothing ran."""

        NONE = "none", _("Skip what was missed")
        LATEST = "latest", _("One run for all that were missed")
        ALL = "all", _("Each run that was missed, at most ten")

    name = models.CharField(_("name"), max_length=50, unique=True, validators=[code_validator])
    enabled = models.BooleanField(_("enabled"), default=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("Jobs are created in this user's name, as long as they may create jobs there."),
    )
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="+", verbose_name=_("rule"))
    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="+", verbose_name=_("environment")
    )
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("project")
    )
    type = models.CharField(_("type"), max_length=10, choices=JobType.choices, default=JobType.PROMOTE)
    revisions = models.JSONField(_("revisions"), default=empty_list, blank=True)
    urgent = models.BooleanField(_("urgent"), default=False)
    comment = models.TextField(_("comment"), blank=True)
    variables = models.JSONField(_("variables"), default=empty, blank=True)
    delay = models.DurationField(
        _("delay"),
        null=True,
        blank=True,
        help_text=_("How long after the run RUN may begin. Empty: at once."),
    )

    cron = models.CharField(_("cron"), max_length=100, blank=True)
    interval = models.DurationField(_("interval"), null=True, blank=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default=default_zone, validators=[validate_time_zone]
    )
    starts_at = models.DateTimeField(_("not before"), null=True, blank=True)
    ends_at = models.DateTimeField(_("not after"), null=True, blank=True)
    overlap = models.CharField(
        _("while its last job is active"), max_length=10, choices=Overlap.choices, default=Overlap.SKIP
    )
    catch_up = models.CharField(
        _("after a downtime"), max_length=10, choices=CatchUp.choices, default=CatchUp.LATEST
    )

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ("name",)
        indexes = (
            models.Index("next_run_at", name="schedule_next_run", condition=Q(next_run_at__isnull=False)),
        )
        constraints = (
            models.UniqueConstraint(Upper("name"), name="schedule_name_unique_ignoring_case"),
            models.CheckConstraint(
                name="schedule_by_cron_or_interval", condition=_most_one_of("cron", "interval")
            ),
            models.CheckConstraint(
                name="schedule_interval_from_a_minute",
                condition=Q(interval__isnull=True) | Q(interval__gte=SHORTEST),
            ),
            models.CheckConstraint(
                name="schedule_runs_only_enabled", condition=Q(enabled=True) | Q(next_run_at__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row. The next run is found anew when something changed that says when it is, and else left to the clock."""
        with transaction.atomic():
            # The clock may have moved it on since this row was read.
            before = Schedule.objects.select_for_update(no_key=True).filter(pk=self.pk).first()
            if before is not None and all(
                getattr(before, name) == getattr(self, name) for name in _SAYS_WHEN
            ):
                self.next_run_at = before.next_run_at
            else:
                self.next_run_at = self.first_after(timezone.now())
            super().save(*args, **kwargs)
            if before is not None and before.environment_id != self.environment_id:
                # They name jobs and places that whoever sees the new environment need not see.
                self.runs.exclude(message="").update(message="It ran in another environment.")

    @property
    def timing(self) -> Timing:
        """When it comes."""
        return Timing(self.cron, self.interval, self.time_zone, self.created_at, self.starts_at, self.ends_at)

    def clean(self) -> None:
        """Refuse what never comes or makes no sense.

        Raises:
            ValidationError: By field.
        """
        errors: dict[str, Any] = {}
        if bool(self.cron) == (self.interval is not None):
            errors["cron"] = _("Write either a cron expression or an interval.")
        elif self.cron:
            try:
                fields_of(self.cron)
            except NotACron as error:
                errors["cron"] = str(error)
        elif self.interval is not None and not SHORTEST <= self.interval <= LONGEST:
            errors["interval"] = _("An interval lasts from one minute to 365 days.")
        if self.delay is not None and not timedelta(0) <= self.delay <= LONGEST:
            errors["delay"] = _("A delay lasts at most 365 days.")
        errors |= self._mistakes_in_dates()
        if errors:
            raise ValidationError(errors)

    def _mistakes_in_dates(self) -> dict[str, Any]:
        now = timezone.now()
        errors: dict[str, Any] = {}
        for field, date in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            # What is past is no mistake: intervals are counted from there, and a schedule that is over stays.
            if date is not None and date - now > MOST_AHEAD:
                errors[field] = _("The date is too far away: at most ten years from now.")
            elif date is not None and date < EARLIEST:
                errors[field] = _("The date is too long ago: at the earliest 1970-01-01.")
        if not errors and self.starts_at and self.ends_at and self.ends_at < self.starts_at:
            errors["ends_at"] = _("It lies before the beginning.")
        return errors

    def first_after(self, now: datetime) -> datetime | None:
        """Return when it comes next, ``None`` when it is not enabled or over."""
        return next(iter(next_runs(self.timing, now, 1)), None) if self.enabled else None


class ScheduleRun(models.Model):
    """One time at which a schedule came, or was asked to by a person, and what came of it.

    Attributes:
        due_at: When it was to be.
        asked_by: Who ran it by hand, and in whose name its job is; ``NULL`` for the owner, by the clock.
        look_at: When a worker may look at it; in the future while one is at it. ``NULL`` once it is settled.
        tries: How many workers took it up.
        at: When it was settled.
    """

    class Result(models.TextChoices):
        """What came of it."""

        WAITING = "waiting", _("Waiting")
        CREATED = "created", _("Job created")
        SKIPPED = "skipped", _("Skipped")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs", db_index=False)
    due_at = models.DateTimeField(_("due"))
    by_hand = models.BooleanField(default=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    look_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    result = models.CharField(_("result"), max_length=10, choices=Result.choices, default=Result.WAITING)
    message = models.TextField(_("message"), blank=True)
    job = models.ForeignKey("jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField(_("when"), null=True, blank=True)

    class Meta:
        verbose_name = _("run of a schedule")
        verbose_name_plural = _("runs of schedules")
        ordering = ("-id",)
        default_permissions = ()
        indexes = (
            models.Index(F("schedule"), F("id").desc(), name="schedule_run_newest"),
            models.Index("look_at", name="schedule_run_waiting", condition=Q(look_at__isnull=False)),
        )
        constraints = (
            models.UniqueConstraint(fields=("schedule", "due_at"), name="schedule_run_once_per_time"),
            models.CheckConstraint(
                name="schedule_run_waits_iff_looked_at",
                condition=Q(look_at__isnull=False, result="waiting", at__isnull=True)
                | (Q(look_at__isnull=True, at__isnull=False) & ~Q(result="waiting")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.due_at:%Y-%m-%d %H:%M} {self.result}"
