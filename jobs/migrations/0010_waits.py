"""What jobs wait for: approvals, traps, semaphores; and results that a later attempt reuses or undoes."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import jobs.models.project
import jobs.models.waits


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0009_secrets"),
        ("permissions", "0001_initial"),
        ("rules", "0002_versions_never_change"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("INIT", "INIT"),
                            ("PRE", "PRE"),
                            ("RUN", "RUN"),
                            ("POST", "POST"),
                            ("END", "END"),
                        ],
                        max_length=5,
                    ),
                ),
                ("path", models.TextField()),
                ("operation", models.TextField()),
                ("name", models.CharField(blank=True, max_length=500)),
                ("began_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "approvers",
                    models.JSONField(
                        default=jobs.models.waits.empty_list, help_text="Principals: user:ana, group:qa."
                    ),
                ),
                ("minimum", models.PositiveSmallIntegerField(default=1)),
                ("exclude_creator", models.BooleanField(default=False)),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("void", "Void"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
            ],
            options={
                "verbose_name": "approval",
                "verbose_name_plural": "approvals",
                "ordering": ("id",),
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ApprovalSignature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("approves", models.BooleanField(default=True)),
                ("at", models.DateTimeField()),
                ("comment", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "signature",
                "verbose_name_plural": "signatures",
                "ordering": ("id",),
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Semaphore",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True, verbose_name="name")),
                ("slots", models.PositiveIntegerField(default=1, verbose_name="slots")),
            ],
            options={
                "verbose_name": "semaphore",
                "verbose_name_plural": "semaphores",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="SemaphoreRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.TextField()),
                ("asked_at", models.DateTimeField()),
                ("granted_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "semaphore request",
                "verbose_name_plural": "semaphore requests",
                "ordering": ("id",),
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Trap",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("INIT", "INIT"),
                            ("PRE", "PRE"),
                            ("RUN", "RUN"),
                            ("POST", "POST"),
                            ("END", "END"),
                        ],
                        max_length=5,
                    ),
                ),
                ("path", models.TextField()),
                ("operation", models.TextField()),
                ("name", models.CharField(blank=True, max_length=500)),
                ("began_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
                (
                    "stash",
                    models.JSONField(
                        blank=True,
                        default=jobs.models.project.empty,
                        help_text="Run variables as they were when the operation failed, for an abort.",
                    ),
                ),
                ("deadline", models.DateTimeField(blank=True, null=True)),
                ("remaining", models.DurationField(blank=True, null=True)),
                ("on_timeout", models.CharField(max_length=10)),
                (
                    "retries",
                    models.PositiveIntegerField(default=0, help_text="How often it was retried before."),
                ),
                ("max_retries", models.PositiveIntegerField(default=0, help_text="0 is without limit.")),
                (
                    "answer",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("retry", "Retried"),
                            ("skip", "Skipped"),
                            ("abort", "Aborted"),
                            ("void", "Void"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
            ],
            options={
                "verbose_name": "trap",
                "verbose_name_plural": "traps",
                "ordering": ("id",),
                "default_permissions": ("view",),
            },
        ),
        migrations.AddField(
            model_name="job",
            name="cancelled_claim",
            field=models.UUIDField(
                blank=True, help_text="Whose runner may still say which processes it ended.", null=True
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="rollback_asked",
            field=models.BooleanField(
                default=False,
                help_text="A person asked for the rollback of this attempt; POST does not follow.",
            ),
        ),
        migrations.AddField(
            model_name="operationrun",
            name="ran_in",
            field=models.PositiveIntegerField(
                blank=True, help_text="The attempt whose result this one reuses.", null=True
            ),
        ),
        migrations.AddField(
            model_name="operationrun",
            name="undo",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "No rollback"),
                    ("completed", "When completed"),
                    ("begun", "When begun"),
                    ("undone", "Undone"),
                ],
                default="",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("id"),
                condition=models.Q(("due_at__isnull", True), ("status", "ready")),
                name="job_blocked",
            ),
        ),
        migrations.AddField(
            model_name="approval",
            name="job",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="approvals",
                to="jobs.job",
            ),
        ),
        migrations.AddField(
            model_name="approvalsignature",
            name="approval",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="signatures",
                to="jobs.approval",
            ),
        ),
        migrations.AddField(
            model_name="approvalsignature",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="semaphore",
            constraint=models.CheckConstraint(
                condition=models.Q(("slots__gte", 1)), name="semaphore_has_a_slot"
            ),
        ),
        migrations.AddField(
            model_name="semaphorerequest",
            name="job",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="semaphore_requests", to="jobs.job"
            ),
        ),
        migrations.AddField(
            model_name="semaphorerequest",
            name="semaphore",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="requests",
                to="jobs.semaphore",
            ),
        ),
        migrations.AddField(
            model_name="trap",
            name="job",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="traps",
                to="jobs.job",
            ),
        ),
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(models.F("job"), models.F("id"), name="approval_job"),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)),
                fields=("job",),
                name="approval_one_open_per_job",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("result", "open")),
                    models.Q(("closed_at__isnull", False), models.Q(("result", "open"), _negated=True)),
                    _connector="OR",
                ),
                name="approval_open_iff_no_result",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(("minimum__gte", 1)), name="approval_needs_a_signature"
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalsignature",
            constraint=models.UniqueConstraint(
                fields=("approval", "user"), name="approval_signed_once_per_person"
            ),
        ),
        migrations.AddIndex(
            model_name="semaphorerequest",
            index=models.Index(models.F("semaphore"), models.F("id"), name="semaphore_queue"),
        ),
        migrations.AddIndex(
            model_name="semaphorerequest",
            index=models.Index(
                models.F("semaphore"),
                condition=models.Q(("granted_at__isnull", True)),
                name="semaphore_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="semaphorerequest",
            constraint=models.UniqueConstraint(
                fields=("job", "path"), name="semaphore_asked_once_per_operation"
            ),
        ),
        migrations.AddIndex(
            model_name="trap",
            index=models.Index(models.F("job"), models.F("id"), name="trap_job"),
        ),
        migrations.AddIndex(
            model_name="trap",
            index=models.Index(
                models.F("deadline"), condition=models.Q(("closed_at__isnull", True)), name="trap_deadline"
            ),
        ),
        migrations.AddConstraint(
            model_name="trap",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)), fields=("job",), name="trap_one_open_per_job"
            ),
        ),
        migrations.AddConstraint(
            model_name="trap",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answer", "open"), ("closed_at__isnull", True)),
                    models.Q(("closed_at__isnull", False), models.Q(("answer", "open"), _negated=True)),
                    _connector="OR",
                ),
                name="trap_open_iff_no_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="trap",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("deadline__isnull", False), ("remaining__isnull", True)),
                    models.Q(("deadline__isnull", True), ("remaining__isnull", False)),
                    _connector="OR",
                ),
                name="trap_clock_runs_or_stands",
            ),
        ),
    ]
