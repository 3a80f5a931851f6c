"""Tokens with limits and an end, made by hand: by the form of the administration, and by the page of oneself."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from django.utils import timezone

from jobs.models import AuditRecord
from permissions.catalog import Right
from permissions.models import ApiToken, Environment, User
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

ADMIN: Final = "/admin/permissions/apitoken/"
DOORS: Final = {
    "admin": (f"{ADMIN}add/", (ADMIN, f"{ADMIN}{{}}/change/")),
    "page": ("/account/tokens/", ("/account/",)),
}
"""Where tokens are made, and what shows them afterwards."""


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def ana(dev: Environment, prod: Environment) -> User:
    ana = user_with(
        Right.VIEW_MONITOR,
        Right.RESTART,
        Right.CANCEL,
        environments=[dev, prod],
        username="ana",
        is_staff=True,
    )
    ana.user_permissions.set(Permission.objects.filter(codename__in=["add_apitoken", "view_apitoken"]))
    return ana


def _form(door: str) -> dict[str, Any]:
    """Return what the form of a door is sent for a token that ends in an hour."""
    end = timezone.localtime(timezone.now() + timedelta(hours=1))
    at = {"expires_at": f"{end:%Y-%m-%dT%H:%M}"}
    if door == "admin":
        at = {"expires_at_0": f"{end:%Y-%m-%d}", "expires_at_1": f"{end:%H:%M}"}
    return {"name": "ci", "rights": ["view_monitor", "restart"], "environments": ["DEV"], **at}


def _with(token: str) -> Api:
    program = Api()
    program.headers = {"Authorization": f"Bearer {token}"}
    return program


@pytest.mark.parametrize("door", DOORS)
def test_a_token_is_shown_once_kept_as_a_digest_and_opens_what_it_is_limited_to_until_its_end(
    door: str, ana: User, dev: Environment, prod: Environment
) -> None:
    near, far = (JobFactory.at("RUN", "ready", environment=where) for where in (dev, prod))
    reader, (make, pages) = Reader(ana, "en"), DOORS[door]
    answer = reader.post(make, _form(door))
    shown = re.search(r"clv_[\w-]{20,}", text(answer))
    assert shown is not None, words(answer)
    token, made = shown[0], ApiToken.objects.get()
    assert "no-store" in answer["Cache-Control"]
    for page in pages:
        assert token not in text(reader.get(page.format(made.pk)))
    kept = [str(ApiToken.objects.values()), str(AuditRecord.objects.values()), str(reader.client.cookies)]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    assert token not in "".join(kept)
    record = AuditRecord.objects.get(action="create_token")
    assert (record.user, record.source) == ("ana", door)

    program = _with(token)
    assert program.get("me/").json["rights"] == {"DEV": ["view_monitor", "restart"]}
    assert program.get("jobs/").ids == [near.pk]
    assert program.get(f"jobs/{far.pk}/").status == 404
    assert program.post(f"jobs/{far.pk}/run_now/", {}).status == 404
    refused = program.post(f"jobs/{near.pk}/cancel/", {})
    assert (refused.status, b"action.job.cancel" in refused.content) == (403, True)
    assert program.post(f"jobs/{near.pk}/run_now/", {}).status == 200
    assert program.post("tokens/", {"name": "more"}).status == 403, "it makes no other token"

    ApiToken.objects.update(created_at=made.created_at - timedelta(hours=3), expires_at=timezone.now())
    for asked in (
        program.get("me/"),
        program.get(f"jobs/{near.pk}/"),
        program.post(f"jobs/{near.pk}/run_now/", {}),
    ):
        assert asked.status == 401


@pytest.mark.parametrize(
    ("door", "changed", "why"),
    [
        (door, changed, why)
        for door in DOORS
        for changed, why in (
            ({"rights": ["restart"]}, "Without view_monitor"),
            ({"environments": ["OTHER"]}, "OTHER is not one of the available choices"),
        )
    ],
)
def test_limits_that_do_not_fit_make_no_token(
    door: str, changed: dict[str, Any], why: str, ana: User
) -> None:
    EnvironmentFactory.create(code="OTHER")
    answer = Reader(ana, "en").post(DOORS[door][0], {**_form(door), **changed})
    assert why in words(answer), words(answer)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("door", DOORS)
def test_a_form_that_is_sent_again_makes_no_other_token(door: str, ana: User) -> None:
    reader, (make, pages) = Reader(ana, "en"), DOORS[door]
    form = _form(door) | {"form_key": _key(reader, make if door == "admin" else pages[0])}
    refused = reader.post(make, form | {"rights": ["restart"]})
    assert f'name="form_key" value="{form["form_key"]}"' in text(refused), "what was not done can be mended"
    made = re.search(r"clv_[\w-]{20,}", text(reader.post(make, form)))
    assert made is not None
    ApiToken.objects.all().delete()
    for _ in range(2):
        again = reader.post(make, form)
        assert (again.status_code, "no-store" in again["Cache-Control"]) == (409, True)
        assert "shown only once" in words(again)
        assert "clv_" not in text(again)
    assert not ApiToken.objects.exists()
    reader.post(make, form | {"form_key": _key(reader, make if door == "admin" else pages[0])})
    assert ApiToken.objects.count() == 1


def _key(reader: Reader, page: str) -> str:
    """Return the key of the form that a page shows."""
    found = re.search(r'name="form_key" value="([\w-]{16})"', text(reader.get(page)))
    assert found is not None
    return found[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("door", DOORS)
def test_of_forms_that_are_sent_at_once_one_makes_a_token(door: str, ana: User) -> None:
    reader, make = Reader(ana, "en"), DOORS[door][0]
    form, gate = _form(door) | {"form_key": "k" * 16}, threading.Barrier(3)
    cookies = {name: each.value for name, each in reader.client.cookies.items()}

    def send(_number: int) -> int:
        client = Client()
        client.cookies.load(cookies)
        gate.wait(10)
        try:
            return client.post(make, form).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(send, range(3))) == [200, 409, 409]
    assert ApiToken.objects.count() == 1
