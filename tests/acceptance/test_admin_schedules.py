"""Schedules in the admin: who sees and changes what, the form with its preview, and what is done with several."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from jobs import schedules
from jobs.models import AuditRecord, Job, Schedule
from jobs.recurrence import next_runs
from permissions.models import Environment, User
from tests.factories import (
    EnvironmentFactory,
    ProjectFactory,
    RuleFactory,
    ScheduleFactory,
    UserFactory,
    grant,
    user_with,
)
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/schedule/"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV", name="DEV")


@pytest.fixture
def seen() -> Environment:
    return EnvironmentFactory.create(code="SEEN", name="SEEN")


@pytest.fixture
def staff(dev: Environment, seen: Environment) -> Reader:
    user: User = user_with("view_monitor", "create", environments=[dev], is_staff=True, username="sara")
    grant(user, "view_monitor", environments=[seen])
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="jobs", codename__endswith="_schedule")
    )
    return Reader(User.objects.get(pk=user.pk), language="en")


@pytest.fixture
def root() -> Reader:
    return Reader(UserFactory.create(is_superuser=True, is_staff=True, username="root"), language="en")


def form(environment: Environment, **changes: Any) -> dict[str, Any]:
    return {
        "name": "nightly", "enabled": "on", "rule": RuleFactory.create().pk, "environment": environment.pk,
        "project": "", "type": "promote", "revisions": "", "comment": "", "variables": "", "delay": "",
        "cron": "30 2 * * 1-5", "interval": "", "time_zone": "Europe/Madrid", "starts_at_0": "", "starts_at_1": "",
        "ends_at_0": "", "ends_at_1": "", "overlap": "skip", "catch_up": "latest", **changes,
    }  # fmt: skip


def test_staff_make_a_schedule_of_their_own_where_they_may_create_jobs(
    staff: Reader, dev: Environment
) -> None:
    project = ProjectFactory.create(repository="/srv/shop.git")
    answer = staff.post(
        f"{LIST}add/",
        form(dev, project=project.pk, revisions="main v1", variables="depth=3", delay="2h", owner="1"),
    )
    assert answer.status_code == 302, words(answer)
    schedule = Schedule.objects.get()
    assert (schedule.owner.username, schedule.revisions, schedule.variables) == (
        "sara",
        ["main", "v1"],
        {"depth": "3"},
    )
    assert (schedule.delay, schedule.time_zone) == (timedelta(hours=2), "Europe/Madrid")
    assert schedule.next_run_at is not None
    page = text(staff.get(f"{LIST}{schedule.pk}/change/"))
    assert "main v1" in page
    assert page.count("02:30 CE") == 5
    assert "At 02:30, Monday through Friday" in page
    assert "Saturday" not in page
    assert "makes a job only together with “Create another job”" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cron": "61 * * * *"}, "The field minute cannot be read."),
        ({"cron": "0 0 31 2 *"}, "It never comes."),
        ({"starts_at_0": "1969-07-20", "starts_at_1": "00:00"}, "at the earliest 1970-01-01"),
        ({"ends_at_0": "2069-07-20", "ends_at_1": "00:00"}, "at most ten years from now"),
        ({"cron": ""}, "Write either a cron expression or an interval."),
        ({"interval": "2h"}, "Write either a cron expression or an interval."),
        ({"cron": "", "interval": "30s"}, "An interval lasts from one minute to 365 days."),
        ({"cron": "", "interval": "often"}, "is not a duration"),
        ({"revisions": "main"}, "Revisions need a project."),
        ({"variables": "a b=1"}, "write name=value"),
        ({"time_zone": "Atlantis/Capital"}, "Select a valid choice"),
        ({"name": "two words"}, "Use letters, digits"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    staff: Reader, dev: Environment, changes: dict[str, str], said: str
) -> None:
    for button in ({}, {"_preview": "1"}):
        answer = staff.post(f"{LIST}add/", {**form(dev), **changes, **button})
        assert answer.status_code == 200
        assert said in words(answer)
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("changes", [{"cron": "0 0 31 2 *"}, {"cron": "", "interval": "often"}])
def test_what_cannot_be_read_is_one_mistake(staff: Reader, dev: Environment, changes: dict[str, str]) -> None:
    said = words(staff.post(f"{LIST}add/", form(dev, **changes)))
    assert "Please correct the error below." in said
    assert "Write either" not in said


def test_an_interval_may_count_from_long_ago(staff: Reader, dev: Environment) -> None:
    typed = form(dev, cron="", interval="7d", starts_at_0="1999-01-04", starts_at_1="09:00")
    answer = staff.post(f"{LIST}add/", typed)
    assert answer.status_code == 302, words(answer)
    assert f"{Schedule.objects.get().next_run_at:%a}" == "Mon"


def test_the_form_begins_in_the_zone_of_the_installation_and_keeps_that_of_a_schedule(
    root: Reader, dev: Environment, settings: Settings
) -> None:
    settings.TIME_ZONE = "Atlantic/Canary"
    assert 'value="Atlantic/Canary" selected' in text(root.get(f"{LIST}add/"))
    schedule: Schedule = ScheduleFactory.create(environment=dev, time_zone="Asia/Tokyo")
    assert 'value="Asia/Tokyo" selected' in text(root.get(f"{LIST}{schedule.pk}/change/"))


def test_an_interval_comes_at_the_same_time_in_preview_and_row(root: Reader, dev: Environment) -> None:
    year = timezone.now().year + 1
    change = max(date(year, 10, day) for day in range(25, 32) if date(year, 10, day).weekday() == 6)
    typed = form(
        dev, owner=UserFactory.create(is_superuser=True).pk, cron="", interval="1d",
        starts_at_0=f"{change - timedelta(days=1)}", starts_at_1="03:00",
    )  # fmt: skip
    said = words(root.post(f"{LIST}add/", {**typed, "_preview": "1"}))
    assert "03:00 CEST" in said
    assert said.count("02:00 CET") >= 4
    assert root.post(f"{LIST}add/", typed).status_code == 302
    schedule = Schedule.objects.get()
    first = datetime.combine(change, time(1), UTC) - timedelta(days=1)
    assert schedule.next_run_at == first
    assert next_runs(schedule.timing, first, 1) == [first + timedelta(days=1)]


def test_an_environment_where_one_may_not_create_is_no_choice(
    staff: Reader, root: Reader, seen: Environment
) -> None:
    answer = staff.post(f"{LIST}add/", form(seen))
    assert "Select a valid choice" in words(answer)
    owner = UserFactory.create(username="olga")
    answer = root.post(f"{LIST}add/", form(seen, owner=owner.pk))
    assert "olga may not create jobs in SEEN." in words(answer)
    grant(owner, "view_monitor", "create", environments=[seen])
    assert root.post(f"{LIST}add/", form(seen, owner=owner.pk)).status_code == 302
    assert Schedule.objects.get().owner == owner


def test_the_preview_shows_what_was_typed_and_keeps_nothing(staff: Reader, dev: Environment) -> None:
    answer = staff.post(f"{LIST}add/", form(dev, cron="0 9 1 1 *", time_zone="UTC", _preview="1"))
    assert re.search(r"1 Jan 20\d\d, 09:00 UTC", words(answer))
    assert text(answer).count("09:00 UTC") == 5
    assert not Schedule.objects.exists()
    schedule: Schedule = ScheduleFactory.create(environment=dev, name="nightly")
    answer = staff.post(f"{LIST}{schedule.pk}/change/", form(dev, cron="15 4 * * *", _preview="1"))
    assert text(answer).count("04:15 CE") == 5
    assert 'value="15 4 * * *"' in text(answer)
    schedule.refresh_from_db()
    assert schedule.cron == "0 * * * *"


def test_hidden_environments_stay_hidden_and_others_may_only_be_looked_at(
    staff: Reader, dev: Environment, seen: Environment
) -> None:
    hidden = EnvironmentFactory.create(code="HIDDEN")
    mine, theirs, secret = (
        ScheduleFactory.create(name=f"of-{environment.code}", environment=environment)
        for environment in (dev, seen, hidden)
    )
    page = text(staff.get(LIST))
    assert "of-DEV" in page
    assert "of-SEEN" in page
    assert "HIDDEN" not in page
    assert "HIDDEN" not in text(staff.get(f"{LIST}{mine.pk}/change/"))
    assert staff.get(f"{LIST}{secret.pk}/change/").status_code == 302, "as if it were not there"
    assert "_save" not in text(staff.get(f"{LIST}{theirs.pk}/change/"))
    assert staff.post(f"{LIST}{theirs.pk}/change/", form(dev)).status_code == 403
    assert staff.post(f"{LIST}{theirs.pk}/change/", form(dev, _preview="1")).status_code == 403
    assert staff.post(f"{LIST}{secret.pk}/change/", form(dev, _preview="1")).status_code == 302
    everyone = [each.pk for each in (mine, theirs, secret)]
    for action in ("disable", "run_by_hand", "enable"):
        answer: Any = staff.client.post(LIST, {"action": action, "_selected_action": everyone}, follow=True)
        assert "You may not create jobs where these run: of-SEEN." in words(answer)
        assert "HIDDEN" not in text(answer)
        changed = [each.name for each in Schedule.objects.filter(enabled=False)]
        assert changed == (["of-DEV"] if action != "enable" else [])
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.owner.username, theirs.owner.username == "sara") == ("sara", False)
    assert [run.schedule.name for schedule in (mine, theirs, secret) for run in schedule.runs.all()] == [
        "of-DEV"
    ]


def test_who_may_create_nowhere_makes_no_schedule_and_reads_no_names(seen: Environment) -> None:
    user: User = user_with("view_monitor", environments=[seen], is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="jobs", codename__endswith="_schedule")
    )
    reader = Reader(User.objects.get(pk=user.pk), language="en")
    assert reader.get(f"{LIST}add/").status_code == 403
    assert reader.post(f"{LIST}add/", form(seen, _preview="1")).status_code == 403


def test_saving_anothers_schedule_makes_it_ones_own(staff: Reader, dev: Environment) -> None:
    schedule: Schedule = ScheduleFactory.create(environment=dev, name="nightly")
    assert staff.post(f"{LIST}{schedule.pk}/change/", form(dev, name="nightly")).status_code == 302
    schedule.refresh_from_db()
    assert schedule.owner.username == "sara"


def test_run_now_makes_a_job_of_who_asks_and_the_page_says_so(staff: Reader, dev: Environment) -> None:
    schedule: Schedule = ScheduleFactory.create(environment=dev, name="nightly")
    answer: Any = staff.client.post(
        LIST, {"action": "run_by_hand", "_selected_action": [schedule.pk]}, follow=True
    )
    assert "1 run was asked for" in words(answer)
    asked = AuditRecord.objects.values_list("user", "action", "environment", "comment", "source", "address")
    assert list(asked) == [("sara", "run_schedule", "DEV", "nightly", "admin", "127.0.0.1")], "before any job"
    schedules.serve("test")
    (job,) = Job.objects.all()
    assert job.created_by.username == "sara"
    assert f"Job created: {job.name}" in words(staff.get(LIST))
    assert f"{job.name} sara" in words(staff.get(f"{LIST}{schedule.pk}/change/"))


def test_why_there_was_no_job_is_said_in_the_readers_language(root: Reader, dev: Environment) -> None:
    schedule: Schedule = ScheduleFactory.create(environment=dev, owner__username="olga")
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(seconds=1))
    schedules.serve("test")
    page = words(root.get(f"{LIST}{schedule.pk}/change/"))
    assert "Refused – olga may not create jobs in DEV. The clock" in page


def test_deleting_counts_the_runs_and_names_nothing_internal(staff: Reader, dev: Environment) -> None:
    schedule: Schedule = ScheduleFactory.create(environment=dev, name="nightly")
    other: Schedule = ScheduleFactory.create(environment=dev, name="weekly")
    for _ in range(2):
        staff.client.post(LIST, {"action": "run_by_hand", "_selected_action": [schedule.pk]})
        schedules.serve("test")
    assert Schedule.objects.get(name="nightly").runs.filter(requests__isnull=False).exists()
    bulk = {"action": "delete_selected", "_selected_action": [schedule.pk, other.pk]}
    for answer in (staff.get(f"{LIST}{schedule.pk}/delete/"), staff.post(LIST, bulk)):
        said = words(answer)
        assert "Schedule: nightly 2 runs in its history" in said
        assert "Runs of schedules: 2" in said
        assert "equest" not in said
    assert staff.post(f"{LIST}{schedule.pk}/delete/", {"post": "yes"}).status_code == 302
    assert [each.name for each in Schedule.objects.all()] == ["weekly"]


def test_the_list_asks_the_same_number_of_queries(root: Reader) -> None:
    counts = []
    for _ in range(2):
        ScheduleFactory.create_batch(3)
        with CaptureQueriesContext(connection) as queries:
            root.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_beats_own_tables_are_for_superusers_to_read(staff: Reader, root: Reader) -> None:
    ScheduleFactory.create()
    User.objects.get(username="sara").user_permissions.add(
        *Permission.objects.filter(content_type__app_label="django_celery_beat")
    )
    page = text(root.get("/admin/django_celery_beat/periodictask/"))
    assert "jobs.schedule." in page
    assert "/admin/django_celery_beat/periodictask/add/" not in page
    assert root.get("/admin/django_celery_beat/periodictask/add/").status_code == 403
    assert staff.get("/admin/django_celery_beat/periodictask/").status_code == 403
    for table in ("crontabschedule", "intervalschedule", "clockedschedule", "solarschedule"):
        assert root.get(f"/admin/django_celery_beat/{table}/").status_code == 404
