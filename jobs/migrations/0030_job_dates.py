"""A summary of where which dates are in the table of jobs, and how to find the jobs that are elsewhere."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations

# The planner takes number and date for independent and so expects a great part of the table. Left with the summary alone it
# reads the few pages that may have such a job.
STRAYS = """
CREATE FUNCTION jobs_strays(field text, sign text, moment timestamptz, edge bigint, most int) RETURNS bigint[]
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
SET max_parallel_workers_per_gather = 0 SET jit = off
AS $$
DECLARE
    found bigint[];
BEGIN
    EXECUTE format(
        'SELECT coalesce(array_agg(id), ''{}'') FROM
         (SELECT id FROM jobs_job WHERE id %s $1 AND %I %s $2 LIMIT $3) AS stray',
        CASE sign WHEN '<' THEN '>' ELSE '<' END, field, CASE sign WHEN '<' THEN '<' ELSE '>=' END
    ) INTO found USING edge, moment, most + 1;
    RETURN found;
END $$
"""


class Migration(migrations.Migration):
    """Index and function."""

    dependencies = [("jobs", "0029_project_credential")]

    operations = [
        migrations.AddIndex(
            "job",
            BrinIndex(
                fields=["id", "created_at", "scheduled_at", "started_at", "finished_at"],
                name="job_dates",
                pages_per_range=16,
                autosummarize=True,
            ),
        ),
        migrations.RunSQL(STRAYS, "DROP FUNCTION jobs_strays"),
    ]
