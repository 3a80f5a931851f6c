"""Section 10: tokens are one's own, shown once, and gone at once when they are revoked; a limited one makes none."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import AuditRecord, IdempotencyKey
from permissions.models import ApiToken, Environment, User
from tests.api import Api
from tests.cases import in_one_test
from tests.factories import EnvironmentFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "restart", environments=[dev], username="ana")


@pytest.fixture
def root(dev: Environment) -> Api:
    return Api(UserFactory.create(is_superuser=True, username="root"))


def by(token: str) -> Api:
    api = Api()
    api.headers = {"Authorization": f"Bearer {token}"}
    return api


def test_a_token_is_shown_once_and_opens_what_it_is_limited_to(ana: User, dev: Environment) -> None:
    api = Api(ana)
    until = (timezone.now() + timedelta(days=7)).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    limits = {"rights": ["view_monitor"], "environments": ["DEV"]}
    made = api.post("tokens/", {"name": "ci", "expires_at": until, **limits})
    assert (made.status, made.response["Cache-Control"]) == (201, "no-store")
    token = made.json["token"]
    kept = {name: value for name, value in made.json.items() if name != "token"}
    wanted: dict[str, Any] = {"user": "ana", "name": "ci", "expires_at": until, **limits}
    assert {name: kept[name] for name in wanted} == wanted
    assert token.startswith(kept["hint"])
    assert api.get(made.response["Location"]).json == kept
    assert token not in api.get("tokens/").content.decode()
    assert by(token).get("me/").json["rights"] == {"DEV": ["view_monitor"]}
    assert api.call("DELETE", f"tokens/{kept['id']}/").status == 204
    by(token).get("me/").problem(401, "authentication_failed")
    api.get(f"tokens/{kept['id']}/").problem(404, "not_found")
    actions = (
        AuditRecord.objects.filter(user="ana", source="api").order_by("pk").values_list("action", flat=True)
    )
    assert list(actions) == ["create_token", "delete_token"]
    assert not AuditRecord.objects.filter(comment__contains=token).exists()


def test_tokens_of_others_are_for_administrators(ana: User, root: Api) -> None:
    mine = Api(ana).post("tokens/", {}).json
    other = root.post("tokens/", {"user": "ana", "name": "by root"})
    assert (other.status, other.json["user"]) == (201, "ana")
    assert by(other.json["token"]).get("me/").json["username"] == "ana"
    boss = root.post("tokens/", {}).json
    assert {each["user"] for each in Api(ana).walk("tokens/?limit=1")} == {"ana"}
    assert {each["user"] for each in root.walk("tokens/?limit=2")} == {"ana", "root"}
    assert {each["user"] for each in root.walk("tokens/?user=ana")} == {"ana"}
    assert Api(ana).walk("tokens/?user=root") == root.walk("tokens/?user=nobody") == []
    for method in ("GET", "DELETE"):
        Api(ana).call(method, f"tokens/{boss['id']}/").problem(404, "not_found")
    there, not_there = (
        Api(ana).post("tokens/", {"user": name}).field_errors() for name in ("root", "nobody")
    )
    assert (there["user"], not_there["user"]) == ("Unknown user: root.", "Unknown user: nobody.")
    assert root.call("DELETE", f"tokens/{mine['id']}/").status == 204
    Api().get("tokens/").problem(401, "not_authenticated")


@pytest.mark.parametrize("limits", [{"rights": ["view_monitor"]}, {"environments": ["DEV"]}])
def test_a_limited_token_gets_hold_of_no_other(ana: User, root: Api, limits: dict[str, Any]) -> None:
    for user in (ana, User.objects.get(username="root")):
        api = Api(user, **limits)
        before = ApiToken.objects.count()
        key = ApiToken.objects.filter(user=user).latest("pk").pk
        for method, path in (
            ("GET", "tokens/"),
            ("POST", "tokens/"),
            ("GET", f"tokens/{key}/"),
            ("DELETE", f"tokens/{key}/"),
        ):
            assert "limited token" in api.call(method, path, "{}").problem(403, "permission_denied")["detail"]
        assert ApiToken.objects.count() == before


def test_a_token_that_expires_makes_none_that_outlives_it(ana: User) -> None:
    soon = timezone.now() + timedelta(hours=1)
    api = Api(ana, expires_at=soon)
    for later in (None, (soon + timedelta(minutes=1)).isoformat()):
        assert api.post("tokens/", {"expires_at": later}).field_errors().keys() == {"expires_at"}
    assert api.post("tokens/", {"expires_at": soon.isoformat()}).status == 201


@in_one_test(
    ("body", "field"),
    [
        ([], "body"),
        *(({"name": each}, "name") for each in (5, None, "x" * 101, "a\x00")),
        *(({"expires_at": each}, "expires_at") for each in ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", 5, "soon")),
        *(({"rights": each}, "rights") for each in ("restart", ["restart"], {"a": 1})),
        ({"rights": []}, "rights"),
        ({"rights": ["view_monitr"]}, "rights[0]"),
        *(({"environments": each}, "environments") for each in ("DEV", ["PROD"], ["D\x00"], [5])),
        ({"environments": []}, "environments"),
        ({"user": 5}, "user"),
        ({"limits": {}}, "limits"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field(ana: User, body: Any, field: str) -> None:
    EnvironmentFactory.create(code="PROD")
    api = Api(ana)
    errors = api.post("tokens/", body).field_errors()
    assert {name.partition("[")[0] for name in errors} == {field.partition("[")[0]}
    assert ApiToken.objects.count() == 1


@in_one_test("number", ["0", "9" * 30, "x", "-1"])
def test_a_number_that_is_none_is_not_there(ana: User, number: str) -> None:
    Api(ana).get(f"tokens/{number}/").problem(404, "not_found")


def test_the_same_key_gives_the_same_token_which_is_nowhere_in_the_clear(ana: User) -> None:
    api, key = Api(ana), {"Idempotency-Key": "make-1"}
    first, again = (api.post("tokens/", {"name": "pipeline"}, **key) for _ in range(2))
    assert again.json == first.json
    assert again.response["Idempotent-Replayed"] == "true"
    assert ApiToken.objects.filter(name="pipeline").count() == 1
    kept = IdempotencyKey.objects.get()
    assert first.json["token"] not in kept.body
    assert "pipeline" not in kept.body
