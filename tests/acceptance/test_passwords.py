"""What passwords have to be like, changing one, and getting a new one by mail."""

import re
from dataclasses import replace
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError

from permissions import reset
from permissions.models import ResetRequest, User
from tests.pages import words
from tests.signing_in import WORD, Browser, person, quick_hashes

__all__ = ["quick_hashes"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

NEW = "quite-another-word-7"


@pytest.fixture(autouse=True)
def mail_server(settings: Any) -> None:
    settings.CLARIVE_MAIL_IS_SENT = True


@pytest.fixture
def mine() -> Browser:
    person("ana", email="ana@example.org")
    found = Browser()
    found.sign_in("ana")
    return found


def _change(mine: Browser, old: str = WORD, new: str = NEW, again: str | None = None) -> Any:
    fields = {"old_password": old, "new_password1": new, "new_password2": new if again is None else again}
    return mine.post("/account/password/", fields)


def test_a_changed_password_ends_the_other_sessions(mine: Browser) -> None:
    other = Browser()
    other.sign_in("ana")
    assert _change(mine)["Location"] == "/account/"
    assert (mine.is_in, other.is_in) == (True, False)
    assert Browser().sign_in("ana").status_code == 200
    assert Browser().sign_in("ana", NEW).status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "again", "said"),
    [
        ("wrong", NEW, None, "Your old password was entered incorrectly"),
        (WORD, "short-one-7", None, "It must contain at least 12 characters"),
        (WORD, "password1234", None, "too common"),
        (WORD, "482910473625", None, "entirely numeric"),
        (WORD, "ana@example.org", None, "too similar"),
        (WORD, "AnaAnaAnaAna", None, "mostly the user's name"),
        (WORD, "ana-ana-ana-2026", None, "mostly the user's name"),
        (WORD, NEW, "other", "didn’t match"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    mine: Browser, old: str, new: str, again: str | None, said: str
) -> None:
    answer = _change(mine, old, new, again)
    assert (answer.status_code, said in words(answer)) == (400, True), words(answer)
    assert User.objects.get().check_password(WORD)


def test_the_old_password_cannot_be_guessed_through_an_open_session(settings: Any, mine: Browser) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    assert [_change(mine, "wrong").status_code for _ in range(3)] == [400, 400, 429]
    assert _change(mine).status_code == 429
    assert User.objects.get().check_password(WORD)


def test_who_has_no_password_here_has_none_to_change() -> None:
    browser = Browser()
    browser.client.force_login(person("sso", None))
    assert browser.get("/account/password/").status_code == 404
    assert "/account/password/" not in browser.get("/account/").content.decode()


def _ask(email: str, address: str = "192.0.2.1") -> Any:
    answer = Browser(address).post("/login/forgotten/", {"email": email})
    reset.wait()
    return answer


def test_a_forgotten_password_is_replaced_through_a_letter() -> None:
    person("ana", email="ana@example.org")
    signed_in = Browser()
    signed_in.sign_in("ana")
    _ask("Ana@Example.org")
    (letter,) = mail.outbox
    assert letter.to == ["ana@example.org"]
    found = re.search(r"http://testserver(/login/new/\S+)", str(letter.body))
    assert found is not None
    browser = Browser("192.0.2.7")
    browser.fail("ana", 9)
    form = browser.get(browser.get(found[1])["Location"])
    address = form.request["PATH_INFO"]  # type: ignore[attr-defined]
    assert browser.post(address, {"new_password1": "short", "new_password2": "short"}).status_code == 200
    assert browser.post(address, {"new_password1": NEW, "new_password2": NEW})["Location"] == "/login/"
    assert browser.sign_in("ana", NEW).status_code == 302
    assert not signed_in.is_in
    # It can be used once.
    assert "was used already" in words(Browser().get(found[1]))


def test_the_answer_tells_nothing_about_accounts() -> None:
    person("ana", email="ana@example.org")
    person("gone", email="gone@example.org", is_active=False)
    person("sso", None, email="sso@example.org")
    emails = ("ana@example.org", "gone@example.org", "sso@example.org", "nobody@example.org")
    answers = {(_ask(email).status_code, words(_ask(email))) for email in emails}
    assert len(answers) == 1
    assert {letter.to[0] for letter in mail.outbox} == {"ana@example.org"}


def test_how_often_letters_are_asked_for_is_bounded() -> None:
    person("ana", email="ana@example.org")
    for number in range(6):
        assert _ask("ana@example.org", f"192.0.2.{number}").status_code == 200
    assert len(mail.outbox) == reset.MOST_PER_EMAIL
    for number in range(reset.MOST_PER_ADDRESS):
        assert _ask(f"name{number}@example.org", "203.0.113.1").status_code == 200
    stopped = _ask("eva@example.org", "203.0.113.1")
    assert (stopped.status_code, stopped["Retry-After"]) == (429, "3600")
    assert ResetRequest.objects.count() == 6 + reset.MOST_PER_ADDRESS
    assert not ResetRequest.objects.filter(digest__contains="ana").exists()


def test_without_a_mail_server_the_page_says_whom_to_ask(settings: Any) -> None:
    settings.CLARIVE_MAIL_IS_SENT = False
    person("ana", email="ana@example.org")
    assert "An administrator can give you a new password" in words(_ask("ana@example.org"))
    assert not mail.outbox


def test_with_passwords_for_administrators_only_others_have_none(settings: Any) -> None:
    person("ana", email="ana@example.org")
    person("boss", email="boss@example.org", is_superuser=True)
    before = Browser()
    before.sign_in("ana")
    settings.CLARIVE_LOCAL_PASSWORDS = "administrators"
    assert not before.is_in
    assert [Browser().sign_in(name).status_code for name in ("ana", "boss")] == [200, 302]
    for email in ("ana@example.org", "boss@example.org"):
        _ask(email)
    assert [letter.to for letter in mail.outbox] == [["boss@example.org"]]


def test_a_weak_first_password_is_refused_where_others_can_reach_the_pages(
    settings: Any, tmp_path: Any
) -> None:
    layout = type(settings.CONFIGURATION.layout)(tmp_path)
    settings.CONFIGURATION = replace(settings.CONFIGURATION, layout=layout, host="0.0.0.0")
    settings.CLARIVE_ADMIN_PASSWORD, settings.CLARIVE_DEMO = "admin", False
    with pytest.raises(CommandError, match="CLARIVE_ADMIN_PASSWORD cannot be used"):
        call_command("clarive_setup")
    assert not User.objects.exists()
    settings.CONFIGURATION = replace(settings.CONFIGURATION, host="127.0.0.1")
    call_command("clarive_setup")
    assert User.objects.get().check_password("admin")
