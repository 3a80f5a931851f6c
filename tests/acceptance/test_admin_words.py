"""The administration calls things by words, not by the names that programs have for them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.test import RequestFactory
from django.utils import timezone, translation
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs import audit
from jobs.acting import Author
from jobs.admin_audit import worded
from jobs.models import AuditRecord
from jobs.notifications import outbox
from jobs.notifications.events import NoticeEvent
from jobs.settings_audit import _KINDS
from tests.factories import EnvironmentFactory, JobFactory, UserFactory
from tests.notices import deliver, subscribe
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Reader:
    return Reader(UserFactory.create(username="root", is_superuser=True, is_staff=True), language="en")


def test_a_record_of_the_audit_is_called_by_what_was_done(root: Reader) -> None:
    author = Author("", AuditRecord.Source.COMMAND.value, "")
    record = audit.record_setting(author, "change_user", now=timezone.now(), comment="ana")
    for page in ("change", "history"):
        assert "change_user" not in words(root.get(f"/admin/jobs/auditrecord/{record.pk}/{page}/"))
    found = words(root.get(f"/admin/jobs/auditrecord/{record.pk}/change/"))
    assert "Change: user" in found
    assert "· Command" in found


def test_each_kind_of_change_has_words() -> None:
    with translation.override("en"):
        for kind in set(_KINDS.values()):
            assert worded(f"change_{kind}").startswith("Change: ")


@pytest.mark.parametrize("model", [AccessAttempt, AccessFailureLog, AccessLog])
def test_an_entry_of_a_sign_in_is_called_by_who_and_when(root: Reader, model: type[AccessLog]) -> None:
    counted = {"failures_since_start": 1} if model is AccessAttempt else {}
    entry = model.objects.create(
        username="ana", ip_address="192.0.2.7", user_agent="x", path_info="/", **counted
    )
    for page in ("change", "history"):
        found = words(root.get(f"/admin/axes/{model.__name__.lower()}/{entry.pk}/{page}/"))
        assert "ana · 192.0.2.7 · " in found
        assert "Access Log for" not in found
        assert "Attempted Access" not in found
        assert "Failed access" not in found


def test_a_browser_that_does_not_say_what_it_is_has_words_for_that(root: Reader) -> None:
    AccessLog.objects.all().delete()  # of signing in without a request
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        counted = {"failures_since_start": 1} if model is AccessAttempt else {}
        entry = model.objects.create(username="root", user_agent="<unknown>", path_info="/", **counted)
        pages = [f"/admin/axes/{model.__name__.lower()}/{end}" for end in ("", f"{entry.pk}/change/")]
        for page in (*pages, *(["/account/"] if model is AccessLog else [])):
            found = words(root.get(page))
            assert "unknown browser" in found, page
            assert "<unknown>" not in found, page


def test_a_task_of_beat_shows_how_often_it_is_sent(root: Reader) -> None:
    every = IntervalSchedule.objects.create(every=90, period=IntervalSchedule.SECONDS)
    task = PeriodicTask.objects.create(name="mine", task="jobs.mine", interval=every, args='["a"]')
    found = words(root.get("/admin/django_celery_beat/periodictask/"))
    assert "Sends" in found
    assert "Task Name" not in found
    page = words(root.get(f"/admin/django_celery_beat/periodictask/{task.pk}/change/"))
    assert "90s" in page
    assert '["a"]' in page


def test_a_subscription_names_events_as_its_form_does(root: Reader) -> None:
    subscription = subscribe(users=["root"], events=["job_created"])
    outbox.tell(JobFactory.create(), NoticeEvent.JOB_CREATED, timezone.now())
    deliver()
    address = f"/admin/jobs/subscription/{subscription.pk}/change/"
    page = root.get(address)
    assert "<td>Job created</td>" in text(page)
    assert "The newest 100 at most" in words(page)
    assert "Job created" in words(root.get("/admin/jobs/subscription/"))


def test_the_history_of_a_thing_leads_to_its_audit(root: Reader) -> None:
    environment = EnvironmentFactory.create(code="LAB")
    author = Author("ana", AuditRecord.Source.API.value, "")
    record = audit.record_setting(author, "change_environment", now=timezone.now(), comment="LAB: name")
    page = root.get(f"/admin/permissions/environment/{environment.pk}/history/")
    link = page.content.decode().partition('href="/admin/jobs/auditrecord/?')[2].partition('"')[0]
    assert link == "q=LAB"
    assert (
        f"/auditrecord/{record.pk}/change/" in root.get(f"/admin/jobs/auditrecord/?{link}").content.decode()
    )


@pytest.mark.parametrize("language", ["es", "en"])
def test_a_time_fits_into_a_column(language: str) -> None:
    JobFactory.create(created_at=datetime(2026, 11, 26, 15, 1, tzinfo=UTC))
    root = Reader(UserFactory.create(is_superuser=True, is_staff=True, time_zone="UTC"), language)
    assert "26 Nov 2026, 15:01" in words(root.get("/admin/jobs/job/"))


def test_an_empty_name_of_a_user_has_one_mistake(root: Reader) -> None:
    said = words(root.post("/admin/permissions/user/add/", {"username": ""}))
    assert "This field is required" in said
    assert "dots" not in said


def test_no_label_is_left_in_english() -> None:
    """Of every list and form, whatever the administration comes to show."""
    request = RequestFactory().get("/admin/")
    request.user = UserFactory.create(is_superuser=True, is_staff=True)
    same = set()
    for model, pages in admin.site._registry.items():
        names = {
            *pages.get_list_display(request),
            *flatten_fieldsets(pages.get_fieldsets(request, model(pk=1))),
        }
        for name in names - {"__str__"}:
            labels = []
            for language in ("es", "en"):
                with translation.override(language), suppress(AttributeError):
                    labels.append(str(label_for_field(name, model, pages)))
            if len(set(labels)) == 1:
                same.add(labels[0])
    assert same == {"cron", "error", "rollback", "variables", "webhook", "worker"}, (
        "these are called so in Spanish as well"
    )
