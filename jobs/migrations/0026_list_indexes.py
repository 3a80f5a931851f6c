"""Indexes of lists: by value, environment and number, so that each place a list looks at is one short walk.

They stand in for those by value and number alone. A search for words has trigrams where the server has the extension and we may
create it; without it the same answers come from reading more rows.
"""

from django.conf import settings
from django.db import Error, migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F, Q

VALUES = {
    "status": ("job_status_newest", "job_status_place"),
    "project": ("job_project_newest", "job_project_place"),
    "created_by": ("job_creator_newest", "job_creator_place"),
    "rule": ("job_rule_newest", "job_rule_place"),
}
RARE = {"type": ("job_type_place", Q(type="promote")), "step": ("job_step_place", Q(step="END"))}

# Gathered over many rows before it is put in order: a job is written a dozen times while it runs.
WORDS = """
CREATE INDEX job_words ON jobs_job USING gin (upper(name::text) gin_trgm_ops, upper(comment::text) gin_trgm_ops)
"""


def index_words(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the index of words, where the server can."""
    connection = schema_editor.connection
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute(WORDS)
    except Error:
        # Not installed, or not ours to create.
        return


def forget_words(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the index; others may use the extension."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS job_words")


class Migration(migrations.Migration):
    """Indexes."""

    dependencies = [
        ("jobs", "0025_log_partitions"),
        ("permissions", "0005_name_of_user"),
        ("rules", "0002_versions_never_change"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *(
            migrations.AddIndex("job", models.Index(F(column), F("environment"), F("id").desc(), name=new))
            for column, (_, new) in VALUES.items()
        ),
        *(
            migrations.AddIndex(
                "job",
                models.Index(F(column), F("environment"), F("id").desc(), name=name, condition=~common),
            )
            for column, (name, common) in RARE.items()
        ),
        *(migrations.RemoveIndex("job", old) for old, _ in VALUES.values()),
        migrations.AddIndex("jobrevision", models.Index(fields=("ref",), name="job_revision_ref")),
        migrations.AddIndex(
            "jobrevision",
            models.Index(fields=("sha",), name="job_revision_sha", opclasses=("varchar_pattern_ops",)),
        ),
        migrations.RunPython(index_words, forget_words),
    ]
