"""Section 10: users and groups are written by administrators and read by those who may look at them."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from pytest_django import Settings

from jobs.models import AuditRecord
from permissions.models import User
from tests.api import Answer, Api
from tests.cases import in_one_test
from tests.factories import GroupFactory, JobFactory, UserFactory, publish

pytestmark = pytest.mark.django_db

GOOD = "violet-harbour-42"
ANA: dict[str, Any] = {
    "username": "ana", "email": "ana@example.org", "first_name": "Ana", "last_name": "Gil", "groups": ["ops", "qa"],
    "is_active": True, "is_superuser": False, "is_staff": False, "language": "es", "time_zone": "Europe/Madrid",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    """Hashing passwords is slow on purpose, and not what is shown here."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]


@pytest.fixture
def root() -> Api:
    for name in ("ops", "qa"):
        GroupFactory.create(name=name)
    return Api(UserFactory.create(is_superuser=True, username="root"))


def patch(api: Api, path: str, body: Any) -> Answer:
    return api.call("PATCH", path, json.dumps(body))


def told(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.json.items() if name not in {"created_at", "last_login"}}


def test_what_is_made_is_what_is_read_and_can_be_sent_back(root: Api) -> None:
    made = root.post("users/", {**ANA, "password": GOOD})
    assert (made.status, told(made), made.json["last_login"]) == (201, ANA, None)
    assert root.get(made.response["Location"]).json == root.get("users/ana/").json == made.json
    assert told(patch(root, "users/ana/", ANA)) == told(patch(root, "users/ana/", {})) == ANA
    changed = patch(root, "users/ana/", {"email": "", "groups": ["qa"], "time_zone": "", "is_staff": True})
    assert told(changed) == {**ANA, "email": "", "groups": ["qa"], "time_zone": "", "is_staff": True}
    assert User.objects.get(username="ana").check_password(GOOD)
    assert root.call("PUT", "users/ana/", "{}").status == 405
    assert root.call("DELETE", "users/ana/").status == 204
    for method in ("GET", "PATCH", "DELETE"):
        root.call(method, "users/ana/", "{}").problem(404, "not_found")


def test_a_name_is_enough_and_a_name_that_needs_escaping_is_no_trouble(root: Api) -> None:
    for name in ("bea", "ana.gil@example.org", "niña+1"):
        made = root.post("users/", {"username": name})
        assert (made.status, made.json["is_active"], made.json["groups"]) == (201, True, [])
        assert root.get(made.response["Location"]).json["username"] == name
        assert not User.objects.get(username=name).has_usable_password()
    made = root.post("groups/", {"name": "Équipe de/nuit ?%"})
    assert root.get(made.response["Location"]).json == {"name": "Équipe de/nuit ?%", "members": []}


def test_a_new_password_and_becoming_inactive_end_sessions(root: Api) -> None:
    root.post("users/", {"username": "ana", "password": GOOD})
    ana, client = User.objects.get(username="ana"), Client()
    api = Api(ana)
    for body in ({"password": GOOD + "!"}, {"is_active": False}):
        client.force_login(User.objects.get(username="ana"))
        assert client.get("/account/").status_code == 200
        assert patch(root, "users/ana/", body).status == 200
        assert client.get("/account/").status_code == 302
    assert User.objects.get(username="ana").check_password(GOOD + "!")
    api.get("me/").problem(401, "authentication_failed")
    said = " ".join(AuditRecord.objects.filter(source="api", user="root").values_list("comment", flat=True))
    assert "is_active" in said
    assert "password" in said
    assert GOOD not in said


@in_one_test(
    "password",
    ["short", "12345678901234567890", "ana-ana-ana", "password1234", "", None, 5, "x" * 5000, "a\x00b" * 9],
)
def test_a_password_that_is_no_good_is_refused_at_its_field(root: Api, password: Any) -> None:
    assert root.post("users/", {"username": "ana-ana-ana", "password": password}).field_errors().keys() == {
        "password"
    }
    assert patch(root, "users/root/", {"password": "root"}).field_errors().keys() == {"password"}
    assert User.objects.count() == 1


def test_somebody_stays_who_may_do_everything(root: Api) -> None:
    for body in ({"is_superuser": False}, {"is_active": False}):
        patch(root, "users/root/", body).problem(409, "last_superuser")
    root.call("DELETE", "users/root/").problem(409, "last_superuser")
    assert root.get("users/root/").json["is_superuser"]
    root.post("users/", {"username": "second", "is_superuser": True})
    assert root.call("DELETE", "users/second/").status == 204


def test_whom_something_refers_to_is_not_deleted(root: Api) -> None:
    ana = UserFactory.create(username="ana")
    job = JobFactory.create(created_by=ana)
    refused = root.call("DELETE", "users/ana/").problem(409, "referenced")
    assert refused["references"] == [{"kind": "job", "id": job.pk, "name": job.name}]
    assert patch(root, "users/ana/", {"is_active": False}).json["is_active"] is False
    publish("name: r\nsteps:\n  RUN:\n    - approval: {approvers: [group:qa]}\n")
    refused = root.call("DELETE", "groups/qa/").problem(409, "referenced")
    assert [each["kind"] for each in refused["references"]] == ["rule"]


