"""Each estimate that was news is kept, not one a step."""

from django.db import migrations, models

# Of what is too much for the constraint of before, the first of each step stays.
FIRST_OF_EACH_STEP = """
DELETE FROM jobs_estimate later USING jobs_estimate first
WHERE first.job_id = later.job_id AND first.attempt = later.attempt AND first.step = later.step AND first.id < later.id
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0026_list_indexes")]

    operations = [
        migrations.RemoveConstraint("estimate", "estimate_once_a_step"),
        migrations.AddConstraint(
            "estimate",
            models.UniqueConstraint(fields=("job_id", "attempt", "at"), name="estimate_once"),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, FIRST_OF_EACH_STEP),
    ]
