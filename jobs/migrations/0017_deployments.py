from django.db import migrations, models


class Migration(migrations.Migration):
    """An index on what finished last of each project in each environment."""

    dependencies = [("jobs", "0016_notices")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("environment"),
                models.F("project"),
                models.F("finished_at").desc(),
                models.F("id").desc(),
                name="job_deployed_newest",
                condition=models.Q(status="finished", project__isnull=False),
            ),
        ),
    ]
