"""How long a session lasts, and who can end it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.acting import COMMAND, acting_as
from jobs.models import AuditRecord
from permissions import sessions, tokens
from permissions.models import User
from tests.signing_in import Browser, person, quick_hashes

__all__ = ["quick_hashes"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]


def _age(client: Client, **times: timedelta) -> None:
    """Put the beginning and the last sign of life of a session back."""
    session = client.session
    for name, delta in times.items():
        session[{"begun": sessions.BEGUN, "seen": sessions.SEEN}[name]] -= int(delta.total_seconds())
    session.save()


@pytest.fixture
def mine() -> Browser:
    person("ana")
    found = Browser()
    found.sign_in("ana")
    assert found.is_in
    return found


def test_a_session_has_a_longest_life_however_busy_it_is(settings: Any, mine: Browser) -> None:
    settings.CLARIVE_SESSION_HOURS = 8
    _age(mine.client, begun=timedelta(hours=7, minutes=59))
    assert mine.is_in
    _age(mine.client, begun=timedelta(minutes=2))
    answer = mine.get("/account/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/account/")
    assert not mine.client.session.keys()


def test_nobody_there_ends_a_session_and_open_pages_do_not_keep_it(settings: Any, mine: Browser) -> None:
    settings.CLARIVE_SESSION_IDLE_MINUTES = 30
    _age(mine.client, seen=timedelta(minutes=20))
    assert mine.get("/", **{sessions.POLL: "1", "HX-Request": "true"}).status_code in (200, 204)
    _age(mine.client, seen=timedelta(minutes=9))
    assert mine.is_in, "29 minutes are fine, and asking for a page is a sign of life"
    _age(mine.client, seen=timedelta(minutes=29))
    assert mine.is_in
    _age(mine.client, seen=timedelta(minutes=31))
    assert mine.get("/", **{sessions.POLL: "1", "HX-Request": "true"})["HX-Refresh"] == "true"
    assert not mine.is_in


def test_signs_of_life_are_not_written_at_each_request(settings: Any, mine: Browser) -> None:
    settings.CLARIVE_SESSION_IDLE_MINUTES = 30
    before = mine.client.session[sessions.SEEN]
    mine.get("/account/")
    assert mine.client.session[sessions.SEEN] == before
    _age(mine.client, seen=timedelta(minutes=2))
    mine.get("/account/")
    assert mine.client.session[sessions.SEEN] >= before


def test_a_deactivated_user_is_out_at_once(mine: Browser) -> None:
    User.objects.update(is_active=False)
    assert not mine.is_in


def test_all_other_sessions_can_be_ended(mine: Browser) -> None:
    others = [Browser() for _ in range(2)]
    stranger = Browser()
    person("eva")
    stranger.sign_in("eva")
    for other in others:
        other.sign_in("ana")
    assert mine.get("/account/sessions/end/").status_code == 405
    assert mine.post("/account/sessions/end/")["Location"] == "/account/"
    assert [each.is_in for each in (mine, *others, stranger)] == [True, False, False, True]
    others[0].sign_in("ana")
    sessions.end_all(User.objects.get(username="ana"))
    assert [each.is_in for each in (mine, others[0], stranger)] == [False, False, True]


def test_ending_sessions_is_recorded(mine: Browser) -> None:
    mine.post("/account/sessions/end/")
    found = AuditRecord.objects.get()
    assert (found.action, found.user, found.source) == ("end_sessions", "ana", "page")
    assert found.comment == "ana: all but the one that asked"
    with acting_as(COMMAND):
        sessions.end_all(User.objects.get(username="ana"))
    assert AuditRecord.objects.latest("id").comment == "ana"


@pytest.mark.parametrize("columns", [None, ["is_active"]])
def test_sessions_from_before_a_user_was_inactive_do_not_come_back(mine: Browser, columns: Any) -> None:
    token = tokens.issue(User.objects.get(username="ana"))
    for is_active in (False, True):
        user = User.objects.get(username="ana")
        user.is_active = is_active
        user.save(update_fields=columns)
        assert user.session_generation == 1
        assert (tokens.owner(token, now=timezone.now()) is not None) == is_active
    assert not mine.is_in
    mine.sign_in("ana")
    assert mine.is_in


def test_saving_what_was_read_earlier_brings_no_session_back(mine: Browser) -> None:
    earlier = User.objects.get(username="ana")
    sessions.end_all(earlier)
    earlier.email = "ana@example.org"
    earlier.save()
    found = User.objects.get(username="ana")
    assert (found.email, found.session_generation) == ("ana@example.org", 1)
    assert not mine.is_in


def test_signing_in_gives_the_session_another_key(mine: Browser) -> None:
    first = mine.client.session.session_key
    mine.client.logout()
    fixed = Browser()
    fixed.client.cookies["clarive_session"] = str(first)
    fixed.sign_in("ana")
    assert fixed.is_in
    assert fixed.client.cookies["clarive_session"].value != first


def test_the_account_page_shows_ones_own_last_sign_ins(mine: Browser) -> None:
    User.objects.update(date_joined=timezone.now() - timedelta(days=1))
    Browser("203.0.113.5", **{"user-agent": "Other/1.0"}).sign_in("ana")
    page = mine.get("/account/").content.decode()
    assert "203.0.113.5" in page
    assert "Other/1.0" in page
    person("eva")
    stranger = Browser()
    stranger.sign_in("eva")
    assert "203.0.113.5" not in stranger.get("/account/").content.decode()
