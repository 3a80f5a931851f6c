from django.db import migrations, models


class Migration(migrations.Migration):
    """The limits of the token that a job was created with: they hold for the jobs that it creates itself."""

    dependencies = [("jobs", "0020_estimates")]

    operations = [
        migrations.AddField(
            model_name="creationrequest",
            name="limits",
            field=models.JSONField(
                blank=True,
                help_text="Of the API token that the actor came with, as they were then.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="limits",
            field=models.JSONField(
                blank=True,
                help_text="Of the API token that it was created with, as they were then; they hold for what it creates.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("limits__isnull", True),
                    ("limits__has_keys", ["rights", "environments"]),
                    _connector="OR",
                ),
                name="job_limits_are_whole_or_none",
            ),
        ),
    ]
