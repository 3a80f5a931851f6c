"""Schedules: templates of jobs, when each comes, and what came of it."""

import datetime

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import jobs.models.project
import jobs.models.schedule
import jobs.models.waits
import permissions.models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0010_waits"),
        ("permissions", "0001_initial"),
        ("rules", "0002_versions_never_change"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=50,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9][A-Za-z0-9_.-]*\\Z",
                                "Use letters, digits, dot, dash and underscore, and begin with a letter or digit.",
                            )
                        ],
                        verbose_name="name",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "type",
                    models.CharField(
                        choices=[("promote", "Promote"), ("static", "Static"), ("demote", "Demote")],
                        default="promote",
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                (
                    "revisions",
                    models.JSONField(
                        blank=True, default=jobs.models.waits.empty_list, verbose_name="revisions"
                    ),
                ),
                ("urgent", models.BooleanField(default=False, verbose_name="urgent")),
                ("comment", models.TextField(blank=True, verbose_name="comment")),
                (
                    "variables",
                    models.JSONField(blank=True, default=jobs.models.project.empty, verbose_name="variables"),
                ),
                (
                    "delay",
                    models.DurationField(
                        blank=True,
                        help_text="How long after the run RUN may begin. Empty: at once.",
                        null=True,
                        verbose_name="delay",
                    ),
                ),
                ("cron", models.CharField(blank=True, max_length=100, verbose_name="cron")),
                ("interval", models.DurationField(blank=True, null=True, verbose_name="interval")),
                (
                    "time_zone",
                    models.CharField(
                        default=jobs.models.schedule.default_zone,
                        max_length=64,
                        validators=[permissions.models.validate_time_zone],
                        verbose_name="time zone",
                    ),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True, verbose_name="not before")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="not after")),
                (
                    "overlap",
                    models.CharField(
                        choices=[("skip", "Skip the run"), ("allow", "Create another job")],
                        default="skip",
                        max_length=10,
                        verbose_name="while its last job is active",
                    ),
                ),
                (
                    "catch_up",
                    models.CharField(
                        choices=[
                            ("none", "Skip what was missed"),
                            ("latest", "One run for all that were missed"),
                            ("all", "Each run that was missed, at most ten"),
                        ],
                        default="latest",
                        max_length=10,
                        verbose_name="after a downtime",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created"
                    ),
                ),
                (
                    "next_run_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="next run"),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="permissions.environment",
                        verbose_name="environment",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        help_text="Jobs are created in this user's name, as long as they may create jobs there.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="jobs.project",
                        verbose_name="project",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rules.rule",
                        verbose_name="rule",
                    ),
                ),
            ],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="ScheduleRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("due_at", models.DateTimeField(verbose_name="due")),
                ("by_hand", models.BooleanField(default=False)),
                ("look_at", models.DateTimeField(blank=True, null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("created", "Job created"),
                            ("skipped", "Skipped"),
                            ("refused", "Refused"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="result",
                    ),
                ),
                ("message", models.TextField(blank=True, verbose_name="message")),
                ("at", models.DateTimeField(blank=True, null=True, verbose_name="when")),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="jobs.job",
                    ),
                ),
                (
                    "schedule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="jobs.schedule",
                    ),
                ),
            ],
            options={
                "verbose_name": "run of a schedule",
                "verbose_name_plural": "runs of schedules",
                "ordering": ("-id",),
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="creationrequest",
            name="schedule_run",
            field=models.ForeignKey(
                blank=True,
                help_text="The run of a schedule that asks, in place of a person.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="requests",
                to="jobs.schedulerun",
            ),
        ),
        migrations.AddIndex(
            model_name="schedule",
            index=models.Index(
                models.F("next_run_at"),
                condition=models.Q(("next_run_at__isnull", False)),
                name="schedule_next_run",
            ),
        ),
        migrations.AddConstraint(
            model_name="schedule",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Upper("name"), name="schedule_name_unique_ignoring_case"
            ),
        ),
        migrations.AddConstraint(
            model_name="schedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cron", ""), ("interval__isnull", False)),
                    models.Q(models.Q(("cron", ""), _negated=True), ("interval__isnull", True)),
                    _connector="OR",
                ),
                name="schedule_by_cron_or_interval",
            ),
        ),
        migrations.AddConstraint(
            model_name="schedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("interval__isnull", True),
                    ("interval__gte", datetime.timedelta(seconds=60)),
                    _connector="OR",
                ),
                name="schedule_interval_from_a_minute",
            ),
        ),
        migrations.AddConstraint(
            model_name="schedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("enabled", True), ("next_run_at__isnull", True), _connector="OR"),
                name="schedule_runs_only_enabled",
            ),
        ),
        migrations.AddIndex(
            model_name="schedulerun",
            index=models.Index(
                models.F("schedule"),
                models.OrderBy(models.F("id"), descending=True),
                name="schedule_run_newest",
            ),
        ),
        migrations.AddIndex(
            model_name="schedulerun",
            index=models.Index(
                models.F("look_at"),
                condition=models.Q(("look_at__isnull", False)),
                name="schedule_run_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="schedulerun",
            constraint=models.UniqueConstraint(
                fields=("schedule", "due_at"), name="schedule_run_once_per_time"
            ),
        ),
        migrations.AddConstraint(
            model_name="schedulerun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("at__isnull", True), ("look_at__isnull", False), ("result", "waiting")),
                    models.Q(
                        ("at__isnull", False),
                        ("look_at__isnull", True),
                        models.Q(("result", "waiting"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="schedule_run_waits_iff_looked_at",
            ),
        ),
    ]
