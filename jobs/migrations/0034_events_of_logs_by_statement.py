"""Lines that are written together are told by one event, not by one for each chunk of them."""

from django.db import migrations

# A step writes a chunk for each of its operations; an event for each took more of the server's time than the chunks. Large ones
# keep events of their own: whoever tells an event reads all of its lines at once, and keeps them for readers who are slow.
TOGETHER = """
CREATE FUNCTION jobs_event_of_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lines record;
BEGIN
    FOR lines IN
        SELECT job_id, min(first_line) AS first, max(first_line + line_count - 1) AS last
        FROM (
            SELECT job_id, first_line, line_count,
                (sum(size) OVER (PARTITION BY job_id ORDER BY first_line) - size) / 65536 AS part
            FROM written
        ) chunk
        GROUP BY job_id, part ORDER BY job_id, part
    LOOP
        PERFORM jobs_event_note('log', job.id, job.environment_id, jsonb_build_object(
            'first', lines.first, 'last', lines.last, 'state', jobs_event_state(job)))
        FROM jobs_job job WHERE job.id = lines.job_id;
    END LOOP;
    RETURN NULL;
END $$;

DROP TRIGGER log_event ON jobs_logchunk;
CREATE TRIGGER log_event AFTER INSERT ON jobs_logchunk REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_event_of_lines();
DROP FUNCTION jobs_event_of_log();
"""

EACH = """
CREATE FUNCTION jobs_event_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    job jobs_job;
BEGIN
    SELECT * INTO job FROM jobs_job WHERE id = NEW.job_id;
    PERFORM jobs_event_note('log', NEW.job_id, job.environment_id, jsonb_build_object(
        'first', NEW.first_line, 'last', NEW.first_line + NEW.line_count - 1, 'state', jobs_event_state(job)));
    RETURN NULL;
END $$;

DROP TRIGGER log_event ON jobs_logchunk;
CREATE TRIGGER log_event AFTER INSERT ON jobs_logchunk FOR EACH ROW EXECUTE FUNCTION jobs_event_of_log();
DROP FUNCTION jobs_event_of_lines();
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0033_secrets_stay")]

    operations = [migrations.RunSQL(TOGETHER, EACH)]
