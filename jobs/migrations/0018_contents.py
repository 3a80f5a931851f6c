"""The table of what jobs carry. Streams tell a job again when that is settled: its natures are known from then on."""

import django.db.models.deletion
from django.db import migrations, models

import jobs.models.content

NOTING = """
CREATE FUNCTION jobs_event_of_contents() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    job jobs_job;
BEGIN
    SELECT * INTO job FROM jobs_job WHERE id = NEW.job_id;
    PERFORM jobs_event_note('job', job.id, job.environment_id, jobs_event_state(job));
    RETURN NULL;
END $$;

CREATE TRIGGER contents_event AFTER INSERT OR UPDATE OF settled_at ON jobs_contents
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_contents();
"""
NOTHING = "DROP FUNCTION jobs_event_of_contents() CASCADE;"


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_deployments")]

    operations = [
        migrations.CreateModel(
            name="Contents",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="contents",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("settled", "Settled"),
                            ("partial", "Known in part"),
                            ("failed", "Not known"),
                        ],
                        max_length=10,
                    ),
                ),
                ("problem", models.TextField(blank=True)),
                ("base_sha", models.CharField(blank=True, max_length=40)),
                ("files", models.PositiveIntegerField(default=0)),
                ("are_all", models.BooleanField(default=False)),
                ("commits", models.JSONField(default=jobs.models.content.empty_list)),
                ("commits_count", models.PositiveIntegerField(null=True)),
                ("backed_out", models.JSONField(default=jobs.models.content.empty_list)),
                ("backed_out_count", models.PositiveIntegerField(null=True)),
                ("moved", models.JSONField(default=jobs.models.content.empty_list)),
                ("settled_at", models.DateTimeField()),
                (
                    "base_job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="jobs.job",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL(NOTING, NOTHING),
    ]
