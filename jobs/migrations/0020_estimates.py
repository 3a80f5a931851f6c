"""What was said of the remaining work of jobs, and how it was."""

from django.db import migrations, models
from django.db.models import F


class Migration(migrations.Migration):
    dependencies = [("jobs", "0019_durations")]

    operations = [
        migrations.CreateModel(
            name="Estimate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job_id", models.BigIntegerField()),
                ("rule_id", models.BigIntegerField()),
                ("environment_id", models.BigIntegerField()),
                ("attempt", models.PositiveIntegerField()),
                ("step", models.CharField(max_length=5)),
                ("at", models.DateTimeField()),
                ("p50", models.FloatField()),
                ("p90", models.FloatField()),
                ("rivals", models.JSONField()),
                ("actual", models.FloatField(null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(F("rule_id"), F("environment_id"), F("id").desc(), name="estimate_newest")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("job_id", "attempt", "step"), name="estimate_once_a_step")
                ],
            },
        ),
    ]
