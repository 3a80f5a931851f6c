"""P8 for the configuration: whoever changes it through whichever door leaves one record of it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction

from jobs.acting import Author, acting, acting_as
from jobs.audit import together
from jobs.models import AuditRecord, Project, ProjectEnvironment, Semaphore
from jobs.settings_audit import addresses
from permissions import policy, tokens
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.actions.publish_rule import publish_rule
from tests.api import Api
from tests.factories import (
    EnvironmentFactory,
    NatureFactory,
    ProjectFactory,
    ScheduleFactory,
    UserFactory,
    moment,
    user_with,
)
from tests.pages import Reader, text

pytestmark = pytest.mark.django_db

SHELL = Author("", "command")
RULE = "name: deploy\nsteps: {RUN: [{log: hello}]}\n"


def records() -> list[tuple[str, str, str]]:
    """Return action, environment and comment of all records, oldest first."""
    return list(AuditRecord.objects.order_by("id").values_list("action", "environment", "comment"))


def who() -> set[tuple[str, str, str]]:
    """Return who did it, through which door and from where."""
    return set(AuditRecord.objects.values_list("user", "source", "address"))


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="a-long-enough-secret")


def form_of(environment: Environment, **changed: Any) -> dict[str, Any]:
    """Return what the admin's form of an environment sends."""
    return {
        "code": environment.code, "name": environment.name, "position": environment.position,
        "colour": environment.colour, "expiry": "1d", "expiry_urgent": "1h", "variables": "{}",
        **changed,
    }  # fmt: skip


def test_where_nobody_acts_nothing_is_recorded() -> None:
    assert acting.get() is None
    environment = EnvironmentFactory.create()
    environment.delete()
    assert records() == []


def test_the_admin_form_leaves_one_record_that_says_what_changed(root: User) -> None:
    environment = EnvironmentFactory.create(code="PROD", name="Production", variables={"a": "s3cret"})
    sent = form_of(environment, name="Live", expiry="2d", variables='{"a": "other", "b": 1}')
    answer = Reader(root).post(f"/admin/permissions/environment/{environment.pk}/change/", sent)
    assert answer.status_code == 302
    assert records() == [
        (
            "change_environment",
            "PROD",
            'PROD: name "Production" → "Live"; expiry 1d → 2d; variables (a, b)',
        )
    ]
    assert who() == {("root", "admin", "127.0.0.1")}


def test_saving_a_form_unchanged_is_no_decision(root: User) -> None:
    environment = EnvironmentFactory.create(code="PROD")
    sent = form_of(environment)
    address = f"/admin/permissions/environment/{environment.pk}/change/"
    Reader(root).post(address, sent)
    first = records()
    Reader(root).post(address, sent)
    assert records() == first


