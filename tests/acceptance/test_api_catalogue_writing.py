"""Section 10: environments, projects and natures are written by administrators."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from jobs.actions.references import MOST_NAMED
from jobs.models import Nature, Project, ProjectEnvironment
from permissions.models import Environment
from tests.api import Answer, Api
from tests.cases import in_one_test
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    UserFactory,
    user_with,
)

pytestmark = pytest.mark.django_db

WHOLE: dict[str, dict[str, Any]] = {
    "environments": {
        "code": "QA", "name": "Quality", "order": 3, "colour": "#aabbcc", "expiry": 172_800, "expiry_urgent": 90,
        "variables": {"port": 1, "deep": {"a": [None, True, 1.5]}},
    },
    "projects": {
        "code": "shop", "name": "The shop", "repository": "https://git.example.org/shop.git", "credential": "",
        "username": "", "variables": {"a": 1},
        "environments": {"DEV": {"variables": {"b": 2}}},
    },
    "natures": {"code": "python", "name": "Python", "include": ["*.py"], "exclude": ["tests/"]},
}  # fmt: skip
BAD_VARIABLES: tuple[Any, ...] = (None, [], {"a": "\x00"}, {"a": 10**30}, {"a": "x" * 300_000})
KINDS = pytest.mark.parametrize("kind", list(WHOLE))


@pytest.fixture
def root() -> Api:
    EnvironmentFactory.create(code="DEV")
    return Api(UserFactory.create(is_superuser=True, username="root"))


def patch(api: Api, path: str, body: Any) -> Answer:
    return api.call("PATCH", path, json.dumps(body))


@KINDS
def test_what_is_made_is_what_is_read_and_can_be_sent_back(root: Api, kind: str) -> None:
    wanted = WHOLE[kind]
    made = root.post(f"{kind}/", wanted)
    assert (made.status, made.json) == (201, wanted)
    assert root.get(made.response["Location"]).json == wanted
    path = f"{kind}/{wanted['code']}/"
    assert patch(root, path, wanted).json == wanted
    assert patch(root, path, {}).json == wanted
    changed = patch(root, path, {"name": "Other"})
    assert (changed.status, changed.json) == (200, {**wanted, "name": "Other"})
    assert set(root.call("DELETE", path, '{"force": true}').field_errors()) == {"force"}
    root.call("DELETE", path, "[]").problem(400, "invalid")
    assert root.call("DELETE", path, "{}").status == 204
    root.get(path).problem(404, "not_found")
    root.call("DELETE", path).problem(404, "not_found")
    flags = (
        LogEntry.objects.filter(user__username="root").order_by("id").values_list("action_flag", flat=True)
    )
    assert list(flags) == [1, 2, 2, 2, 3]


@KINDS
def test_a_code_is_enough(root: Api, kind: str) -> None:
    made = root.post(f"{kind}/", {"code": "NEW"})
    assert (made.status, made.json["name"]) == (201, "NEW")


def test_durations_are_seconds_or_written_as_in_rules(root: Api) -> None:
    made = root.post("environments/", {"code": "QA", "expiry": "1d", "expiry_urgent": "15m"})
    assert (made.json["expiry"], made.json["expiry_urgent"]) == (86_400, 900)


@KINDS
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_those_who_may_only_read_may_not_write(root: Api, kind: str, method: str) -> None:
    root.post(f"{kind}/", WHOLE[kind])
    code = WHOLE[kind]["code"]
    seen = user_with("view_monitor", "create", "delete", is_staff=True)
    path = f"{kind}/" if method == "POST" else f"{kind}/{code}/"
    for user in (seen, UserFactory.create()):
        Api(user).call(method, path, "{}").problem(403, "permission_denied")
    Api().call(method, path, "{}").problem(401, "not_authenticated")
    assert root.get(f"{kind}/{code}/").json == WHOLE[kind]


@KINDS
def test_a_code_is_taken_in_any_case_and_never_changes(root: Api, kind: str) -> None:
    wanted = WHOLE[kind]
    root.post(f"{kind}/", wanted)
    for code in (wanted["code"], wanted["code"].swapcase()):
        (error,) = root.post(f"{kind}/", {"code": code}).problem(409, "code_taken")["errors"]
        assert error["field"] == "code"
        assert wanted["code"] in error["message"]
    assert patch(root, f"{kind}/{wanted['code']}/", {"code": "X"}).field_errors() == {
        "code": "A code cannot be changed."
    }
    assert root.call("PUT", f"{kind}/{wanted['code']}/", "{}").status == 405


@in_one_test(
    ("kind", "body", "field"),
    [
        *((kind, {}, "code") for kind in WHOLE),
        *((kind, [], "body") for kind in WHOLE),
        *((kind, {"code": code}, "code") for kind in WHOLE for code in ("", "a b", "-a", "x" * 51, 5, None, "a\x00")),
        *((kind, {"code": "A", "name": name}, "name") for kind in WHOLE for name in ("", 5, "x" * 201, "\ud800")),
        *((kind, {"code": "A", "nmae": ""}, "nmae") for kind in WHOLE),
        *(("environments", {"code": "A", "order": order}, "order") for order in (-1, 2**31, 1.0, "1", True, None)),
        *(("environments", {"code": "A", "colour": colour}, "colour") for colour in ("red", "#12345", 5)),
        *(
            ("environments", {"code": "A", "expiry": expiry}, "expiry")
            for expiry in (0, -1, 1.5, True, None, "", "1w", "0s", "900d", 10**30)
        ),
        *(
            (kind, {"code": "A", "variables": variables}, "variables")
            for kind in ("environments", "projects")
            for variables in BAD_VARIABLES
        ),
        ("projects", {"code": "A", "repository": "x" * 501}, "repository"),
        ("projects", {"code": "A", "repository": "https://a:***@b/c"}, "repository"),
        ("projects", {"code": "A", "environments": []}, "environments"),
        ("projects", {"code": "A", "environments": {"NO": {"variables": {}}}}, "environments.NO"),
        ("projects", {"code": "A", "environments": {"DEV": {}}}, "environments.DEV.variables"),
        ("projects", {"code": "A", "environments": {"DEV": 5}}, "environments.DEV"),
        ("natures", {"code": "A", "include": "*.py"}, "include"),
        ("natures", {"code": "A", "include": [""]}, "include[0]"),
        ("natures", {"code": "A", "exclude": ["a", 5]}, "exclude[1]"),
        ("natures", {"code": "A", "include": ["*.py", "src/[ab"]}, "include[1]"),
        ("natures", {"code": "A", "exclude": ["a"] * 1001}, "exclude"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field_and_makes_nothing(root: Api, kind: str, body: Any, field: str) -> None:
    assert root.post(f"{kind}/", body).field_errors().keys() == {field}
    assert (Environment.objects.count(), Project.objects.exists(), Nature.objects.exists()) == (
        1,
        False,
        False,
    )


def test_a_projects_environments_are_those_that_are_sent(root: Api) -> None:
    EnvironmentFactory.create(code="QA")
    root.post("projects/", WHOLE["projects"])
    moved = patch(root, "projects/shop/", {"environments": {"QA": {"variables": {"c": 3}}}})
    assert moved.json["environments"] == {"QA": {"variables": {"c": 3}}}
    errors = patch(
        root, "projects/shop/", {"name": "x", "environments": {"NO": {"variables": {}}}}
    ).field_errors()
    assert errors.keys() == {"environments.NO"}
    assert root.get("projects/shop/").json == {
        **WHOLE["projects"],
        "environments": moved.json["environments"],
    }


def test_a_password_that_is_not_shown_is_kept(root: Api) -> None:
    address = "https://bot:hunter2@git.example.org/shop.git"
    shown = root.post("projects/", {"code": "shop", "repository": address}).json
    assert "hunter2" not in str(shown)
    assert patch(root, "projects/shop/", {**shown, "name": "Other"}).status == 200
    assert Project.objects.get().repository == address
    elsewhere = {"repository": "https://bot:***@evil.example.org/shop.git"}
    assert patch(root, "projects/shop/", elsewhere).field_errors().keys() == {"repository"}
    assert Project.objects.get().repository == address


def test_what_is_referred_to_is_not_deleted(root: Api) -> None:
    environment, project, nature = (
        EnvironmentFactory.create(),
        ProjectFactory.create(),
        NatureFactory.create(),
    )
    made = [
        JobFactory.create(environment=environment, project=project, natures=[nature])
        for _ in range(MOST_NAMED + 1)
    ]
    newest = [{"kind": "job", "id": job.pk, "name": job.name} for job in reversed(made[1:])]
    for kind, thing in (("environments", environment), ("projects", project), ("natures", nature)):
        refused = root.call("DELETE", f"{kind}/{thing.code}/").problem(409, "referenced")
        assert sorted(refused["references"], key=lambda each: -each["id"]) == newest, kind
        assert refused["others"] is True
        assert root.get(f"{kind}/{thing.code}/").status == 200
    assert not LogEntry.objects.exists()


def test_what_is_only_about_it_goes_with_it(root: Api) -> None:
    environment = EnvironmentFactory.create(code="QA")
    user_with("view_monitor", environments=[environment])
    ProjectEnvironment.objects.create(project=ProjectFactory.create(), environment=environment)
    assert root.call("DELETE", "environments/QA/").status == 204
    assert not ProjectEnvironment.objects.exists()
