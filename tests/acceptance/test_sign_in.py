"""Signing in with a password: failures are bounded, the door is one, and nothing tells who has an account."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from clarive_monitor.celery import app
from jobs.acting import COMMAND, acting_as
from jobs.models import AuditRecord
from permissions import housekeeping
from permissions.models import ResetRequest
from tests.factories import UserFactory
from tests.pages import Reader, text, words
from tests.signing_in import WORD, Browser, person, quick_hashes

__all__ = ["quick_hashes"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

LIMIT = 4


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    """Make limits small, so that tests are quick."""
    settings.AXES_FAILURE_LIMIT = LIMIT
    settings.CLARIVE_LOGIN_ADDRESS_FAILURES = 3 * LIMIT


def _age(minutes: int) -> None:
    """Let time pass for all failures."""
    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=attempt.pk).update(
            attempt_time=attempt.attempt_time - timedelta(minutes=minutes)
        )


def test_too_many_failures_lock_the_name_at_its_address_for_a_while() -> None:
    person("ana")
    browser = Browser()
    assert browser.fail("ana", LIMIT - 1).status_code == 200
    locked = browser.fail("ana", 1)
    assert locked.status_code == 429
    assert 14 * 60 < int(locked["Retry-After"]) <= 15 * 60
    assert "From this address you can try again in 15 minutes" in words(locked)
    # Also the right password, and without making it longer.
    _age(10)
    again = browser.sign_in("ana")
    assert (again.status_code, int(again["Retry-After"]) <= 5 * 60) == (429, True)
    assert not browser.is_in
    _age(6)
    assert browser.sign_in("ana").status_code == 302
    assert browser.is_in


def test_others_and_other_places_are_not_locked_out() -> None:
    person("ana")
    person("eva")
    Browser("192.0.2.1").fail("ana", LIMIT)
    assert Browser("192.0.2.2").sign_in("ana").status_code == 302
    assert Browser("192.0.2.1").sign_in("eva").status_code == 302
    assert Browser("192.0.2.1").sign_in("ana").status_code == 429


def test_who_has_no_account_is_answered_the_same() -> None:
    person("ana")
    pages = []
    for name in ("ana", "nobody"):
        browser = Browser()
        wrong = browser.fail(name, 1)
        locked = browser.fail(name, LIMIT - 1)
        # The minute may end between the two.
        until = re.sub(r"at \d\d:\d\d", "at hh:mm", words(locked))
        pages.append((wrong.status_code, words(wrong), locked.status_code, until))
        AccessAttempt.objects.all().delete()
    assert pages[0] == pages[1]
    assert "Please enter a correct username and password" in pages[0][1]


@pytest.mark.parametrize("spelling", ["ANA", " ana", "Ana ", "\uff41na"])
def test_another_spelling_gives_no_further_tries(spelling: str) -> None:
    person("ana")
    browser = Browser()
    browser.fail("ana", LIMIT - 1)
    assert browser.fail(spelling, 1).status_code == 429
    assert browser.sign_in("ana").status_code == 429


def test_another_browser_gives_no_further_tries() -> None:
    for number in range(LIMIT):
        answer = Browser(**{"user-agent": f"browser {number}"}).fail("ana", 1)
    assert answer.status_code == 429


def test_many_names_from_one_address_are_stopped_together() -> None:
    person("ana")
    browser = Browser()
    for number in range(3 * LIMIT):
        answer = browser.fail(f"name{number}", 1)
    assert answer.status_code == 429
    assert browser.sign_in("ana").status_code == 429
    assert Browser("192.0.2.9").sign_in("ana").status_code == 302


def test_a_success_forgets_the_failures_of_its_name_alone() -> None:
    person("ana")
    person("mallory")
    browser = Browser()
    browser.fail("ana", LIMIT - 1)
    for number in range(2 * LIMIT):
        browser.fail(f"name{number}", 1)
        assert browser.sign_in("mallory").status_code == 302
        browser.post("/logout/")
    # Mallory's own account did not free the address, nor ana's name.
    assert browser.fail("ana", 1).status_code == 429
    assert Browser("192.0.2.9").sign_in("ana").status_code == 302
    AccessAttempt.objects.exclude(username="ana").delete()
    _age(16)
    browser.fail("ana", LIMIT - 1)
    assert browser.sign_in("ana").status_code == 302
    assert Browser().fail("ana", LIMIT - 1).status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "203.0.113.7", "192.0.2.1"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (2, "198.51.100.1, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7", "203.0.113.7"),
        (1, "203.0.113.7:4711", "203.0.113.7"),
        (1, "[2001:db8::7]:4711", "2001:db8::7"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
        (1, "unknown", "192.0.2.1"),
        (1, "203.0.113.7, <script>", "192.0.2.1"),
    ],
)
def test_a_proxys_word_counts_only_where_there_is_one(
    settings: Any, proxies: int, forwarded: str, seen: str
) -> None:
    settings.CLARIVE_PROXIES = proxies
    Browser(**{"x-forwarded-for": forwarded}).fail("ana", 1)
    assert AccessAttempt.objects.get().ip_address == seen


def test_no_password_is_kept_with_a_failure() -> None:
    user = person("ana")
    browser = Browser()
    browser.sign_in("ana", "hunter2-hunter2")
    reader = Reader(user, "en")
    reader.post(
        "/account/password/",
        {
            "old_password": "hunter3-hunter3",
            "new_password1": "hunter4-hunter4",
            "new_password2": "hunter4-hunter4",
        },
    )
    kept = " ".join(f"{attempt.get_data} {attempt.post_data}" for attempt in AccessAttempt.objects.all())
    assert AccessAttempt.objects.count() == 2
    assert "hunter" not in kept


def test_the_administration_has_no_door_of_its_own() -> None:
    person("clerk", is_staff=True)
    person("ana")
    browser = Browser()
    at_login = browser.get("/admin/login/?next=/admin/jobs/job/")
    assert (at_login.status_code, at_login["Location"]) == (302, "/login/?next=%2Fadmin%2Fjobs%2Fjob%2F")
    assert browser.post("/admin/login/", {"username": "clerk", "password": WORD}).status_code == 302
    assert not browser.is_in
    inside = browser.sign_in("clerk", following="/admin/")
    assert (inside.status_code, inside["Location"]) == (302, "/admin/")
    assert browser.get("/admin/login/?next=https://evil.example/")["Location"] == "/admin/"
    assert browser.get("/admin/password_change/")["Location"] == "/account/password/"
    assert browser.post("/admin/logout/")["Location"] == "/login/"
    assert not browser.is_in
    # Whoever may not go there is told so, instead of being sent round and round.
    other = Browser()
    other.sign_in("ana")
    assert other.get("/admin/login/?next=/admin/").status_code == 403


def test_superusers_see_what_happened_and_unlock() -> None:
    person("ana")
    browser = Browser()
    browser.fail("ana", LIMIT)
    boss, clerk = (
        Reader(UserFactory.create(username=name, is_staff=True, is_superuser=name == "boss"), "en")
        for name in ("boss", "clerk")
    )
    Browser("192.0.2.2").sign_in("ana")
    for page in ("accessattempt", "accesslog", "accessfailurelog"):
        address = f"/admin/axes/{page}/"
        shown = boss.get(address)
        assert (shown.status_code, "ana" in words(shown)) == (200, True)
        assert clerk.get(address).status_code == 403
        assert boss.get(f"{address}add/").status_code == 403
    assert "axes" not in text(clerk.get("/admin/"))
    attempt = AccessAttempt.objects.get(username="ana")
    answer = boss.post(
        "/admin/axes/accessattempt/", {"action": "unlock", "_selected_action": [attempt.pk], "index": 0}
    )
    assert answer.status_code == 302
    record = AuditRecord.objects.get()
    assert (record.action, record.user, record.source) == ("unlock_sign_in", "boss", "admin")
    assert record.comment == f"ana: from {attempt.ip_address}"
    assert "Unlock: sign-in" in words(boss.get("/admin/jobs/auditrecord/"))
    assert browser.sign_in("ana").status_code == 302
    assert AuditRecord.objects.count() == 1
    assert AccessFailureLog.objects.filter(username="ana", locked_out=True).count() == 1


def test_a_command_that_unlocks_is_recorded() -> None:
    person("ana")
    Browser().fail("ana", LIMIT)
    with acting_as(COMMAND):
        call_command("axes_reset_username", "ana", stdout=StringIO())
    record = AuditRecord.objects.get()
    assert (record.action, record.source, record.comment[:10]) == ("unlock_sign_in", "command", "ana: from ")


def test_the_daemons_workers_know_the_housekeeping(settings: Any) -> None:
    app.loader.import_default_modules()
    planned = settings.CELERY_BEAT_SCHEDULE["permissions.housekeeping"]["task"]
    app.tasks[planned]()
    assert settings.CELERY_TASK_ROUTES[planned] == {"queue": "daemon"}


def test_what_is_kept_is_kept_for_a_while(settings: Any) -> None:
    user = person("ana")
    browser = Browser()
    browser.fail("ana", 1)
    browser.sign_in("ana")
    Browser().fail("eva", 1)
    ResetRequest.objects.create(at=timezone.now() - timedelta(hours=2), digest="x")
    old = timezone.now() - timedelta(days=settings.CLARIVE_LOGIN_HISTORY_DAYS, minutes=1)
    assert [log.objects.count() for log in (AccessLog, AccessFailureLog)] == [1, 2]
    housekeeping.tidy()
    assert [log.objects.count() for log in (AccessLog, AccessFailureLog)] == [1, 2]
    assert (AccessAttempt.objects.count(), Session.objects.count()) == (1, 1)
    for kept in (AccessLog, AccessFailureLog, AccessAttempt):
        kept.objects.update(attempt_time=old)
    Session.objects.update(expire_date=old)
    housekeeping.tidy()
    for kept in (AccessLog, AccessFailureLog, AccessAttempt, Session, ResetRequest):
        assert not kept.objects.exists(), kept
    assert user.is_active
