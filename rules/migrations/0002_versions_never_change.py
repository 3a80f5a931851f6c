"""A trigger that refuses to change a rule's version: jobs pin it, and what was signed off must stay what it was.

Only the author may become null, which is what deleting a user does.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION rules_version_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'author_id' IS DISTINCT FROM to_jsonb(OLD) - 'author_id'
        OR (NEW.author_id IS NOT NULL AND NEW.author_id IS DISTINCT FROM OLD.author_id)
    THEN
        RAISE EXCEPTION 'A version of a rule never changes: publish a new one.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'rule_version_never_changes';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER rule_version_never_changes BEFORE UPDATE ON rules_ruleversion
    FOR EACH ROW EXECUTE FUNCTION rules_version_never_changes();
"""

BACKWARD = """
DROP TRIGGER rule_version_never_changes ON rules_ruleversion;
DROP FUNCTION rules_version_never_changes();
"""


class Migration(migrations.Migration):
    dependencies = [("rules", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
