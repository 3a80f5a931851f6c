"""Statements that the server plans once a connection."""

from __future__ import annotations

import pytest
from django.db import NotSupportedError, OperationalError, close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from clarive_monitor import prepared
from clarive_monitor.prepared import Lookup, Reading
from jobs.models import Job
from permissions.models import Environment
from tests.factories import EnvironmentFactory, JobFactory
from tests.sessions import other_connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def new_connection() -> None:
    """Begin on a connection that has prepared nothing."""
    connection.close()


def planned() -> list[str]:
    """Return what the server has prepared on this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time")
        return [statement for (statement,) in cursor.fetchall()]


def double(number: int) -> int:
    with prepared.cursor() as cursor:
        cursor.execute("SELECT %s::int * 2", [number])
        (found,) = cursor.fetchone()
    return int(found)


def test_a_statement_is_prepared_once() -> None:
    assert [double(number) for number in (1, 2, 3)] == [2, 4, 6]
    assert planned() == ["SELECT $1::int * 2"]


def test_what_django_asks_is_neither_prepared_nor_remembered() -> None:
    double(1)
    for _ in range(10):
        Environment.objects.filter(code="NONE").first()
    assert planned() == ["SELECT $1::int * 2"]
    assert not connection.connection._prepared._counts


def test_one_is_still_there_after_a_savepoint_that_was_rolled_back_and_made_anew_after_a_transaction() -> (
    None
):
    with transaction.atomic():
        with transaction.atomic():
            double(1)
            transaction.set_rollback(True)
        assert double(2) == 4
    assert planned() == ["SELECT $1::int * 2"]
    with transaction.atomic():
        double(3)
        transaction.set_rollback(True)
    assert double(4) == 8


def test_an_operator_whose_pooler_knows_none_can_do_without(settings: Settings) -> None:
    settings.CLARIVE_PREPARED_STATEMENTS = False
    assert [double(number) for number in (1, 2)] == [2, 4]
    assert planned() == []


def test_errors_are_those_of_django() -> None:
    with pytest.raises(OperationalError), prepared.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    assert double(1) == 2


def test_whoever_looks_at_statements_sees_them_with_their_values() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert double(21) == 42
    assert [query["sql"] for query in queries] == ["SELECT 21::int * 2"]


def test_an_object_is_what_django_reads() -> None:
    job = JobFactory.create()
    by_number = Lookup(Job, "environment", "project", "created_by", by="jobs_job.id = %s")
    found = by_number.first(job.pk)
    assert found is not None
    read = Job.objects.select_related("environment", "project", "created_by").get(pk=job.pk)
    for field in Job._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(read, field.attname), field.attname
    with CaptureQueriesContext(connection) as queries:
        assert found.environment.variables == read.environment.variables
        assert (found.created_by.username, found.project) == (read.created_by.username, read.project)
    assert len(queries) == 0
    assert by_number.first(0) is None


def test_what_an_object_does_not_refer_to_is_none() -> None:
    job = JobFactory.create(project=None)
    found = Lookup(Job, "project", by="jobs_job.id = %s").first(job.pk)
    assert found is not None
    assert found.project is None


def test_columns_that_are_left_out_are_read_when_they_are_asked_for() -> None:
    environment = EnvironmentFactory.create(code="DEV")
    reading = Reading(Environment, but={"name"})
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {reading.columns}, 7 FROM {reading.tables}")
        row = cursor.fetchone()
    assert row[reading.after :] == (7,)
    found = reading.of(row)
    assert found.get_deferred_fields() == {"name"}
    assert (found.code, found.name) == ("DEV", environment.name)


def test_a_connection_that_ended_meanwhile_is_replaced_before_the_first_statement() -> None:
    double(1)
    with other_connection() as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    close_old_connections()
    assert double(2) == 4


def test_a_column_whose_type_has_changed_is_an_error_once() -> None:
    def read() -> list[tuple[object, ...]]:
        with prepared.cursor() as cursor:
            cursor.execute("SELECT kind FROM prepared_kind WHERE kind = %s::text", ["a"])
            return list(cursor.fetchall())

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE prepared_kind (kind varchar(5))")
    try:
        assert read() == []
        with other_connection() as other:
            other.execute("ALTER TABLE prepared_kind ALTER COLUMN kind TYPE varchar(9)")
        with pytest.raises(NotSupportedError):
            read()
        assert read() == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE prepared_kind")
