"""An index for the newest finished jobs of a rule, against which progress is counted."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """One partial index, small because it holds finished jobs only."""

    dependencies = [("jobs", "0003_guards")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                F("rule"),
                F("environment"),
                F("id").desc(),
                name="job_finished_newest",
                condition=Q(status="finished"),
            ),
        ),
    ]
