"""The table of what happened, and the triggers that write it."""

from django.conf import settings
from django.db import migrations, models

NOTING = """
-- Everything below this number is told already, or will be seen by whoever looks now: nobody still writes it. Transactions
-- that write events say so by an advisory lock, which names the last number that was given out before their first one.
CREATE FUNCTION jobs_event_horizon() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    given bigint;
    behind bigint;
BEGIN
    -- First the number, then the locks: whoever takes a lock later gets a higher number.
    SELECT last_value - (NOT is_called)::int INTO given FROM jobs_event_id_seq;
    SELECT max(lag.width) INTO behind
    FROM pg_locks held, LATERAL (SELECT (given - held.objid::bigint) & 4294967295 AS width) lag
    WHERE held.locktype = 'advisory' AND held.classid = 1129076293 AND held.objsubid = 2
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND lag.width < 2147483648;  -- otherwise it was taken after the number was read
    RETURN given - coalesce(behind, 0);
END $$;

CREATE FUNCTION jobs_event_note(event_kind text, job bigint, environment bigint, event_data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    -- Once a transaction; a savepoint that is rolled back takes both the lock and the mark along.
    IF coalesce(current_setting('clarive.writes_events', true), '') = '' THEN
        SELECT (last_value - (NOT is_called)::int) & 4294967295 INTO given FROM jobs_event_id_seq;
        PERFORM pg_advisory_xact_lock_shared(
            1129076293, (CASE WHEN given > 2147483647 THEN given - 4294967296 ELSE given END)::int);
        PERFORM set_config('clarive.writes_events', 'yes', true);
    END IF;
    INSERT INTO jobs_event (kind, job_id, environment_id, data, at)
    VALUES (event_kind, job, environment, event_data, clock_timestamp());
END $$;

CREATE FUNCTION jobs_event_state(job jobs_job) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'status', job.status, 'step', job.step, 'outcome', job.outcome, 'attempt', job.attempt, 'urgent', job.urgent,
        'comment', job.comment, 'scheduled_at', job.scheduled_at, 'max_start_at', job.max_start_at,
        'started_at', job.started_at, 'finished_at', job.finished_at, 'rollback', job.rollback,
        'operations_done', job.operations_done, 'operations_expected', job.operations_expected,
        'percent', job.percent, 'progress_basis', job.progress_basis)
$$;

CREATE FUNCTION jobs_event_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM jobs_event_note('deleted', OLD.id, OLD.environment_id, jsonb_build_object(
            'id', OLD.id, 'type', OLD.type,
            'environment', (SELECT code FROM permissions_environment WHERE id = OLD.environment_id),
            'project', (SELECT code FROM jobs_project WHERE id = OLD.project_id),
            'rule', (SELECT slug FROM rules_rule WHERE id = OLD.rule_id),
            'created_by', (SELECT username FROM permissions_user WHERE id = OLD.created_by_id)));
    ELSE
        PERFORM jobs_event_note('job', NEW.id, NEW.environment_id, jobs_event_state(NEW));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION jobs_event_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    job jobs_job;
BEGIN
    SELECT * INTO job FROM jobs_job WHERE id = NEW.job_id;
    PERFORM jobs_event_note('log', NEW.job_id, job.environment_id, jsonb_build_object(
        'first', NEW.first_line, 'last', NEW.first_line + NEW.line_count - 1, 'state', jobs_event_state(job)));
    RETURN NULL;
END $$;

CREATE FUNCTION jobs_event_of_rights() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    PERFORM jobs_event_note('rights', NULL, NULL, CASE
        WHEN TG_NARGS = 0 THEN '{}'::jsonb
        WHEN TG_ARGV[0] = 'session_key' THEN jsonb_build_object('session', md5(changed ->> 'session_key'))
        ELSE jsonb_build_object('user', (changed ->> TG_ARGV[0])::bigint) END);
    RETURN NULL;
END $$;

CREATE TRIGGER job_event_of_new AFTER INSERT OR DELETE ON jobs_job FOR EACH ROW EXECUTE FUNCTION jobs_event_of_job();
CREATE TRIGGER job_event_of_change AFTER UPDATE ON jobs_job FOR EACH ROW
    WHEN ((OLD.status, OLD.step, OLD.outcome, OLD.attempt, OLD.urgent, OLD.comment, OLD.scheduled_at, OLD.max_start_at,
           OLD.started_at, OLD.finished_at, OLD.rollback, OLD.operations_done, OLD.operations_expected, OLD.percent,
           OLD.progress_basis, OLD.variables)
          IS DISTINCT FROM
          (NEW.status, NEW.step, NEW.outcome, NEW.attempt, NEW.urgent, NEW.comment, NEW.scheduled_at, NEW.max_start_at,
           NEW.started_at, NEW.finished_at, NEW.rollback, NEW.operations_done, NEW.operations_expected, NEW.percent,
           NEW.progress_basis, NEW.variables))
    EXECUTE FUNCTION jobs_event_of_job();
CREATE TRIGGER log_event AFTER INSERT ON jobs_logchunk FOR EACH ROW EXECUTE FUNCTION jobs_event_of_log();
"""

