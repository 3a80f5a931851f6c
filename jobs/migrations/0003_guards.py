"""What Django's models cannot say: the audit is append-only, log data is compressed already, hot rows keep room to be updated in place."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION jobs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON jobs_auditrecord
    FOR EACH ROW EXECUTE FUNCTION jobs_refuse_change();
"""
CHANGEABLE = "DROP TRIGGER audit_append_only ON jobs_auditrecord; DROP FUNCTION jobs_refuse_change();"

STORAGE = """
ALTER TABLE jobs_logchunk ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE jobs_job SET (fillfactor = 80);
"""
DEFAULT_STORAGE = """
ALTER TABLE jobs_logchunk ALTER COLUMN data SET STORAGE EXTENDED;
ALTER TABLE jobs_job RESET (fillfactor);
"""


class Migration(migrations.Migration):
    """Triggers and storage."""

    dependencies = [("jobs", "0002_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, CHANGEABLE),
        migrations.RunSQL(STORAGE, DEFAULT_STORAGE),
    ]
