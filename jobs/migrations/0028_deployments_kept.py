"""What is where is written down as it happens, so that later events, deletions and retention change no answer about the past.

See ``docs/decisions/0092-what-was-deployed-is-written-down.md``.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

NOTING = """
CREATE FUNCTION jobs_note_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    brought jsonb;
    commits varchar[];
    noted record;
    happened text;
BEGIN
    SELECT jsonb_agg(jsonb_build_object('ref', ref, 'sha', sha) ORDER BY position), array_agg(sha ORDER BY position)
    INTO brought, commits FROM jobs_jobrevision WHERE job_id = NEW.id;
    IF commits IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT kind, at INTO noted FROM jobs_deployment WHERE job_number = NEW.id ORDER BY at DESC, id DESC LIMIT 1;
    IF NEW.rollback = 'succeeded' AND OLD.rollback <> 'succeeded' THEN
        -- What PRE did never was in the environment, and who brought nothing takes nothing away.
        IF OLD.step = 'PRE' OR noted.kind IS NULL OR noted.kind = 'undone' THEN
            RETURN NULL;
        END IF;
        happened := 'undone';
    -- A rerun of POST brings nothing.
    ELSIF NEW.rollback = 'succeeded' OR (noted.kind <> 'undone' AND noted.at >= NEW.run_began_at) THEN
        RETURN NULL;
    ELSE
        happened := CASE NEW.type WHEN 'demote' THEN 'backed_out' ELSE 'brought' END;
    END IF;
    INSERT INTO jobs_deployment (environment_id, project_id, at, kind, job_number, job_name, revisions, shas)
    VALUES (NEW.environment_id, NEW.project_id, coalesce(NEW.finished_at, clock_timestamp()), happened, NEW.id, NEW.name,
            brought, commits);
    RETURN NULL;
END $$;
CREATE TRIGGER job_deployment AFTER UPDATE ON jobs_job FOR EACH ROW
    WHEN (NEW.project_id IS NOT NULL
          AND ((NEW.status = 'finished' AND OLD.status <> 'finished')
               OR (NEW.rollback = 'succeeded' AND OLD.rollback <> 'succeeded')))
    EXECUTE FUNCTION jobs_note_deployment();
CREATE TRIGGER deployment_never_changes BEFORE UPDATE ON jobs_deployment
    FOR EACH ROW EXECUTE FUNCTION jobs_refuse_change();
"""

# When a job that was undone had been brought is not known any more: it has been in no place.
FROM_JOBS = """
INSERT INTO jobs_deployment (environment_id, project_id, at, kind, job_number, job_name, revisions, shas)
SELECT job.environment_id, job.project_id, job.finished_at, CASE job.type WHEN 'demote' THEN 'backed_out' ELSE 'brought' END,
       job.id, job.name, own.brought, own.commits
FROM jobs_job job CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('ref', ref, 'sha', sha) ORDER BY position) AS brought,
           array_agg(sha ORDER BY position) AS commits
    FROM jobs_jobrevision WHERE job_id = job.id
) own
WHERE job.status = 'finished' AND job.project_id IS NOT NULL AND job.rollback <> 'succeeded' AND own.commits IS NOT NULL
ORDER BY job.finished_at, job.id;
"""
NOTHING = "DROP FUNCTION jobs_note_deployment() CASCADE;"


class Migration(migrations.Migration):
    dependencies = [("jobs", "0027_every_estimate"), ("permissions", "0005_name_of_user")]

    operations = [
        migrations.CreateModel(
            name="Deployment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("brought", "Brought"),
                            ("backed_out", "Backed Out"),
                            ("undone", "Undone"),
                        ],
                        max_length=10,
                    ),
                ),
                ("job_number", models.BigIntegerField()),
                ("job_name", models.CharField(max_length=200)),
                ("revisions", models.JSONField()),
                (
                    "shas",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), size=None
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="permissions.environment",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="jobs.project"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        models.F("environment"),
                        models.F("project"),
                        models.F("at").desc(),
                        models.F("id").desc(),
                        condition=models.Q(("kind", "brought")),
                        name="deployment_brought_newest",
                    ),
                    models.Index(
                        condition=models.Q(("kind", "brought"), _negated=True),
                        fields=["environment", "project", "at"],
                        name="deployment_taken",
                    ),
                    models.Index(fields=["job_number", "at"], name="deployment_of_job"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["brought", "backed_out", "undone"])),
                        name="deployment_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("shas__len__gte", 1)), name="deployment_of_something"
                    ),
                ],
            },
        ),
        # Whatever asked the jobs themselves asks the table now.
        migrations.RemoveIndex("job", "job_deployed_newest"),
        migrations.RunSQL(NOTING, NOTHING),
        migrations.RunSQL(FROM_JOBS, migrations.RunSQL.noop),
    ]
