"""Section 9, jobs and audit in the admin: the actions of the monitor on a selection, steps and log, export."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobs import admin_audit, admin_base, admin_bulk
from jobs.lifecycle import Event
from jobs.models import AuditRecord, Job, OperationRun
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment
from tests.factories import EnvironmentFactory, JobFactory, UserFactory, happen, moment, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

LIST = "/admin/jobs/job/"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def hidden() -> Environment:
    return EnvironmentFactory.create(code="HIDDEN")


@pytest.fixture
def staff(dev: Environment, prod: Environment) -> Reader:
    user = user_with(
        Right.VIEW_MONITOR, Right.CANCEL, Right.RESTART, Right.DELETE, environments=[dev], is_staff=True,
        username="sam",
    )  # fmt: skip
    policy.grant(user, Right.VIEW_MONITOR, prod)
    return Reader(user, language="en")


def chosen(key: str, *jobs: Job) -> dict[str, Any]:
    return {"action": f"job_{key}", "index": "0", "_selected_action": [str(job.pk) for job in jobs]}


def confirmed(key: str, *jobs: Job, **fields: Any) -> dict[str, Any]:
    seen = [f"{job.pk}:{job.attempt}:{job.status}" for job in jobs]
    return {**chosen(key, *jobs), "confirmed": "1", "seen": seen, **fields}


def test_what_will_happen_is_said_job_by_job_and_nothing_happens(
    staff: Reader, dev: Environment, prod: Environment, hidden: Environment
) -> None:
    mine, ended = (
        JobFactory.at(*state, environment=dev) for state in (("RUN", "running"), ("END", "finished"))
    )
    other, unseen = (JobFactory.at("RUN", "running", environment=where) for where in (prod, hidden))
    answer = staff.post(LIST, chosen("cancel", mine, ended, other, unseen))
    said = words(answer)
    assert "“Cancel” will be done to 1 job. 2 jobs will be left alone." in said
    assert f"{mine.name} RUN · Running ✓ The status becomes Cancelled at once." in said
    assert "“Cancel” is not possible there." in said
    assert "You need the right action.job.cancel in PROD." in said
    assert unseen.name not in said
    assert re.findall(r'name="seen" value="([^"]+)"', text(answer)) == [f"{mine.pk}:1:running"]
    assert not Job.objects.filter(status="cancelled").exists()
    assert not AuditRecord.objects.exists()


def test_it_is_done_job_by_job_with_the_rights_and_refusals_of_the_monitor(
    staff: Reader, dev: Environment, prod: Environment, hidden: Environment
) -> None:
    mine, changed = (JobFactory.at("RUN", "running", environment=dev) for _ in range(2))
    other, unseen = (JobFactory.at("RUN", "running", environment=where) for where in (prod, hidden))
    sent = confirmed("cancel", mine, changed, other, unseen, comment="stop")
    happen(changed, Event.STEP_OK)
    said = words(staff.post(LIST, sent))
    assert "Done: 1 job. Refused: 3 jobs." in said
    assert f"{mine.name} ✓ Done: The job is cancelled. RUN · Cancelled" in said
    assert f"The job {changed.name} has changed: it is Ready in attempt 1 now." in said
    assert "You need the right action.job.cancel in PROD." in said
    assert f"{unseen.pk} ✕ Refused: There is no such job any more." in said
    assert unseen.name not in said
    (record,) = AuditRecord.objects.all()
    assert (record.user, record.action, record.job_id, record.source, record.comment) == (
        "sam", "cancel", mine.pk, "admin", "stop",
    )  # fmt: skip
    assert "Refused: 4 jobs." in words(staff.post(LIST, sent)), "sent twice it is done once"
    assert AuditRecord.objects.count() == 1


def test_jobs_are_rerun_where_each_stands_or_at_one_step(staff: Reader, dev: Environment) -> None:
    run, pre = (JobFactory.at(step, "abend", environment=dev) for step in ("RUN", "PRE"))
    assert "Done: 2 jobs." in words(staff.post(LIST, confirmed("rerun", run, pre, step="", comment="")))
    assert [Job.objects.get(pk=job.pk).step for job in (run, pre)] == ["RUN", "PRE"]
    ended = JobFactory.at("END", "error", environment=dev)
    staff.post(LIST, confirmed("rerun", ended, step="POST"))
    ended.refresh_from_db()
    assert (ended.step, ended.attempt) == ("POST", 2)


def test_a_filter_that_the_action_itself_changes_loses_no_job(staff: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    sent = confirmed("cancel", job)
    happen(job, Event.START)
    assert "has changed" in words(staff.post(f"{LIST}?status__exact=ready", sent))


def test_delete_run_now_comment_and_reject(staff: Reader, dev: Environment) -> None:
    ended, waits = (
        JobFactory.at(*state, environment=dev) for state in (("END", "finished"), ("RUN", "trapped"))
    )
    assert f"{ended.name} ✓ Done: The job is deleted." in words(staff.post(LIST, confirmed("delete", ended)))
    assert not Job.objects.filter(pk=ended.pk).exists()
    said = words(staff.post(LIST, confirmed("comment", waits, text="", level="comment")))
    assert "Write something." in said
    assert f"{waits.pk}:1:trapped" in text(
        staff.post(LIST, confirmed("comment", waits, text="", level="comment"))
    )
    assert "Your comment is in the log." in words(
        staff.post(LIST, confirmed("comment", waits, text="Hm.", level="comment"))
    )
    assert AuditRecord.objects.get(action="comment").comment == "Hm."


def test_jobs_get_another_date_as_on_the_monitor(staff: Reader, dev: Environment, prod: Environment) -> None:
    soon = timezone.now() + timedelta(hours=2)
    jobs = [
        JobFactory.at(
            "RUN", "ready", environment=dev, scheduled_at=soon, max_start_at=soon + timedelta(hours=n)
        )
        for n in (1, 2)
    ]
    expired, running = (JobFactory.at("RUN", status, environment=dev) for status in ("expired", "running"))
    other = JobFactory.at("RUN", "ready", environment=prod)
    chosen_ones = (*jobs, expired, running, other)
    page = staff.post(LIST, chosen("reschedule", *chosen_ones))
    said = words(page)
    assert "“Reschedule” will be done to 3 jobs. 2 jobs will be left alone." in said
    assert "You need the right action.job.restart in PROD." in said
    assert "Times are in your zone, Europe/Madrid." in said
    assert "Empty: as long after the scheduled date as it was for each job." in said
    assert {"scheduled_at", "max_start_at", "comment"} <= set(re.findall(r'name="(\w+)"', text(page)))
    wrong = staff.post(LIST, confirmed("reschedule", *jobs, scheduled_at="", max_start_at="soon"))
    assert 'value="soon"' in text(wrong), "what was typed stays"
    wanted = timezone.localtime(soon + timedelta(days=1)).replace(second=0, microsecond=0)
    past = words(staff.post(LIST, confirmed("reschedule", *jobs, scheduled_at="2020-01-01T10:00")))
    assert "Done: 0 jobs. Refused: 2 jobs." in past
    assert not AuditRecord.objects.exists()
    fields = {"scheduled_at": f"{wanted:%Y-%m-%dT%H:%M}", "max_start_at": "", "comment": "The network"}
    said = words(staff.post(LIST, confirmed("reschedule", *chosen_ones, **fields)))
    assert "Done: 3 jobs. Refused: 2 jobs." in said
    after = [Job.objects.get(pk=job.pk) for job in (*jobs, expired)]
    assert {job.scheduled_at for job in after} == {wanted}
    assert [job.max_start_at - wanted for job in after[:2]] == [timedelta(hours=1), timedelta(hours=2)]
    assert {(job.status, job.comment.split("\n")[0]) for job in after} == {("ready", "The network")}
    found = AuditRecord.objects.values_list("user", "action", "source", "comment", "job_id")
    assert set(found) == {("sam", "reschedule", "admin", "The network", job.pk) for job in after}


@pytest.mark.parametrize("seen", ["", "x:1:running", "1:x:running", "1:1:flying", "9" * 30 + ":1:running"])
def test_what_the_page_carries_is_read_strictly(staff: Reader, dev: Environment, seen: str) -> None:
    job = JobFactory.at("RUN", "running", environment=dev)
    staff.post(LIST, {**chosen("cancel", job), "confirmed": "1", "seen": [seen]})
    assert "Choose them again." in words(staff.get(LIST))
    job.refresh_from_db()
    assert job.status == "running"


def test_a_selection_is_bounded(staff: Reader, dev: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_bulk, "MOST_JOBS", 1)
    jobs = [JobFactory.at("RUN", "running", environment=dev) for _ in range(2)]
    staff.post(LIST, chosen("cancel", *jobs))
    assert "At most 1 jobs at once: choose fewer." in words(staff.get(LIST))


def test_the_list_costs_the_same_with_more_jobs(
    staff: Reader, dev: Environment, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(15):
        JobFactory.at("RUN", "running", environment=dev)
    with django_assert_max_num_queries(12):
        assert staff.get(LIST).status_code == 200


def test_it_is_searched_by_the_beginning_of_the_name_with_an_index(
    staff: Reader, dev: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = (
        JobFactory.create(environment=dev, name="N.DEV-1"),
        JobFactory.create(environment=dev, name="X-N.DEV-1"),
    )
    found: Any = staff.get(f"{LIST}?q=N.DEV")
    assert [each.pk for each in found.context["cl"].result_list] == [job.pk]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT id FROM jobs_job WHERE name LIKE 'N.DEV%'")
        assert "jobs_job_name" in " ".join(row[0] for row in cursor.fetchall())
    monkeypatch.setattr(admin_base, "MOST_COUNTED", 1)
    capped: Any = staff.get(LIST)
    assert capped.context["cl"].paginator.count == 1
    assert other.name in text(capped)


def test_a_job_shows_steps_operations_log_and_audit(dev: Environment) -> None:
    user = user_with(Right.VIEW_MONITOR, environments=[dev], is_staff=True)
    job = JobFactory.at("RUN", "trapped", environment=dev)
    OperationRun.objects.create(
        job=job, attempt=1, path="RUN/0", identifier="deploy", name="Deploy it", key="run", step="RUN",
        status="failed", error="It broke",
    )  # fmt: skip
    AuditRecord.objects.create(
        at=moment(),
        user="ana",
        action="cancel",
        job_id=job.pk,
        job_name=job.name,
        environment="DEV",
        source="api",
        from_status="running",
        to_status="cancelled",
    )
    page = Reader(user, language="en").get(f"{LIST}{job.pk}/change/")
    assert "RUN/0 Deploy it Failed" in words(page)
    assert "ana Cancel Running Cancelled" in words(page)
    assert "Capturado" in words(Reader(user, language="es").get(f"{LIST}{job.pk}/change/"))
    assert "Last ran" not in words(page), "what the engine keeps for itself is no field for people"
    for address in (f"/jobs/{job.pk}/log/", f"/jobs/{job.pk}/log/download/"):
        assert f'href="{address}"' in text(page)
    assert "job_id__exact" not in text(page)
    user.user_permissions.set(Permission.objects.filter(codename="view_auditrecord"))
    reader = Reader(type(user).objects.get(pk=user.pk), language="en")
    assert f"job_id__exact={job.pk}" in text(reader.get(f"{LIST}{job.pk}/change/"))
    assert "ana" in words(reader.get(f"/admin/jobs/auditrecord/?job_id__exact={job.pk}"))


def _export(reader: Reader, query: str = "") -> list[list[str]]:
    answer: Any = reader.get(f"/admin/jobs/auditrecord/export/{query}")
    assert answer.streaming
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    sent = b"".join(answer)
    return list(csv.reader(io.StringIO(sent.decode(), newline="")))


def test_the_audit_is_exported_as_it_is_filtered(
    dev: Environment, hidden: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_audit, "_BATCH", 2)
    for number, (user, where, comment) in enumerate(
        [("ana", "DEV", '=HYPERLINK("x")'), ("ben", "DEV", "-1"), ("ana", "HIDDEN", "x"), ("ana", "DEV", 'a,"b"\nc'),
         ("ana", "", "@x"), ("ana", "DEV", "ñ")]
    ):  # fmt: skip
        AuditRecord.objects.create(
            at=moment(), user=user, action="cancel" if number else "create", environment=where, source="api",
            comment=comment,
        )  # fmt: skip
    root = Reader(UserFactory.create(is_superuser=True, is_staff=True))
    assert [row[-1] for row in _export(root)] == [
        "comment",
        "ñ",
        "'@x",
        'a,"b"\nc',
        "x",
        "'-1",
        '\'=HYPERLINK("x")',
    ]
    sam = user_with(Right.VIEW_MONITOR, environments=[dev], is_staff=True)
    reader = Reader(sam, language="en")
    assert reader.get("/admin/jobs/auditrecord/export/").status_code == 403
    sam.user_permissions.set(Permission.objects.filter(codename="view_auditrecord"))
    reader = Reader(type(sam).objects.get(pk=sam.pk), language="en")
    rows = _export(reader, "?user=ana&action=cancel&o=2")
    assert [row[-1] for row in rows[1:]] == ["ñ", 'a,"b"\nc']
    assert rows[1][1:4] == ["2026-03-01T10:00:00+00:00", "ana", "cancel"]
    assert reader.get("/admin/jobs/auditrecord/export/?nothing=1").status_code == 400
    page = text(reader.get("/admin/jobs/auditrecord/?user=ana&action=cancel&at__gte=2020-01-01T00:00:00Z"))
    assert "export/?" in page
    assert '<input type="hidden" name="action" value="cancel">' in page
    assert "HIDDEN" not in page
