"""The floor's tasks: a job of five steps with fifteen commits, one that is begun, and one that does nothing."""

import os
from typing import Final

from celery import Celery, shared_task
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.floor.settings")

app = Celery("floor")
app.config_from_object("django.conf:settings", namespace="CELERY")

QUEUE: Final = "floor"
STEPS: Final = 5
_BEGIN: Final = (
    "UPDATE floor_job SET step = %s, status = 'running', started_at = coalesce(started_at, clock_timestamp())"
    " WHERE id = %s"
)
_RESULT: Final = "INSERT INTO floor_step (step, job_id, result) VALUES (%s, %s, 'ok')"
_END: Final = (
    "UPDATE floor_job SET step = %s, status = 'ready', finished_at = clock_timestamp() WHERE id = %s"
)


@shared_task(name="floor.job")
def run_job(job_id: int) -> None:
    """Make five steps, each begun, done and ended by a commit of its own."""
    for step in range(STEPS):
        for statement in (_BEGIN, _RESULT, _END):
            with connection.cursor() as cursor:  # autocommit: each statement is a transaction
                cursor.execute(statement, [step, job_id])


@shared_task(name="floor.nothing")
def nothing() -> None:
    """Do nothing."""


@shared_task(name="floor.mark")
def mark() -> None:
    """Leave a row: whatever was sent before has been taken."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO floor_mark VALUES (1)")
