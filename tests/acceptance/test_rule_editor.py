"""Section 6, the admin's editor: checking while typing, restoring versions, and dry runs, for whoever may."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import translation

from jobs.audit import Author
from jobs.models import CreationRequest, Job, Project, ProjectEnvironment, Secret
from jobs.secrets import vault
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.actions.publish_rule import publish_rule
from rules.exceptions import VersionChanged
from rules.models import Rule, RuleVersion
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

RULES: Final = "/admin/rules/rule/"
CHECK: Final = f"{RULES}check/"
NOW: Final = datetime(2026, 5, 4, tzinfo=UTC)


def source(*operations: str, name: str = "web", head: str = "") -> str:
    lines = "".join(f"    - {operation}\n" for operation in operations)
    return f"name: {name}\n{head}steps:\n  RUN:\n{lines}"


def publish(text: str) -> RuleVersion:
    return publish_rule(source=text, author=None, comment="", now=NOW)[0]


def staff(*permissions: str, **fields: Any) -> User:
    user: User = UserFactory.create(language="en", is_staff=True, **fields)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return user


def client_of(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def desk() -> Client:
    return client_of(staff("add_rule", "change_rule", "view_rule"))


# --- checking while typing ----------------------------------------------------------------------------------------


def test_a_check_answers_every_mistake_with_its_place_in_the_readers_language(desk: Client) -> None:
    answer = desk.post(CHECK, {"source": source("lgo: a", "rule: nowhere")})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["valid"], found["operations"], found["errors"]) == (False, 0, [])
    assert [(one["line"], one["column"], one["hint"]) for one in found["problems"]] == [
        (4, 7, "Did you mean log?"),
        (5, 13, "Create it first, or write the name of another one."),
    ]
    reader = staff("change_rule")
    User.objects.filter(pk=reader.pk).update(language="es")
    waits = source("approval: {}").replace("RUN", "CHECK")
    said = client_of(reader).post(CHECK, {"source": waits}).json()["problems"][0]["hint"]
    assert said == "Ponlo en PRE, RUN o POST."


def test_a_check_counts_the_operations_of_what_is_right(desk: Client) -> None:
    answer = desk.post(
        CHECK, {"source": source("log: a", "group: [{log: b}, {log: c}]").replace("\n", "\r\n")}
    )
    assert answer.json() == {"valid": True, "operations": 3, "problems": [], "errors": []}
    assert not Rule.objects.exists()


def test_a_check_says_what_publishing_would_say(desk: Client) -> None:
    publish(source("log: a"))
    renamed = desk.post(CHECK, {"source": source("log: b", name="other"), "rule": "web"}).json()
    assert renamed["errors"] == ["The name in the source is other, but this rule is web."]
    again = desk.post(CHECK, {"source": source("log: b")}).json()
    assert again["errors"] == ["The rule web exists already; open it to publish a new version."]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"source": "name: a", "rule": "nowhere"}, 400),
        ({"source": "name: a", "rule": "\0"}, 400),
        ({"source": "\0"}, 200),
        ({"source": "\ufffe\u0085"}, 200),
        ({"source": ""}, 200),
        ({"source": "- " * 5000}, 200),
        ({"source": "a" * (256 * 1024 + 1)}, 200),
        ({"source": "{" * 10_000}, 200),
        ({"source": "name: a", "file": "b" * 3_000_000}, 400),
    ],
)
def test_bad_input_is_answered_and_never_an_error_of_ours(
    desk: Client, data: dict[str, str], status: int
) -> None:
    answer = desk.post(CHECK, data)
    assert answer.status_code == status
    if status == 200:
        found = answer.json()
        assert not found["valid"]
        assert found["problems"] or found["errors"]


def test_what_is_no_utf_8_is_no_error_of_ours(desk: Client) -> None:
    body = b"source=name%3A%20%ff%fe"
    answer = desk.post(CHECK, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert not answer.json()["valid"]


def test_who_may_check() -> None:
    data = {"source": source("log: a")}
    assert Client().post(CHECK, data).status_code == 302
    assert client_of(UserFactory.create()).post(CHECK, data).status_code == 302
    assert client_of(staff("view_rule")).post(CHECK, data).status_code == 403
    assert client_of(staff("add_rule")).post(CHECK, data).status_code == 200
    guarded = client_of(staff("change_rule"), enforce_csrf_checks=True)
    assert guarded.post(CHECK, data).status_code == 403
    assert guarded.get(CHECK).status_code == 405


def test_the_button_checks_without_publishing(desk: Client) -> None:
    fine = desk.post(f"{RULES}add/", {"source": source("log: a"), "check": "Check"})
    assert fine.status_code == 200
    assert "No mistakes. Operations: 1. Nothing was published." in fine.content.decode()
    wrong = desk.post(f"{RULES}add/", {"source": source("lgo: a"), "check": "Check"})
    assert wrong.status_code == 422
    assert not Rule.objects.exists()


def test_the_page_brings_the_palette_with_help_and_the_language_for_the_script(desk: Client) -> None:
    rule = publish(source("log: a")).rule
    publish(source("log: b", name="other"))
    answer = desk.get(f"{RULES}{rule.pk}/change/")
    language = answer.context["editor"]["language"]
    assert "parallel" in {one["key"] for one in language["operations"]}
    assert language["rules"] == ["other"]
    body = answer.content.decode()
    assert "Runs its operations at the same time" in body
    assert "<script>" not in body
    assert "style=" not in body


# --- versions -----------------------------------------------------------------------------------------------------


def test_the_list_of_versions_says_who_when_and_what_changed(desk: Client) -> None:
    rule = publish(source("log: a")).rule
    author: User = UserFactory.create(username="eva")
    publish_rule(source=source("log: b"), author=author, comment="Better", now=NOW)
    body = desk.get(f"{RULES}{rule.pk}/change/").content.decode()
    assert f"{RULES}{rule.pk}/diff/?from=1&amp;to=2" in body
    assert "eva" in body
    assert "Better" in body
    page = desk.get(f"{RULES}{rule.pk}/versions/1/").content.decode()
    assert f"{RULES}{rule.pk}/versions/1/restore/" in page
    assert "restore" not in desk.get(f"{RULES}{rule.pk}/versions/2/").content.decode()


def test_an_older_version_is_restored_as_a_new_one(desk: Client) -> None:
    first = publish(source("log: one"))
    publish(source("log: two"))
    address = f"{RULES}{first.rule_id}/versions/1/restore/"
    asked = desk.get(address)
    assert ("removed", "-    - log: two") in asked.context["lines"]
    assert ("added", "+    - log: one") in asked.context["lines"]
    assert 'value="Restored from version 1"' in asked.content.decode()
    assert RuleVersion.objects.count() == 2
    answer = desk.post(address, {"comment": "Restored from version 1", "seen": 2})
    assert (answer.status_code, answer["Location"]) == (302, f"{RULES}{first.rule_id}/change/")
    newest = RuleVersion.objects.order_by("-number").first()
    assert newest is not None
    assert (newest.number, newest.source, newest.comment) == (3, first.source, "Restored from version 1")
    assert newest.author is not None


def test_what_was_published_meanwhile_is_not_written_over(desk: Client) -> None:
    first = publish(source("log: one"))
    publish(source("log: two"))
    publish(source("log: three"))
    address = f"{RULES}{first.rule_id}/versions/1/restore/"
    answer = desk.post(address, {"seen": 2})
    assert answer.status_code == 422
    body = answer.content.decode()
    assert "Version 3 was published meanwhile." in body
    assert 'name="seen" value="3"' in body
    assert RuleVersion.objects.count() == 3
    assert desk.post(address, {}).status_code == 422
    assert desk.post(address, {"seen": "x\0"}).status_code == 422
    assert desk.post(address, {"seen": 3}).status_code == 302


def test_the_check_for_another_version_holds_under_the_lock() -> None:
    publish(source("log: one"))
    publish(source("log: two"))
    with pytest.raises(VersionChanged) as refused:
        publish_rule(source=source("log: mine"), author=None, comment="", now=NOW, seen=1)
    assert refused.value.number == 2
    assert RuleVersion.objects.count() == 2


def test_the_same_source_is_not_restored(desk: Client) -> None:
    first = publish(source("log: one"))
    publish(source("log: two"))
    publish(source("log: one"))
    address = f"{RULES}{first.rule_id}/versions/1/restore/"
    assert "there is nothing to restore" in desk.get(address).content.decode()
    assert desk.post(address, {"seen": 3}).status_code == 422
    assert RuleVersion.objects.count() == 3


def test_a_version_that_is_not_accepted_any_more_is_not_restored(desk: Client) -> None:
    called = publish(source("log: a", name="called"))
    first = publish(source("rule: called"))
    publish(source("log: two"))
    RuleVersion.objects.filter(pk=called.pk).delete()
    Rule.objects.filter(slug="called").delete()
    address = f"{RULES}{first.rule_id}/versions/1/restore/"
    for answer in (desk.get(address), desk.post(address, {"seen": 2})):
        assert "There is no rule called." in answer.content.decode()
    assert RuleVersion.objects.count() == 2


def test_who_may_restore() -> None:
    first = publish(source("log: one"))
    publish(source("log: two"))
    address = f"{RULES}{first.rule_id}/versions/1/restore/"
    viewer = client_of(staff("view_rule", "add_rule"))
    assert [viewer.get(address).status_code, viewer.post(address, {"seen": 2}).status_code] == [403, 403]
    assert client_of(staff()).get(address).status_code == 403
    assert Client().get(address).status_code == 302
    guarded = client_of(staff("change_rule"), enforce_csrf_checks=True)
    assert guarded.post(address, {"seen": 2}).status_code == 403
    assert RuleVersion.objects.count() == 2
    missing = client_of(staff("change_rule"))
    for path in ("versions/9/restore/", "versions/99999999999/restore/"):
        assert missing.get(f"{RULES}{first.rule_id}/{path}").status_code == 404


# --- dry run ------------------------------------------------------------------------------------------------------

TRIED: Final = """\
name: web
variables: {service: shop, keep: 3, color: red}
steps:
  CHECK:
    - fail: Only tags go to PROD
      when: environment == "PROD" and not revision.ref.startswith("v")
  RUN:
    - rule: called
    - run: ./deploy {{ environment }} {{ variables.service }} {{ variables.color }}
    - run: curl -H {{ secrets.token }}
    - run: ./check {{ variables.nowhere }}
    - log: after