RIGHTS = """
CREATE TRIGGER rights_event AFTER INSERT OR UPDATE OR DELETE ON permissions_environmentusergrant
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights('user_id');
CREATE TRIGGER rights_event AFTER INSERT OR UPDATE OR DELETE ON permissions_user_user_permissions
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights('user_id');
CREATE TRIGGER rights_event AFTER INSERT OR UPDATE OR DELETE ON permissions_user_groups
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights('user_id');
CREATE TRIGGER rights_event AFTER INSERT OR UPDATE OR DELETE ON permissions_environmentgroupgrant
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights();
CREATE TRIGGER rights_event AFTER INSERT OR UPDATE OR DELETE ON auth_group_permissions
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights();
-- Tokens are limited to codes of environments.
CREATE TRIGGER rights_event AFTER INSERT OR DELETE OR UPDATE OF code ON permissions_environment
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights();
CREATE TRIGGER rights_event_gone AFTER DELETE ON permissions_user
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights('id');
CREATE TRIGGER rights_event AFTER UPDATE ON permissions_user FOR EACH ROW
    WHEN ((OLD.is_active, OLD.is_superuser, OLD.session_generation, OLD.password)
          IS DISTINCT FROM (NEW.is_active, NEW.is_superuser, NEW.session_generation, NEW.password))
    EXECUTE FUNCTION jobs_event_of_rights('id');
CREATE TRIGGER rights_event_gone AFTER DELETE ON permissions_apitoken
    FOR EACH ROW EXECUTE FUNCTION jobs_event_of_rights('user_id');
CREATE TRIGGER rights_event AFTER UPDATE ON permissions_apitoken FOR EACH ROW
    WHEN ((OLD.digest, OLD.expires_at, OLD.rights, OLD.environments)
          IS DISTINCT FROM (NEW.digest, NEW.expires_at, NEW.rights, NEW.environments))
    EXECUTE FUNCTION jobs_event_of_rights('user_id');
-- Signing out; what only grew old is not worth an event.
CREATE TRIGGER rights_event_gone AFTER DELETE ON django_session FOR EACH ROW
    WHEN (OLD.expire_date > now()) EXECUTE FUNCTION jobs_event_of_rights('session_key');
"""

NOTHING = """
DROP FUNCTION jobs_event_of_rights() CASCADE;
DROP FUNCTION jobs_event_of_log() CASCADE;
DROP FUNCTION jobs_event_of_job() CASCADE;
DROP FUNCTION jobs_event_state(jobs_job);
DROP FUNCTION jobs_event_note(text, bigint, bigint, jsonb);
DROP FUNCTION jobs_event_horizon();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0014_names_of_waits"),
        ("permissions", "0004_sign_in"),
        ("rules", "__first__"),
        ("sessions", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("job", "Job"),
                            ("log", "Log"),
                            ("deleted", "Deleted"),
                            ("rights", "Rights"),
                        ],
                        max_length=10,
                    ),
                ),
                ("job_id", models.BigIntegerField(null=True)),
                ("environment_id", models.BigIntegerField(null=True)),
                ("data", models.JSONField()),
                ("at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL(NOTING + RIGHTS, NOTHING),
    ]
