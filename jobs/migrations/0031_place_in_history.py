"""Of two revisions that are deployed it is known which one follows the other in the repository.

See ``docs/decisions/0099-newer-is-what-follows.md``.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

NOTING = """
CREATE OR REPLACE FUNCTION jobs_note_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    brought jsonb;
    commits varchar[];
    noted record;
    happened text;
BEGIN
    SELECT jsonb_agg(jsonb_build_object('ref', ref, 'sha', sha, 'follows', follows, 'precedes', precedes)
        ORDER BY position), array_agg(sha ORDER BY position)
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
"""
NOTING_BEFORE = """
CREATE OR REPLACE FUNCTION jobs_note_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0030_job_dates")]

    operations = [
        *(
            migrations.AddField(
                model_name="jobrevision",
                name=name,
                field=ArrayField(models.CharField(max_length=40), editable=False, null=True, size=None),
            )
            for name in ("follows", "precedes")
        ),
        migrations.RunSQL(NOTING, NOTING_BEFORE),
    ]
