"""Many sign in at the same moment: guesses, first sign-ins of one person, and requests for letters."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import make_password
from django.db import close_old_connections, connection
from django.utils import timezone

from permissions import external, reset
from permissions.exceptions import SignInRefused
from permissions.models import ExternalIdentity, ResetRequest, User
from tests.factories import UserFactory
from tests.signing_in import WORD, Browser

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do the same from several threads, each with a connection of its own, beginning together."""
    barrier = Barrier(count)

    def one(number: int) -> Any:
        close_old_connections()
        try:
            barrier.wait(timeout=20)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_of_guesses_sent_together_only_those_up_to_the_limit_can_hit(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = limit = 3
    # Slow enough that all of them are compared before the first failure is counted.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    user: User = UserFactory.create(username="ana")
    User.objects.filter(pk=user.pk).update(password=make_password(WORD))
    right = 9

    def guess(number: int) -> int:
        return Browser().sign_in("ana", WORD if number == right else f"guess-{number}").status_code

    answers = at_once(10, guess)
    # Whether the right one was among the first is the machine's choice; when it was not, it tells nothing.
    assert answers[right] in (302, 429)
    wrong_before = [status for status in answers if status == 200]
    assert len(wrong_before) < limit + (answers[right] == 302) * limit
    if answers[right] == 429:
        assert Browser().sign_in("ana").status_code == 429
        assert sum(attempt.failures_since_start for attempt in AccessAttempt.objects.all()) >= limit


def test_a_right_guess_after_the_limit_tells_nothing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control for the race above: the failures of others are counted while this one is being compared."""
    settings.AXES_FAILURE_LIMIT = 3
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user: User = UserFactory.create(username="ana")
    User.objects.filter(pk=user.pk).update(password=make_password(WORD))
    compare = User.check_password

    def slow(self: User, password: str) -> bool:
        if password == WORD:
            Browser().fail("ana", 3)
        return compare(self, password)

    monkeypatch.setattr(User, "check_password", slow)
    browser = Browser()
    assert browser.sign_in("ana", WORD).status_code == 429
    assert not browser.is_in


def test_first_sign_ins_of_one_person_make_one_account() -> None:
    person = external.Person("https://id.example", "u-1", "eva")
    users = at_once(6, lambda _number: external.account_of(person, external.Rules(), now=timezone.now()).pk)
    assert len(set(users)) == 1
    assert (User.objects.count(), ExternalIdentity.objects.count()) == (1, 1)


def test_one_name_is_one_persons() -> None:
    def arrive(number: int) -> str:
        person = external.Person("https://id.example", f"u-{number}", "eva")
        try:
            external.account_of(person, external.Rules("both"), now=timezone.now())
        except SignInRefused as refusal:
            return refusal.reason
        return "in"

    assert sorted(at_once(5, arrive)) == ["in", "taken", "taken", "taken", "taken"]
    assert ExternalIdentity.objects.count() == 1


def test_letters_asked_for_together_are_all_counted() -> None:
    answers = at_once(
        8, lambda number: reset.may_ask(f"192.0.2.{number}", "ana@example.org", now=timezone.now())
    )
    assert sum(email_may for _address_may, email_may in answers) == reset.MOST_PER_EMAIL
    assert ResetRequest.objects.count() == 8