"""


@pytest.fixture
def qa() -> Environment:
    return Environment.objects.create(code="QA", name="QA", variables={"color": "green"})


@pytest.fixture
def project(qa: Environment) -> Project:
    shop = Project.objects.create(
        code="shop", name="Shop", repository="/nowhere", variables={"color": "blue", "keep": 4}
    )
    ProjectEnvironment.objects.create(project=shop, environment=qa, variables={"service": "shop-qa"})
    return shop


@pytest.fixture
def operator(qa: Environment) -> User:
    user = staff("view_rule", "change_rule", username="oscar")
    policy.grant(user, Right.VIEW_MONITOR, qa)
    return user


@pytest.fixture
def tried() -> RuleVersion:
    publish(source("log: '{{ environment }}'", name="called"))
    return publish(TRIED)


def address_of(version: RuleVersion) -> str:
    return f"{RULES}{version.rule_id}/versions/{version.number}/dry-run/"


def test_a_dry_run_lists_what_would_run_and_where_variables_come_from(
    operator: User, qa: Environment, project: Project, tried: RuleVersion
) -> None:
    by = Author("ana", "admin", "")
    vault.keep("token", "very-secret-value", vault.Scope(environment=qa), by=by, now=NOW)
    desk = client_of(operator)
    assert desk.get(address_of(tried)).status_code == 200
    asked = {
        "environment": "QA",
        "project": "shop",
        "revision": "v1",
        "type": "promote",
        "variables": "keep: 9",
    }
    answer = desk.post(address_of(tried), asked)
    assert answer.status_code == 200
    check, run = answer.context["steps"]
    assert check["operations"][0]["status"] == "skipped"
    assert [one["status"] for one in run["operations"]] == [*("runs", "runs", "runs", "fails", "not_reached")]
    called = run["operations"][0]["blocks"][0]
    assert (called["version"], called["operations"][0]["lines"][0][1]) == (1, "QA")
    assert run["operations"][1]["lines"][0][1] == "./deploy QA shop-qa green"
    rows = {row["name"]: row for row in answer.context["variables"]}
    with translation.override("en"):
        assert (rows["keep"]["value"], str(rows["keep"]["origin"])) == ("9", "Job")
        overridden = [(str(origin), value) for origin, value in rows["keep"]["overridden"]]
        assert overridden == [("Project", "4"), ("Rule", "3")]
        assert str(rows["service"]["origin"]) == "Project in the environment"
    body = answer.content.decode()
    assert "token" in body
    assert "very-secret-value" not in body


def test_a_dry_run_says_why_and_where(operator: User, qa: Environment, tried: RuleVersion) -> None:
    answer = client_of(operator).post(address_of(tried), {"environment": "QA", "type": "promote"})
    failing, *others = answer.context["steps"][1]["operations"][2:]
    assert (failing["status"], failing["line"], failing["rule"]) == ("fails", 10, "")
    assert failing["error"] == "There is no 'token' in the mapping."
    assert [one["reasons"] for one in others] == [["RUN/2 fails before."]] * 2


def test_a_dry_run_changes_nothing(
    operator: User, qa: Environment, tried: RuleVersion, django_assert_max_num_queries: Any
) -> None:
    before = [model.objects.count() for model in (Job, CreationRequest, RuleVersion, Secret)]
    desk = client_of(operator)
    with django_assert_max_num_queries(60) as queries:
        assert desk.post(address_of(tried), {"environment": "QA", "type": "promote"}).status_code == 200
    written = [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].split(" ", 1)[0] in {"INSERT", "UPDATE", "DELETE"}
    ]
    assert written == []
    assert before == [model.objects.count() for model in (Job, CreationRequest, RuleVersion, Secret)]


def test_a_hidden_environment_is_as_unknown_as_one_that_is_not_there(
    operator: User, tried: RuleVersion
) -> None:
    Environment.objects.create(code="PROD", name="Production", variables={"color": "hidden-colour"})
    desk = client_of(operator)
    assert "PROD" not in desk.get(address_of(tried)).content.decode().replace("to PROD", "")
    hidden, missing = (
        desk.post(address_of(tried), {"environment": code, "type": "promote"}) for code in ("PROD", "NONE")
    )
    assert (hidden.status_code, missing.status_code) == (422, 422)
    assert hidden.context["form"].errors == missing.context["form"].errors
    assert "hidden-colour" not in hidden.content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": ""},
        {"environment": "\0"},
        {"project": "nowhere"},
        {"type": "x"},
        {"revision": "v" * 300},
        {"revision": "\0"},
        {"variables": "[1, 2]"},
        {"variables": "a: ["},
        {"variables": "1x: 2"},
        {"variables": "a: &b 1"},
        {"variables": "\0"},
        {"variables": "a: " + "[" * 40 + "]" * 40},
        {"variables": "a: " + "1" * 25},
        {"variables": "a: 1\n" * 10_000},
    ],
)
def test_bad_answers_are_refused_at_their_field(
    operator: User, tried: RuleVersion, fields: dict[str, str]
) -> None:
    data = {"environment": "QA", "type": "promote", **fields}
    answer = client_of(operator).post(address_of(tried), data)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == list(fields)
    assert "has_answer" not in answer.context


def test_json_variables_are_taken_too(operator: User, tried: RuleVersion) -> None:
    data = {"environment": "QA", "type": "promote", "variables": '{"keep": 7, "nowhere": "x"}'}
    answer = client_of(operator).post(address_of(tried), data)
    rows = {row["name"]: row["value"] for row in answer.context["variables"]}
    assert (rows["keep"], rows["nowhere"]) == ("7", "x")


def test_the_text_in_the_editor_is_tried_without_publishing_it(operator: User, tried: RuleVersion) -> None:
    desk = client_of(operator)
    text = TRIED.replace("./deploy", "./try")
    first = desk.post(f"{RULES}dry-run/", {"source": text.replace("\n", "\r\n"), "rule": "web", "seen": "1"})
    assert first.status_code == 200
    assert first.context["source"] == text
    answer = desk.post(
        f"{RULES}dry-run/", {"source": text, "rule": "web", "environment": "QA", "type": "promote"}
    )
    lines = answer.context["steps"][1]["operations"][1]["lines"]
    assert lines[0][1].startswith("./try QA")
    assert RuleVersion.objects.count() == 2
    back = desk.post(f"{RULES}{tried.rule_id}/change/", {"source": text, "seen": 1, "check": "Back"})
    assert (back.status_code, back.context["form"]["source"].value()) == (200, text)


def test_a_text_with_mistakes_has_no_plan(operator: User, tried: RuleVersion) -> None:
    desk = client_of(operator)
    for text in (source("lgo: a"), "", "\0", "a" * 300_000, source("rule: nowhere")):
        answer = desk.post(f"{RULES}dry-run/", {"source": text, "environment": "QA", "type": "promote"})
        assert answer.status_code == 422
        assert answer.context["problems"]


def test_a_version_whose_called_rule_is_gone_has_no_plan(operator: User, tried: RuleVersion) -> None:
    Rule.objects.filter(slug="called").delete()
    answer = client_of(operator).get(address_of(tried))
    assert answer.status_code == 422
    assert "There is no rule called." in answer.content.decode()


def test_who_may_try(operator: User, qa: Environment, tried: RuleVersion) -> None:
    data = {"environment": "QA", "type": "promote"}
    assert Client().post(address_of(tried), data).status_code == 302
    assert client_of(UserFactory.create()).post(address_of(tried), data).status_code == 302
    assert client_of(staff()).post(address_of(tried), data).status_code == 403
    viewer = staff("view_rule")
    policy.grant(viewer, Right.VIEW_MONITOR, qa)
    assert client_of(viewer).post(address_of(tried), data).status_code == 200
    assert client_of(viewer).post(f"{RULES}dry-run/", {"source": TRIED}).status_code == 403
    guarded = client_of(operator, enforce_csrf_checks=True)
    assert guarded.post(address_of(tried), data).status_code == 403
    assert client_of(operator).get(f"{RULES}dry-run/").status_code == 405
    assert client_of(operator).get(f"{RULES}{tried.rule_id}/versions/9/dry-run/").status_code == 404
    assert client_of(operator).get(f"{RULES}{tried.rule_id}/versions/99999999999/dry-run/").status_code == 404
