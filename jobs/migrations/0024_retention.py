"""Policies of retention, jobs on hold, what was taken of jobs that stay, and how far the daemon is."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0023_saved_views"),
        ("permissions", "0005_name_of_user"),
        ("rules", "0002_versions_never_change"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobHold",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="hold",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("held_at", models.DateTimeField()),
                ("held_by", models.CharField(max_length=150)),
                ("comment", models.TextField(blank=True)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="JobTrim",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="trim",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("log_at", models.DateTimeField(null=True)),
                ("log_upto", models.BigIntegerField(default=0)),
                ("log_left", models.BooleanField(default=False)),
                ("files_at", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="LogTable",
            fields=[
                ("name", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("looked_at", models.DateTimeField()),
                ("live_bytes", models.BigIntegerField(default=0)),
                ("disk_bytes", models.BigIntegerField(default=0)),
                ("tries", models.PositiveIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="RetentionPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("any", "Any"),
                            ("finished", "Finished"),
                            ("failed", "Failed, cancelled, expired"),
                        ],
                        default="any",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "removes",
                    models.CharField(
                        choices=[
                            ("log", "The log"),
                            ("files", "The files on workers"),
                            ("job", "The job with all that is its own"),
                        ],
                        max_length=10,
                        verbose_name="removes",
                    ),
                ),
                (
                    "keep_days",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Since the job's end.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(36500),
                        ],
                        verbose_name="days kept",
                    ),
                ),
                (
                    "keep_jobs",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The newest of each environment and rule. With neither days nor jobs, for ever.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                        verbose_name="jobs kept",
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "retention policy",
                "verbose_name_plural": "retention policies",
                "ordering": ("removes", "environment__code", "rule__slug", "outcome"),
            },
        ),
        migrations.CreateModel(
            name="RetentionState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("next_at", models.DateTimeField()),
                ("position", models.BigIntegerField(default=0)),
                ("began_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("jobs", models.BigIntegerField(default=0)),
                ("logs", models.BigIntegerField(default=0)),
                ("files", models.BigIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="jobtrim",
            index=models.Index(
                models.F("job"), condition=models.Q(("log_left", True)), name="job_trim_log_left"
            ),
        ),
        migrations.AddConstraint(
            model_name="jobtrim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("log_left", False),
                    models.Q(("log_at__isnull", False), ("log_upto__gte", 1)),
                    _connector="OR",
                ),
                name="job_trim_log_left_of_something",
            ),
        ),
        migrations.AddIndex(
            model_name="logtable",
            index=models.Index(models.F("looked_at"), name="log_table_looked_at"),
        ),
        migrations.AddField(
            model_name="retentionpolicy",
            name="environment",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty for any.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="permissions.environment",
                verbose_name="environment",
            ),
        ),
        migrations.AddField(
            model_name="retentionpolicy",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty for any.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="rules.rule",
                verbose_name="rule",
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionstate",
            constraint=models.CheckConstraint(
                condition=models.Q(("id", 1)), name="retention_state_is_one_row"
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.UniqueConstraint(
                fields=("environment", "rule", "outcome", "removes"),
                name="retention_policy_once",
                nulls_distinct=False,
                violation_error_message="There is a policy for these jobs already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["any", "finished", "failed"])),
                name="retention_policy_outcome_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("removes__in", ["log", "files", "job"])),
                name="retention_policy_removes_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("keep_days__isnull", True),
                    models.Q(("keep_days__gte", 1), ("keep_days__lte", 36500)),
                    _connector="OR",
                ),
                name="retention_policy_days_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("keep_jobs__isnull", True),
                    models.Q(("keep_jobs__gte", 1), ("keep_jobs__lte", 1000000)),
                    _connector="OR",
                ),
                name="retention_policy_jobs_in_range",
            ),
        ),
    ]
