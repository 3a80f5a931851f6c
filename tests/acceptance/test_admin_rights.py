"""Section 5 in the admin: tables of rights of an environment, a user and a group keep exactly what is ticked."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import grant, granted, set_rights
from tests.api import Api
from tests.factories import EnvironmentFactory, GroupFactory, UserFactory
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

VIEW, RESTART, CANCEL, CREATE = Right.VIEW_MONITOR, Right.RESTART, Right.CANCEL, Right.CREATE


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def ana() -> User:
    return UserFactory.create(username="ana")


@pytest.fixture
def ops(ana: User) -> Group:
    group: Group = GroupFactory.create(name="ops")
    ana.groups.add(group)
    return group


@pytest.fixture
def boss() -> Reader:
    return Reader(UserFactory.create(username="boss", is_staff=True, is_superuser=True), "en")


def address_of(principal: User | Group) -> str:
    kind = "permissions/user" if isinstance(principal, User) else "auth/group"
    return f"/admin/{kind}/{principal.pk}/rights/"


@pytest.mark.parametrize("name", ["ana", "ops"])
def test_a_user_and_a_group_get_exactly_what_is_ticked(
    boss: Reader, dev: Environment, prod: Environment, ana: User, ops: Group, name: str
) -> None:
    principal = ana if name == "ana" else ops
    set_rights(principal, dev, {CANCEL})
    set_rights(principal, None, {VIEW})
    answer = boss.post(
        address_of(principal),
        {
            "shown": ["*=view_monitor", "DEV=cancel", "PROD="],
            "granted": ["DEV=view_monitor", "DEV=restart", "PROD=view_monitor"],
        },
    )
    assert answer.status_code == 302
    assert granted(principal) == {"DEV": {VIEW, RESTART}, "PROD": {VIEW}}
    assert "5 rights were changed." in words(boss.get(address_of(principal)))


def test_the_table_is_on_the_page_of_the_user_and_brings_one_back(
    boss: Reader, dev: Environment, ana: User, ops: Group
) -> None:
    grant(ops, VIEW, dev)
    grant(ana, CREATE, None)
    page = boss.get(f"/admin/permissions/user/{ana.pk}/change/")
    assert 'value="DEV=restart"' in text(page)
    assert "through group ops" in words(page)
    assert "own grant on *" in words(page)
    answer = boss.post(address_of(ana), {"from": "change", "shown": ["DEV="], "granted": []})
    assert answer["Location"] == f"/admin/permissions/user/{ana.pk}/change/"
    assert "Nothing was changed." in words(boss.get(answer["Location"]))
    group_page = boss.get(f"/admin/auth/group/{ops.pk}/change/")
    assert 'name="shown" value="DEV=view_monitor"' in text(group_page)


def test_what_somebody_changed_meanwhile_is_shown_and_nothing_is_kept(
    boss: Reader, dev: Environment, prod: Environment, ana: User
) -> None:
    set_rights(ana, dev, {VIEW, RESTART})
    form = {
        "shown": ["DEV=view_monitor", "PROD="],
        "granted": ["DEV=view_monitor", "DEV=cancel", "PROD=view_monitor"],
    }
    answer = boss.post(address_of(ana), form)
    assert answer.status_code == 409
    assert granted(ana) == {"DEV": {VIEW, RESTART}}, "PROD was not kept either"
    assert "DEV view_monitor view_monitor, restart view_monitor, cancel" in words(answer)
    markup = text(answer)
    assert 'name="shown" value="DEV=view_monitor,restart"' in markup
    form["shown"][0] = "DEV=view_monitor,restart"
    assert boss.post(address_of(ana), form).status_code == 302
    assert granted(ana) == {"DEV": {VIEW, CANCEL}, "PROD": {VIEW}}


def test_the_table_of_an_environment_tells_it_too(boss: Reader, dev: Environment, ana: User) -> None:
    set_rights(ana, dev, {VIEW, RESTART})
    address = f"/admin/permissions/environment/{dev.pk}/rights/"
    answer = boss.post(address, {"shown": ["user:ana=view_monitor"], "granted": ["user:ana=cancel"]})
    assert answer.status_code == 409
    assert "user:ana view_monitor view_monitor, restart cancel" in words(answer)
    added = boss.post(address, {"added": "user:ana", "begins": ["create"]})
    assert (added.status_code, granted(ana)) == (409, {"DEV": {VIEW, RESTART}})


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"added": "user:nobody", "begins": ["view_monitor"]}, "There is no user:nobody."),
        ({"added": "nobody", "begins": ["view_monitor"]}, "There is no nobody."),
        ({"added": "user:a\0b", "begins": ["view_monitor"]}, "There is no user:a"),
        ({"added": "user:ana"}, "Choose at least one right for user:ana."),
        ({"added": "user:ana", "begins": ["fly"]}, "There is no right fly."),
        ({"shown": ["user:gone=restart"]}, "There is no user:gone."),
        ({"shown": ["user:ana=fly"]}, "There is no right fly."),
        ({"shown": ["user:ana="], "granted": ["user:ana=fly"]}, "There is no right fly."),
        ({"shown": ["user:ana="], "granted": ["group:x=restart"]}, "group:x is ticked but not shown"),
        ({"shown": ["user:ana="], "added": "user:ana", "begins": ["restart"]}, "is in the table already"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_kept(
    boss: Reader, dev: Environment, ana: User, form: dict[str, list[str]], reason: str
) -> None:
    shown = [*form.get("shown", []), "group:ops="]
    ticked = [*form.get("granted", []), "group:ops=restart"]
    GroupFactory.create(name="ops")
    address = f"/admin/permissions/environment/{dev.pk}/rights/"
    answer = boss.post(address, {**form, "shown": shown, "granted": ticked})
    assert (answer.status_code, reason in words(answer)) == (400, True), words(answer)
    assert policy.grants_on(dev) == []


def test_a_refused_form_comes_back_as_it_was_sent(boss: Reader, dev: Environment, ana: User) -> None:
    set_rights(ana, dev, {VIEW, RESTART})
    address = f"/admin/permissions/environment/{dev.pk}/rights/"
    form = {"shown": ["user:ana=view_monitor"], "granted": ["user:ana=cancel"], "added": "user:nobody"}
    for begins, reason in (([], "Choose at least one right"), (["create"], "There is no user:nobody.")):
        answer = boss.post(address, {**form, "begins": begins})
        assert (answer.status_code, reason in words(answer)) == (400, True)
        markup = re.sub(r"\s+", " ", text(answer))
        assert 'name="shown" value="user:ana=view_monitor"' in markup, "what was decided on is not forgotten"
        assert 'value="user:nobody"' in markup
        assert re.search(r'value="user:ana=cancel"[^>]* checked', markup)
    assert boss.post(address, {**form, "added": ""}).status_code == 409


@pytest.mark.parametrize("code", ["NOWHERE", "HID\0DEN"])
def test_an_environment_that_is_not_there_is_refused(boss: Reader, ana: User, code: str) -> None:
    answer = boss.post(address_of(ana), {"shown": [f"{code}="], "granted": [f"{code}=create"]})
    assert (answer.status_code, "There is no" in words(answer)) == (400, True)


def test_rights_without_view_monitor_are_shown_as_not_counting(
    boss: Reader, dev: Environment, ana: User
) -> None:
    grant(ana, RESTART, dev)
    assert "does not count" in words(boss.get(address_of(ana)))
    grant(ana, VIEW, None)
    assert "does not count" not in words(boss.get(address_of(ana)))


@pytest.mark.parametrize("kind", ["user", "group"])
def test_the_form_of_django_does_not_take_rights_on_all_environments_away(
    boss: Reader, dev: Environment, ana: User, ops: Group, kind: str
) -> None:
    principal: User | Group = ana if kind == "user" else ops
    grant(principal, VIEW, None)
    other = Permission.objects.get(codename="view_project")
    if kind == "user":
        address = f"/admin/permissions/user/{ana.pk}/change/"
        form: dict[str, Any] = {
            "username": "ana", "is_active": "on", "user_permissions": [other.pk], "groups": [ops.pk],
            "theme": "system", "date_joined_0": "2026-01-01", "date_joined_1": "10:00",
        }  # fmt: skip
        held: Any = ana.user_permissions
    else:
        address = f"/admin/auth/group/{ops.pk}/change/"
        form, held = {"name": "ops", "permissions": [other.pk]}, ops.permissions
    assert "action.job.view_monitor" not in text(boss.get(address)).partition("rights-form")[0]
    answer = boss.post(address, form)
    assert answer.status_code == 302, words(answer)
    assert {each.codename for each in held.all()} == {"view_project", "action.job.view_monitor"}
    form[next(key for key in form if key.endswith("permissions"))] = []
    assert boss.post(address, form).status_code == 302
    assert granted(principal) == {"*": {VIEW}}
    smuggled = Permission.objects.get(codename="action.job.delete")
    form[next(key for key in form if key.endswith("permissions"))] = [smuggled.pk]
    assert boss.post(address, form).status_code == 200
    assert granted(principal) == {"*": {VIEW}}


def test_there_is_always_somebody_who_may_do_everything(boss: Reader) -> None:
    only = User.objects.get(username="boss")
    address = f"/admin/permissions/user/{only.pk}/"
    form = {
        "username": "boss", "is_staff": "on", "is_active": "on", "theme": "system",
        "date_joined_0": "2026-01-01", "date_joined_1": "10:00",
    }  # fmt: skip
    answer = boss.post(f"{address}change/", form)
    assert "Without boss there would be no active superuser left." in words(answer)
    assert "There would be no active superuser left." in words(boss.get(f"{address}delete/"))
    assert boss.post(f"{address}delete/", {"post": "yes"}).status_code == 409
    assert User.objects.get().is_superuser
    UserFactory.create(is_superuser=True)
    assert boss.post(f"{address}change/", form).status_code == 302


def test_pages_cost_the_same_with_many_rows(
    boss: Reader, dev: Environment, ana: User, ops: Group, django_assert_max_num_queries: Any
) -> None:
    grant(ops, VIEW, dev)
    with django_assert_max_num_queries(30):
        boss.get(f"/admin/permissions/environment/{dev.pk}/rights/")
        boss.get(address_of(ana))
    for environment in EnvironmentFactory.create_batch(10):
        grant(ops, VIEW, environment)
    for user in UserFactory.create_batch(10):
        user.groups.add(ops)
        grant(user, RESTART, dev)
    with django_assert_max_num_queries(30):
        boss.get(f"/admin/permissions/environment/{dev.pk}/rights/")
        boss.get(address_of(ana))


def test_nobody_renames_a_user_or_a_group_whom_rules_may_name(boss: Reader, ana: User, ops: Group) -> None:
    """Another one of the free name could sign for them."""
    sent = {
        "name": "crew", "username": "anna", "is_active": "on", "theme": "system", "groups": [ops.pk],
        "date_joined_0": "2026-01-01", "date_joined_1": "10:00",
    }  # fmt: skip
    for principal in (ana, ops):
        address = address_of(principal).replace("/rights/", "/change/")
        page = boss.get(address)
        assert "The name stays as it is: rules, approvals" in words(page)
        assert not re.search(r'name="(user)?name"', text(page))
        assert boss.post(address, sent).status_code == 302
    assert Group.objects.get().name == "ops"
    assert User.objects.get(pk=ana.pk).username == "ana"
    api = Api(User.objects.get(username="boss"))
    for path, changed in (("users/ana/", {"username": "anna"}), ("groups/ops/", {"name": "crew"})):
        refused = api.call("PATCH", path, json.dumps(changed))
        assert (refused.status, b"cannot be changed" in refused.content) == (400, True)
    document = "groups: [{name: crew}]\nusers: [{username: ana, groups: [ops, crew]}]"
    api.post("apply/", {"documents": [{"text": document}]})
    assert set(Group.objects.values_list("name", flat=True)) == {"ops", "crew"}, (
        "another name is another group"
    )
