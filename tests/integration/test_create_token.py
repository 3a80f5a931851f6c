"""``manage.py create_token``: the token alone on its line, or a reason."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from permissions import policy, tokens
from permissions.catalog import Right
from permissions.models import ApiToken, User
from tests.factories import EnvironmentFactory, user_with

pytestmark = pytest.mark.django_db


def create(*arguments: str) -> str:
    """Run the command; what it printed."""
    printed = io.StringIO()
    call_command("create_token", *arguments, stdout=printed)
    return printed.getvalue()


def test_the_token_stands_alone_and_opens_the_door() -> None:
    ana = User.objects.create_user("ana")
    token, end = create("ana", "--name", "ci").split("\n")
    assert end == ""
    assert tokens.owner(token, now=timezone.now()) == ana
    assert ApiToken.objects.get().name == "ci"
    assert ApiToken.objects.get().expires_at is None


def test_a_token_may_have_a_life() -> None:
    User.objects.create_user("ana")
    token = create("ana", "--expires-in", "30d").strip()
    now = timezone.now()
    assert tokens.owner(token, now=now + timedelta(days=29)) is not None
    assert tokens.owner(token, now=now + timedelta(days=31)) is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nobody"], "There is no user nobody"),
        (["gone"], "The user gone is inactive"),
        (["ana", "--name", "n" * 101], "at most 100 characters"),
        (["ana", "--expires-in", "soon"], "'soon' is not a duration"),
        (["ana", "--expires-in", "0d"], "'0d' is not a duration"),
        (["ana", "--expires", "999999999d"], "'999999999d' is not a duration"),
        (["ana", "--right", "fly"], "There is no right fly; the rights are view_monitor, approve_all"),
        (["ana", "--right", "cancel"], "Without view_monitor the other rights do not count"),
        (["ana", "--environment", "DEV"], "There is no environment DEV that ana may see"),
    ],
)
def test_a_refusal_says_why_and_makes_no_token(arguments: list[str], reason: str) -> None:
    User.objects.create_user("ana")
    User.objects.create_user("gone", is_active=False)
    with pytest.raises(CommandError, match=reason):
        create(*arguments)
    assert not ApiToken.objects.exists()


def test_a_token_may_be_limited() -> None:
    dev = EnvironmentFactory.create(code="DEV")
    ana = user_with("view_monitor", "cancel", username="ana")
    arguments = ["--right", "view_monitor", "--right", "restart", "--environment", "DEV", "--expires", "1d"]
    found = tokens.owner(create("ana", *arguments).strip(), now=timezone.now())
    assert found == ana
    assert policy.rights_of(found).on(dev.pk) == {Right.VIEW_MONITOR}
    made = ApiToken.objects.get()
    assert (made.rights, made.environments) == (["view_monitor", "restart"], ["DEV"])
