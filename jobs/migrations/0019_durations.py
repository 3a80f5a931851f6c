"""What finished jobs took, forecasts, and an index for the newest finished jobs of a rule in any environment."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0018_contents")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="forecast",
            field=models.JSONField(
                blank=True,
                help_text="What is still to come, as whoever changed the job last foresaw it.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="Timing",
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
                ("seconds", models.JSONField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(F("rule_id"), F("environment_id"), F("id").desc(), name="timing_newest")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                F("rule"), F("id").desc(), name="job_finished_of_rule", condition=Q(status="finished")
            ),
        ),
    ]
