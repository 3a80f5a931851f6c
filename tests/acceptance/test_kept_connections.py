"""A worker keeps its connection to the database between tasks, and does without it when it is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from jobs import dispatch
from jobs.models import Job
from tests.conftest import Worker, Workers
from tests.factories import JobFactory
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

_NOTE = """
CREATE TABLE noted_session (job_id bigint, pid int);
CREATE FUNCTION note_session() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO noted_session VALUES (NEW.job_id, pg_backend_pid()); RETURN NULL; END';
CREATE TRIGGER note_session AFTER INSERT ON jobs_steprun FOR EACH ROW EXECUTE FUNCTION note_session();
"""
_FORGET = """
DROP TRIGGER note_session ON jobs_steprun;
DROP FUNCTION note_session;
DROP TABLE noted_session;
"""


@pytest.fixture
def noted_sessions(transactional_db: None) -> Iterator[None]:
    """Note in the database by which of its sessions each step is begun."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE)
        try:
            yield
        finally:
            cursor.execute(_FORGET)


def session_of_task(worker: Worker) -> int:
    """Let the worker run a job in a task of its own and return the session in which it did."""
    job = JobFactory.at("PRE", "ready")
    with connection.cursor() as cursor:
        dispatch.send_work_hint()
        until(lambda: Job.objects.get(pk=job.pk).status == "finished", 20, "the job's end")
        # Until then the task would take the next job, too.
        until(lambda: worker.log.count("succeeded in") == worker.log.count(" received"), 20, "the task's end")
        cursor.execute("SELECT DISTINCT pid FROM noted_session WHERE job_id = %s", [job.pk])
        ((pid,),) = cursor.fetchall()
        return int(pid)


def test_a_worker_keeps_its_connection_and_gets_another_when_the_server_ended_it(
    noted_sessions: None, workers: Workers
) -> None:
    worker = workers.start_worker(("jobs",))
    first = session_of_task(worker)
    assert session_of_task(worker) == first
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [first])
    assert session_of_task(worker) != first
    assert "Traceback" not in worker.log
