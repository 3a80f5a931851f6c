"""The account page: everybody makes, limits and revokes their own API tokens, without JavaScript."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from permissions import tokens
from permissions.models import ApiToken, Environment, User
from tests.api import Api
from tests.factories import EnvironmentFactory, UserFactory, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

MAKE = "/account/tokens/"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "restart", environments=[dev], username="ana")


def test_a_token_is_made_shown_once_and_works(ana: User) -> None:
    reader = Reader(ana, "en")
    assert "You have no tokens." in words(reader.get("/account/"))
    form = {"name": "ci", "expires_at": "", "rights": ["view_monitor"], "environments": ["DEV"]}
    answer = reader.post(MAKE, form)
    shown = re.search(r"<code>(clv_[\w-]+)</code>", text(answer))
    assert shown is not None, words(answer)
    assert "no-store" in answer["Cache-Control"]
    assert shown[1] not in str(reader.client.cookies)
    page = reader.get("/account/")
    assert shown[1] not in text(page)
    assert f"ci {shown[1][:10]}… Revoke Limits view_monitor · DEV" in words(page)
    api = Api()
    api.headers = {"Authorization": f"Bearer {shown[1]}"}
    assert api.get("me/").json["rights"] == {"DEV": ["view_monitor"]}
    made = ApiToken.objects.get()
    assert made.user == ana
    assert "Revoke the token?" in words(reader.get(f"{MAKE}{made.pk}/revoke/"))
    assert api.get("me/").status == 200, "asking takes nothing away"
    answer = reader.post(f"{MAKE}{made.pk}/revoke/", {})
    assert answer["Location"] == "/account/"
    assert api.get("me/").status == 401
    assert "The token is revoked" in words(reader.get("/account/"))


def test_nothing_ticked_is_no_limit(ana: User) -> None:
    Reader(ana).post(MAKE, {"name": "all", "expires_at": "2031-01-02T10:00"})
    made = ApiToken.objects.get()
    assert (made.rights, made.environments) == (None, None)
    assert made.expires_at is not None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "n" * 101}, "at most 100 characters"),
        ({"name": "a\0b"}, "Null characters are not allowed."),
        ({"expires_at": "2001-01-01T10:00"}, "This is past"),
        ({"expires_at": "2999-01-01T10:00"}, "at most ten years"),
        ({"expires_at": "soon"}, "Enter a valid date/time."),
        ({"rights": ["restart"]}, "Without view_monitor"),
        ({"rights": ["fly"]}, "fly is not one of the available choices"),
        ({"environments": ["PROD"]}, "PROD is not one of the available choices"),
        ({"environments": ["NOWHERE"]}, "NOWHERE is not one of the available choices"),
    ],
)
def test_what_does_not_fit_is_said_and_what_was_typed_stays(
    ana: User, fields: dict[str, Any], reason: str
) -> None:
    EnvironmentFactory.create(code="PROD")
    reader = Reader(ana, "en")
    assert "PROD" not in text(reader.get("/account/"))
    answer = reader.post(MAKE, {"name": "ci", "rights": ["view_monitor"], **fields})
    assert (answer.status_code, reason in words(answer)) == (400, True), words(answer)
    if "name" not in fields:
        assert 'value="ci"' in text(answer)
    assert not ApiToken.objects.exists()


def test_tokens_of_others_do_not_exist(ana: User) -> None:
    tokens.issue(UserFactory.create(), name="theirs")
    theirs = ApiToken.objects.get()
    for user in (ana, UserFactory.create(is_superuser=True, is_staff=True)):
        reader = Reader(user)
        assert "theirs" not in words(reader.get("/account/"))
        assert reader.get(f"{MAKE}{theirs.pk}/revoke/").status_code == 404
        assert reader.post(f"{MAKE}{theirs.pk}/revoke/", {}).status_code == 404
    assert ApiToken.objects.exists()


def test_only_a_session_makes_tokens(ana: User) -> None:
    form, token = {"name": "more"}, tokens.issue(ana)
    for client in (Client(), Client(headers={"Authorization": f"Bearer {token}"})):
        assert client.post(MAKE, form)["Location"].startswith("/login/")
    assert ApiToken.objects.count() == 1
    assert Client(enforce_csrf_checks=True).post(MAKE, form).status_code in {302, 403}
    assert Reader(ana).get(MAKE)["Location"] == "/account/"


def test_an_expired_token_says_so(ana: User) -> None:
    tokens.issue(ana, name="old", expires_at=timezone.now() - timedelta(days=1))
    assert "expired" in words(Reader(ana, "en").get("/account/"))