def test_the_form_of_a_user_is_one_record_with_groups_and_permissions(root: User) -> None:
    ana = User.objects.create_user("ana", email="ana@example.com")
    ops = Group.objects.create(name="ops")
    view = Permission.objects.get(codename="view_project")
    sent = {
        "username": "ana", "email": "ana@example.com", "is_active": "on", "is_staff": "on", "groups": [ops.pk],
        "user_permissions": [view.pk], "theme": "system", "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }  # fmt: skip
    answer = Reader(root, language="en").post(f"/admin/permissions/user/{ana.pk}/change/", sent)
    assert answer.status_code == 302, text(answer)
    change = ('ana: is_staff false → true; groups [] → ["ops"]; user_permissions [] → ["jobs.view_project"]',)
    assert [record for record in records() if record[0] == "change_user"] == [("change_user", "", *change)]
    assert len(records()) == 1
    table = {"shown": "*=", "granted": ["*=restart", "*=view_monitor"]}
    answer = Reader(root, language="en").post(f"/admin/permissions/user/{ana.pk}/rights/", table)
    assert answer.status_code == 302, text(answer)
    assert ("grant", "", 'user:ana on *: rights [] → ["view_monitor", "restart"]') in records()
    assert len(records()) == 2


def test_a_password_is_named_and_never_told(root: User) -> None:
    ana = User.objects.create_user("ana", password="first-long-secret")
    with acting_as(SHELL):
        ana.set_password("second-long-secret")
        ana.save()
    assert records() == [("change_user", "", "ana: password")]
    assert "secret" not in str(AuditRecord.objects.values())


def test_a_password_that_is_hashed_anew_at_sign_in_is_no_decision() -> None:
    ana = User.objects.create_user("ana", password="first-long-secret")
    before = ana.password
    ana.password = before.replace("pbkdf2_sha256$1$", "pbkdf2_sha256$2$")
    assert ana.password != before
    with acting_as(SHELL):
        ana.save(update_fields=["password"])
        ana.save(update_fields=["last_login"])
    assert records() == []


def test_what_one_chooses_for_oneself_is_no_decision() -> None:
    ana = UserFactory.create(username="ana")
    Reader(ana).post("/account/", {"language": "en", "time_zone": "Europe/Madrid", "theme": "dark"})
    ana.refresh_from_db()
    assert ana.theme == "dark"
    assert records() == []
    with acting_as(Author("root", "admin")):
        ana.theme = "light"
        ana.save()
    assert records() == [("change_user", "", 'ana: theme "dark" → "light"')]


def test_the_api_names_the_user_of_a_token(root: User) -> None:
    api = Api(root)
    EnvironmentFactory.create(code="DEV")
    body = {"code": "shop", "name": "Shop", "environments": {"DEV": {"variables": {"path": "/srv"}}}}
    assert api.post("projects/", body).status == 201
    assert (
        api.call("PATCH", "projects/shop/", json.dumps({"environments": {}, "name": "The shop"})).status
        == 200
    )
    assert api.call("DELETE", "projects/shop/").status == 204
    assert records() == [
        ("create_project", "", 'shop: name "Shop"'),
        ("change_project", "DEV", "shop: variables in DEV (path)"),
        ("change_project", "", 'shop: name "Shop" → "The shop"'),
        ("change_project", "DEV", "shop: variables in DEV (path); no variables of its own any more"),
        ("delete_project", "", "shop"),
    ]
    assert who() == {("root", "api", "127.0.0.1")}


def test_the_user_of_a_token_is_named_and_not_that_of_the_session(root: User) -> None:
    token = tokens.issue(root)
    reader = Reader(user_with("view_monitor"))
    answer = reader.client.post(
        "/api/v1/natures/",
        {"code": "python", "name": "Python"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 201
    assert who() == {("root", "api", "127.0.0.1")}


def test_credentials_of_a_repository_are_not_told() -> None:
    project = ProjectFactory.create(code="shop", repository="https://bob:s3cret@git.example.com/x.git")
    with acting_as(SHELL):
        project.repository = "https://bob:0ther@git.example.com/y.git"
        project.save()
    assert records() == [
        (
            "change_project",
            "",
            'shop: repository "https://***@git.example.com/x.git" → "https://***@git.example.com/y.git"',
        )
    ]


def test_credentials_alone_leave_a_record_too() -> None:
    project = ProjectFactory.create(code="shop", repository="https://bob:s3cret@git.example.com/x.git")
    with acting_as(SHELL):
        project.repository = "https://bob:0ther@git.example.com/x.git"
        project.save()
    assert records() == [("change_project", "", "shop: credentials of the repository")]


def test_versions_of_rules() -> None:
    with acting_as(SHELL):
        publish_rule(source=RULE, author=None, comment="", now=moment())
        publish_rule(source=RULE + "# more\n", author=None, comment="as agreed", now=moment())
        version, _ = publish_rule(source=RULE + "# more\n", author=None, comment="", now=moment())
        version.rule.delete()
    assert records() == [
        ("create_rule", "", "deploy: version 1"),
        ("change_rule", "", "deploy: version 2, as agreed"),
        ("delete_rule", "", "deploy"),
    ]


def test_tokens(root: User) -> None:
    with acting_as(Author("root", "admin")):
        token = tokens.issue(root, name="ci")
        root.api_tokens.get().delete()
    assert [action for action, _, _ in records()] == ["create_token", "delete_token"]
    assert 'name "ci"' in records()[0][2]
    assert token not in str(records())


def test_what_goes_with_an_environment_is_recorded() -> None:
    environment = EnvironmentFactory.create(code="PROD")
    ops = Group.objects.create(name="ops")
    policy.grant(ops, Right.VIEW_MONITOR, environment)
    policy.grant(ops, Right.RESTART, environment)
    shop = ProjectFactory.create(code="shop")
    ProjectEnvironment.objects.create(project=shop, environment=environment, variables={"a": 1})
    with acting_as(SHELL):
        environment.delete()
    assert records() == [
        ("change_project", "PROD", "shop: variables in PROD (a); no variables of its own any more"),
        ("delete_environment", "PROD", "PROD"),
        ("grant", "PROD", 'group:ops on PROD: rights ["view_monitor", "restart"] → []'),
    ]


def test_what_goes_with_a_group_and_a_user_is_recorded() -> None:
    environment = EnvironmentFactory.create(code="PROD")
    ops, ana = Group.objects.create(name="ops"), UserFactory.create(username="ana")
    ana.groups.add(ops)
    policy.grant(ops, Right.VIEW_MONITOR, None)
    policy.grant(ana, Right.VIEW_MONITOR, environment)
    with acting_as(SHELL):
        ops.delete()
        ana.delete()
    assert records() == [
        ("delete_group", "", "ops: members ana"),
        ("grant", "", 'group:ops on *: rights ["view_monitor"] → []'),
        ("delete_user", "", "ana"),
        ("grant", "PROD", 'user:ana on PROD: rights ["view_monitor"] → []'),
    ]


def test_members_of_a_group_are_recorded_from_either_side() -> None:
    ops, ana, bob = Group.objects.create(name="ops"), UserFactory.create(username="ana"), UserFactory.create()
    # The types know this side only if they met the user before the group.
    other_side: Any = getattr(ops, User._meta.get_field("groups").remote_field.get_accessor_name() or "")
    with acting_as(SHELL):
        other_side.add(ana)
        other_side.clear()
        ana.groups.set([ops])
        ana.groups.clear()
    assert records() == [
        ("change_user", "", 'ana: groups [] → ["ops"]'),
        ("change_user", "", 'ana: groups ["ops"] → []'),
        ("change_user", "", 'ana: groups [] → ["ops"]'),
        ("change_user", "", 'ana: groups ["ops"] → []'),
    ]
    assert bob.groups.count() == 0


@pytest.mark.parametrize("gathered", [False, True])
def test_rights_are_recorded_once(gathered: bool) -> None:
    environment = EnvironmentFactory.create(code="PROD")
    ops = Group.objects.create(name="ops")
    policy.set_rights(ops, None, [Right.DELETE])
    with acting_as(SHELL), transaction.atomic(), together() if gathered else nullcontext():
        for _ in range(2):
            policy.set_rights(ops, environment, [Right.VIEW_MONITOR, Right.CREATE])
            policy.set_rights(ops, None, [Right.VIEW_MONITOR, Right.CREATE])
    assert records() == [
        ("grant", "PROD", 'group:ops on PROD: rights [] → ["view_monitor", "create"]'),
        ("grant", "", 'group:ops on *: rights ["delete"] → ["view_monitor", "create"]'),
    ]


def test_one_decision_is_one_record_and_what_comes_to_nothing_is_none() -> None:
    environment = EnvironmentFactory.create(code="PROD", name="a")
    with acting_as(SHELL), transaction.atomic(), together():
        nature = NatureFactory.create(code="python", name="Python")
        nature.include = ["*.py"]
        nature.save()
        for name in ("b", "a"):
            environment.name = name
            environment.save()
    assert records() == [("create_nature", "", 'python: name "Python"; include ["*.py"]')]


def test_the_record_is_written_with_the_change_or_not_at_all() -> None:
    with acting_as(SHELL):
        with pytest.raises(IntegrityError):
            made_twice()
        with pytest.raises(RuntimeError):
            made_and_taken_back()
    assert records() == []


@transaction.atomic
def made_twice() -> None:
    with together():
        Project.objects.create(code="shop", name="Shop")
        with transaction.atomic():
            Project.objects.create(code="SHOP", name="Shop")


@transaction.atomic
def made_and_taken_back() -> None:
    Project.objects.create(code="shop", name="Shop")
    raise RuntimeError


def test_a_deleted_semaphore_is_recorded(root: User) -> None:
    semaphore = Semaphore.objects.create(name="host")
    Reader(root).post(f"/admin/jobs/semaphore/{semaphore.pk}/delete/", {"post": "yes"})
    assert records() == [("delete_semaphore", "", "host")]


def test_schedules_are_recorded_with_their_environment_but_not_when_the_clock_moves_them_on() -> None:
    schedule = ScheduleFactory.create(name="nightly", cron="0 3 * * *")
    schedule.next_run_at = moment()
    schedule.save()
    with acting_as(SHELL):
        schedule.cron = "0 4 * * *"
        schedule.variables = {"a": "s3cret"}
        schedule.save()
        schedule.delete()
    code = schedule.environment.code
    assert records() == [
        ("change_schedule", code, 'nightly: variables (a); cron "0 3 * * *" → "0 4 * * *"'),
        ("delete_schedule", code, "nightly"),
    ]


def test_pages_of_jobs_are_not_put_into_one_transaction() -> None:
    assert "jobs_schedule_" in addresses()
    for name in ("jobs_job_changelist", "jobs_workerseen_changelist", "login", "logout"):
        assert not name.startswith(addresses())
    for name in (
        "auth_user_password_change",
        "permissions_user_change",
        "rules_rule_delete",
        "jobs_secret_add",
    ):
        assert name.startswith(addresses())


def test_several_deleted_at_once_leave_a_record_each(root: User) -> None:
    made = [NatureFactory.create(code=code) for code in ("cobol", "pascal")]
    sent = {"action": "delete_selected", "_selected_action": [each.pk for each in made], "post": "yes"}
    assert Reader(root).post("/admin/jobs/nature/", sent).status_code == 302
    assert sorted(records()) == [("delete_nature", "", "cobol"), ("delete_nature", "", "pascal")]


def test_what_the_admin_refuses_leaves_nothing(root: User) -> None:
    environment = EnvironmentFactory.create(code="PROD")
    sent = form_of(environment, code="not a code")
    Reader(root).post(f"/admin/permissions/environment/{environment.pk}/change/", sent)
    assert records() == []


def test_only_superusers_read_records_that_are_about_no_environment(root: User) -> None:
    environment = EnvironmentFactory.create(code="PROD")
    with acting_as(SHELL):
        environment.name = "Live"
        environment.save()
        Group.objects.create(name="secretive")
    staff = user_with("view_monitor", environments=None, is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_auditrecord"))
    seen = text(Reader(staff, language="en").get("/admin/jobs/auditrecord/"))
    assert "Live" in seen
    assert "secretive" not in seen
    assert "secretive" in text(Reader(root, language="en").get("/admin/jobs/auditrecord/"))
    filtered: Any = Reader(root, language="en").get("/admin/jobs/auditrecord/?action=create_group")
    assert [row.comment for row in filtered.context["cl"].result_list] == ["secretive"]