def test_a_name_is_taken_once_and_never_changes(root: Api) -> None:
    for kind, field, name in (("users", "username", "root"), ("groups", "name", "ops")):
        (error,) = root.post(f"{kind}/", {field: name}).problem(409, "name_taken")["errors"]
        assert error["field"] == field
        assert patch(root, f"{kind}/{name}/", {field: "other"}).field_errors().keys() == {field}


def test_groups_and_their_members(root: Api) -> None:
    for name in ("ana", "bea", "eva"):
        UserFactory.create(username=name)
    made = root.post("groups/", {"name": "night", "members": ["eva", "ana"]})
    assert (made.status, made.json) == (201, {"name": "night", "members": ["ana", "eva"]})
    assert patch(root, "groups/night/", {"members": ["bea", "ana"]}).json["members"] == ["ana", "bea"]
    assert patch(root, "groups/night/", {"name": "night"}).json["members"] == ["ana", "bea"]
    assert root.get("users/ana/").json["groups"] == ["night"]
    every = root.walk("groups/?limit=1")
    assert [each["name"] for each in every] == ["night", "ops", "qa"]
    assert every == root.walk("groups/")
    unknown = patch(root, "groups/night/", {"members": ["ana", "nobody"]}).field_errors()
    assert unknown == {"members[1]": "Unknown user: nobody."}
    assert root.call("DELETE", "groups/night/").status == 204
    assert root.get("users/ana/").json["groups"] == []
    records = AuditRecord.objects.filter(source="api", user="root")
    assert {"create_group", "delete_group", "change_user"} <= set(records.values_list("action", flat=True))


def test_who_may_look_at_whom(root: Api) -> None:
    ana = UserFactory.create(username="ana")
    ana.groups.add(Group.objects.get(name="ops"))
    (seen,) = Api(ana).walk("users/")
    assert (seen["username"], seen["groups"]) == ("ana", [])
    assert Api(ana).walk("groups/") == []
    for path in ("users/root/", "groups/ops/"):
        Api(ana).get(path).problem(404, "not_found")
    sara = UserFactory.create(username="sara", is_staff=True)
    sara.user_permissions.set(
        Permission.objects.filter(codename__in=["view_user", "view_group", "change_user"])
    )
    assert [each["username"] for each in Api(sara).walk("users/?limit=1")] == ["ana", "root", "sara"]
    assert Api(sara).get("users/ana/").json["groups"] == ["ops"]
    assert len(Api(sara).walk("groups/")) == 2
    assert [each["username"] for each in Api(sara, rights=["view_monitor"]).walk("users/")] == ["sara"]
    limited = Api(User.objects.get(username="root"), rights=["view_monitor"])
    for api in (Api(ana), Api(sara), limited):
        for method, path in (
            ("POST", "users/"),
            ("PATCH", "users/ana/"),
            ("DELETE", "users/ana/"),
            ("POST", "groups/"),
        ):
            api.call(method, path, "{}").problem(403, "permission_denied")
    Api().get("users/").problem(401, "not_authenticated")


@in_one_test(
    ("kind", "body", "field"),
    [
        ("users", [], "body"),
        *(("users", {"username": each}, "username") for each in (None, 5, "", "a b", "a/b", "a\x00", "x" * 151, " a")),
        *(("users", {"username": "a", "email": each}, "email") for each in ("a", None, 5, "x" * 250 + "@a.org")),
        *(("users", {"username": "a", "groups": each}, "groups") for each in ("ops", None, {"a": 1}, ["ops"] * 1001)),
        ("users", {"username": "a", "groups": ["ops", "oops"]}, "groups[1]"),
        ("users", {"username": "a", "groups": [5]}, "groups[0]"),
        *(("users", {"username": "a", "is_active": each}, "is_active") for each in (0, "true", None)),
        ("users", {"username": "a", "language": "fr"}, "language"),
        *(("users", {"username": "a", "time_zone": each}, "time_zone") for each in ("Europe/Madrit", "../x", 5, "a\x00")),
        ("users", {"username": "a", "last_login": None}, "last_login"),
        *(("groups", {"name": each}, "name") for each in (None, 5, "", " ", "a\x00", "a\n", "x" * 151, "\ud800")),
        *(("groups", {"name": "a", "members": each}, "members") for each in ("root", None)),
        ("groups", {"name": "a", "members": ["x\x00"]}, "members[0]"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field_and_makes_nothing(root: Api, kind: str, body: Any, field: str) -> None:
    errors = root.post(f"{kind}/", body).field_errors()
    # A list field says at which place.
    assert field in {name if "[" in field else name.partition("[")[0] for name in errors}
    assert (User.objects.count(), Group.objects.count()) == (1, 2)


def test_what_was_meant_is_said(root: Api) -> None:
    assert (
        "Europe/Madrid"
        in root.post("users/", {"username": "a", "time_zone": "Europe/Madrit"}).field_errors()["time_zone"]
    )
    assert (
        root.post("users/", {"user_name": "a"}).field_errors()["user_name"]
        == "Unknown field. Did you mean username?"
    )


@in_one_test("path", ["users/%00/", "groups/%00/", "users/a%0Ab/", "groups/%ff/", "users/" + "x" * 151 + "/"])
def test_a_name_that_is_none_is_not_there(root: Api, path: str) -> None:
    root.get(path).problem(404, "not_found")
