"""Section 10: grants are read by those who may look at them and written by administrators, and work at once."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from jobs.models import AuditRecord
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from tests.api import Answer, Api
from tests.cases import in_one_test
from tests.factories import EnvironmentFactory, GroupFactory, UserFactory, grant

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def ops() -> Group:
    return GroupFactory.create(name="ops")


@pytest.fixture
def ana() -> User:
    return UserFactory.create(username="ana")


@pytest.fixture
def root(dev: Environment, prod: Environment, ops: Group, ana: User) -> Api:
    return Api(UserFactory.create(is_superuser=True, username="root"))


def staff(*permissions: str, **fields: Any) -> User:
    user: User = UserFactory.create(is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def patch(api: Api, path: str, body: Any) -> Answer:
    return api.call("PATCH", path, json.dumps(body))


def body(principal: str = "group:ops", environment: str = "PROD", *rights: str) -> dict[str, Any]:
    return {"principal": principal, "environment": environment, "rights": list(rights or ("view_monitor",))}


def test_a_grant_works_at_once_and_ends_at_once(root: Api, ana: User) -> None:
    for environment in ("PROD", "*"):
        made = root.post("grants/", body("user:ana", environment, "restart", "view_monitor"))
        assert made.status == 201
        path = f"grants/{made.json['id']}/"
        assert made.json == {
            "id": made.json["id"],
            **body("user:ana", environment, "view_monitor", "restart"),
        }
        assert root.get(made.response["Location"]).json == root.get(path).json == made.json
        assert Api(ana).get("me/").json["rights"]["PROD"] == ["view_monitor", "restart"]
        changed = patch(root, path, {"rights": ["cancel", "view_monitor"]})
        assert (changed.status, changed.json["rights"]) == (200, ["view_monitor", "cancel"])
        assert Api(ana).get("me/").json["rights"]["PROD"] == ["view_monitor", "cancel"]
        assert root.call("DELETE", path).status == 204
        assert Api(ana).get("me/").json["rights"] == {}
        for method in ("GET", "PATCH", "DELETE"):
            sent = '{"rights": ["create"]}' if method == "PATCH" else ""
            root.call(method, path, sent).problem(404, "not_found")
    records = AuditRecord.objects.filter(action="grant", source="api", user="root")
    assert records.count() == 6
    assert "user:ana on PROD" in records.earliest("pk").comment


def test_the_same_again_names_the_grant_that_is_there(root: Api) -> None:
    made = root.post("grants/", body()).json
    refused = root.post("grants/", body("group:ops", "PROD", "cancel")).problem(409, "grant_exists")
    assert refused["grant"] == {"id": made["id"]}
    assert root.get(f"grants/{made['id']}/").json == made
    assert root.post("grants/", body("group:ops", "DEV")).status == 201


def test_the_list_is_narrowed_and_walked(root: Api, dev: Environment, prod: Environment) -> None:
    for number in range(4):
        grant(GroupFactory.create(name=f"g{number}"), "view_monitor", "cancel", environments=[dev, prod])
        grant(UserFactory.create(username=f"u{number}"), "view_monitor")
    every = root.walk("grants/?limit=200")
    assert len(every) == 12
    assert root.walk("grants/?limit=1") == root.walk("grants/?limit=5") == every
    page = root.get("grants/?limit=5").json
    following = root.get(page["next"]).json
    assert root.get(following["previous"]).json["results"] == page["results"]
    narrowed = {
        "principal=group:g1": 2,
        "principal=user:u1": 1,
        "environment=DEV": 4,
        "environment=*": 4,
        "principal=group:g1&environment=DEV": 1,
        "principal=user:u1&environment=DEV": 0,
        "principal=user:nobody": 0,
        "environment=NO": 0,
    }
    for query, count in narrowed.items():
        assert len(root.walk(f"grants/?{query}")) == count, query
    (first,) = root.walk("grants/?principal=user:u2")
    assert first["environment"] == "*"


def test_who_may_look_at_which(root: Api, dev: Environment, prod: Environment, ops: Group, ana: User) -> None:
    grant(ops, "view_monitor", environments=[dev, prod])
    grant(ana, "view_monitor", environments=[dev])
    grant(UserFactory.create(username="eve"), "view_monitor", environments=[dev, prod])
    ana.groups.add(ops)

    def seen(api: Api) -> set[tuple[str, str]]:
        return {(each["principal"], each["environment"]) for each in api.walk("grants/")}

    assert seen(Api(ana)) == {("user:ana", "DEV")}
    assert seen(Api(UserFactory.create())) == set()
    assert seen(Api(ana, environments=["PROD"])) == set()
    looking = staff("view_user", "view_group", username="sara")
    grant(looking, "view_monitor", environments=[dev])
    sara = {("user:sara", "DEV"), ("user:ana", "DEV"), ("user:eve", "DEV"), ("group:ops", "DEV")}
    assert seen(Api(looking)) == sara
    assert seen(Api(looking, rights=["view_monitor"])) == {("user:sara", "DEV")}
    (hidden,) = root.walk("grants/?principal=user:eve&environment=PROD")
    for api in (Api(looking), Api(ana)):
        api.get(f"grants/{hidden['id']}/").problem(404, "not_found")
    Api().get("grants/").problem(401, "not_authenticated")


def test_only_administrators_write(root: Api, ana: User) -> None:
    made = root.post("grants/", body()).json
    for user, limits in ((ana, {}), (User.objects.get(username="root"), {"rights": ["view_monitor"]})):
        api = Api(user, **limits)
        api.post("grants/", body("user:ana", "PROD")).problem(403, "permission_denied")
        for method in ("PATCH", "DELETE"):
            api.call(method, f"grants/{made['id']}/", "{}").problem(403, "permission_denied")
    assert root.get(f"grants/{made['id']}/").json == made


def test_staff_hand_out_no_more_than_they_hold(root: Api, dev: Environment, ana: User, ops: Group) -> None:
    sara = staff("change_user", username="sara")
    grant(sara, "view_monitor", "restart", environments=[dev])
    api = Api(sara)
    made = api.post("grants/", body("user:ana", "DEV", "view_monitor", "restart"))
    assert made.status == 201
    path = f"grants/{made.json['id']}/"
    beyond = patch(api, path, {"rights": ["view_monitor", "cancel"]}).field_errors()
    assert "cancel on DEV for user:ana" in beyond["rights"]
    hidden = api.post("grants/", body("user:ana", "PROD")).field_errors()
    assert hidden["environment"].startswith("Unknown environment: PROD.")
    assert api.post("grants/", body("user:ana", "*")).field_errors().keys() == {"rights"}
    api.post("grants/", body("group:ops", "DEV")).problem(403, "permission_denied")
    own = root.get("grants/?principal=user:sara").json["results"][0]
    assert patch(api, f"grants/{own['id']}/", {"rights": ["view_monitor"]}).field_errors().keys() == {
        "rights"
    }
    policy.grant(ana, Right.DELETE, dev)
    api.call("DELETE", path).problem(403, "permission_denied")
    assert policy.granted_on(ana, dev) == {Right.VIEW_MONITOR, Right.RESTART, Right.DELETE}


def test_staff_grant_nothing_to_a_group_of_theirs_or_of_a_superuser(
    root: Api, dev: Environment, ops: Group
) -> None:
    sara = staff("change_group", username="sara")
    grant(sara, "view_monitor", "restart", environments=[dev])
    api = Api(sara)
    for member in (sara, User.objects.get(username="root")):
        member.groups.set([ops])
        refused = api.post("grants/", body("group:ops", "DEV", "restart", "view_monitor")).field_errors()
        assert refused.keys() == {"rights"}
        assert policy.granted_on(ops, dev) == frozenset()
        member.groups.clear()
    assert api.post("grants/", body("group:ops", "DEV")).status == 201


@in_one_test(
    ("changes", "field"),
    [
        *(({"principal": each}, "principal") for each in (None, 5, "", "a", "user:", "users:a", "user:\x00", "user:x" * 99)),
        ({"principal": "group:opz"}, "principal"),
        *(({"environment": each}, "environment") for each in (None, ["PROD"], "", "PRD", "prod", "P\x00", "x" * 51)),
        *(({"rights": each}, "rights") for each in (None, "restart", {"a": 1})),
        ({"rights": []}, "rights"),
        *(({"rights": [each]}, "rights") for each in ("restrt", "", "action.job.restart")),
        ({"rights": [5]}, "rights"),
        ({"rihgts": []}, "rihgts"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field(root: Api, changes: dict[str, Any], field: str) -> None:
    errors = root.post("grants/", {**body(), **changes}).field_errors()
    assert {name.partition("[")[0] for name in errors} == {field}
    assert root.walk("grants/") == []


def test_what_was_meant_is_said(root: Api) -> None:
    errors = root.post("grants/", body("group:opz", "PRD", "view_monitor")).field_errors()
    assert "Did you mean group:ops?" in errors["principal"]
    assert "Did you mean PROD?" in errors["environment"]
    wrong = root.post("grants/", body("group:ops", "PROD", "view_monitr")).field_errors()
    assert "Did you mean view_monitor?" in next(iter(wrong.values()))
    assert root.get("grants/?enviroment=PROD").field_errors() == {
        "enviroment": "Unknown parameter. Did you mean environment?"
    }
    for query in (
        "principal=ana",
        "principal=user:a%00",
        "environment=%00",
        "environment=A&environment=B",
        "cursor=x",
    ):
        assert root.get(f"grants/?{query}").field_errors()


@in_one_test(
    "grant_id", ["1", "g0-1", "u9-0", "x", "g1", "g" + "9" * 18 + "-1", "g" + "9" * 30 + "-0", "g1-٣"]
)
def test_an_id_that_is_none_is_not_there(root: Api, grant_id: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        root.call(method, f"grants/{grant_id}/", "{}").problem(404, "not_found")
