"""Staff who are no superusers: nobody gets more through them than they hold, and they get nothing more themselves."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from jobs.models import Approval
from permissions import locks, tokens
from permissions.catalog import Right
from permissions.models import ApiToken, Environment, User
from permissions.policy import grant, granted, set_rights
from rules.actions.publish_rule import publish_rule
from tests.factories import EnvironmentFactory, GroupFactory, JobFactory, UserFactory, user_with
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

VIEW, RESTART, CANCEL, CREATE = Right.VIEW_MONITOR, Right.RESTART, Right.CANCEL, Right.CREATE
MAY = tuple(
    f"{verb}_{kind}"
    for verb in ("view", "add", "change", "delete")
    for kind in ("user", "group", "environment", "apitoken")
)


def allow(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def hidden() -> Environment:
    return EnvironmentFactory.create(code="HIDDEN", name="Topsecret")


@pytest.fixture
def dora(dev: Environment) -> User:
    """Return a delegate: all permissions on users, groups, environments and tokens; sees and restarts in DEV."""
    user = user_with("view_monitor", "restart", environments=[dev], username="dora", is_staff=True)
    allow(user, *MAY)
    return user


@pytest.fixture
def desk(dora: User) -> Reader:
    return Reader(dora, "en")


@pytest.fixture
def ana() -> User:
    return UserFactory.create(username="ana")


@pytest.fixture
def root() -> User:
    return UserFactory.create(username="root", is_staff=True, is_superuser=True)


def rights_of(principal: User | Group) -> str:
    kind = "permissions_user" if isinstance(principal, User) else "auth_group"
    return reverse(f"admin:{kind}_rights", args=[principal.pk])


def change(user: User, **fields: Any) -> dict[str, Any]:
    """Return the form of a user as it is, with other values for some fields."""
    whole = {"first_name": user.first_name, "email": user.email, "theme": "system", "groups": []}
    return {**whole, "is_active": "on", **fields}


def test_they_grant_what_they_hold_where_they_hold_it(
    desk: Reader, dev: Environment, hidden: Environment, ana: User
) -> None:
    ops = GroupFactory.create(name="ops")
    for principal in (ana, ops):
        assert desk.post(
            rights_of(principal),
            {"shown": ["DEV="], "granted": ["DEV=view_monitor", "DEV=restart"]},
        ).status_code == 302  # fmt: skip
        assert granted(principal) == {"DEV": {VIEW, RESTART}}


@pytest.mark.parametrize(
    ("row", "box", "reason"),
    [
        ("DEV=", "DEV=cancel", "You may not grant cancel on DEV to user:ana."),
        ("*=", "*=view_monitor", "You may not grant view_monitor on * to user:ana."),
        ("HIDDEN=", "HIDDEN=view_monitor", "There is no HIDDEN."),
        ("HIDDEN=create", "HIDDEN=view_monitor", "There is no HIDDEN."),
    ],
)
def test_they_grant_nothing_more(
    desk: Reader, hidden: Environment, ana: User, row: str, box: str, reason: str
) -> None:
    answer = desk.post(rights_of(ana), {"shown": [row], "granted": [box]})
    assert (answer.status_code, reason in words(answer)) == (400, True)
    assert granted(ana) == {}


def test_they_take_away_only_what_they_hold(desk: Reader, dev: Environment, ana: User) -> None:
    set_rights(ana, dev, {VIEW, RESTART, CANCEL, CREATE})
    shown = "DEV=view_monitor,restart,cancel,create"
    assert desk.post(rights_of(ana), {"shown": [shown], "granted": []}).status_code == 302
    assert granted(ana) == {"DEV": {CANCEL, CREATE}}


def test_a_right_that_does_not_count_is_not_held(ana: User, dev: Environment, hidden: Environment) -> None:
    blind = user_with("restart", environments=[dev], is_staff=True)
    grant(blind, VIEW, hidden)
    allow(blind, *MAY)
    answer = Reader(blind, "en").post(rights_of(ana), {"shown": ["DEV="], "granted": ["DEV=restart"]})
    assert (answer.status_code, granted(ana)) == (400, {})


def test_they_do_not_grant_to_themselves_nor_to_superusers(
    desk: Reader, dev: Environment, dora: User, root: User
) -> None:
    before = granted(dora)
    for target in (dora, root):
        held = "view_monitor,restart" if target is dora else ""
        for row, box in ((f"DEV={held}", "DEV=create"), ("*=", "*=restart")):
            answer = desk.post(rights_of(target), {"shown": [row], "granted": [box]})
            assert answer.status_code == 400
        there = f"/admin/permissions/environment/{dev.pk}/rights/"
        form = {"shown": [f"user:{target.username}={held}"], "granted": [f"user:{target.username}=create"]}
        assert desk.post(there, form).status_code == 400
        # What is shown to them has no boxes, so nothing ticked takes nothing away.
        assert desk.post(there, {"shown": form["shown"], "granted": []}).status_code == 302
    assert (granted(dora), granted(root)) == (before, {})


def test_the_page_of_an_environment_follows_the_same_rules(
    desk: Reader, dev: Environment, hidden: Environment, ana: User
) -> None:
    there = f"/admin/permissions/environment/{dev.pk}/rights/"
    assert desk.post(there, {"added": "user:ana", "begins": ["cancel"]}).status_code == 400
    assert desk.post(there, {"added": "user:ana", "begins": ["view_monitor"]}).status_code == 302
    assert granted(ana) == {"DEV": {VIEW}}
    assert desk.get(f"/admin/permissions/environment/{hidden.pk}/rights/").status_code == 404
    assert desk.post(f"/admin/permissions/environment/{hidden.pk}/rights/", {}).status_code == 404
    everywhere = "/admin/permissions/environment/rights/"
    assert desk.post(everywhere, {"added": "user:ana", "begins": ["view_monitor"]}).status_code == 400


def test_hidden_environments_are_on_no_page(
    desk: Reader, dev: Environment, hidden: Environment, ana: User, dora: User, root: User
) -> None:
    secret = GroupFactory.create(name="ops")
    for principal in (ana, secret):
        set_rights(principal, hidden, {VIEW, CREATE})
    JobFactory.at("RUN", "ready", environment=hidden, created_by=ana, name="N.HIDDEN-1")
    ana.groups.add(secret)
    for address in (
        rights_of(ana), rights_of(secret), f"/admin/permissions/user/{ana.pk}/change/",
        f"/admin/auth/group/{secret.pk}/change/", "/admin/permissions/environment/",
        f"/admin/permissions/user/{ana.pk}/overview/", "/admin/permissions/user/who-can/",
        "/admin/permissions/user/why-not/", "/admin/permissions/environment/rights/",
        "/admin/permissions/apitoken/add/",
    ):  # fmt: skip
        answer = desk.get(address)
        assert answer.status_code == 200, address
        assert ("HIDDEN" in text(answer), "Topsecret" in text(answer)) == (False, False), address
    for address in (
        "/admin/permissions/user/who-can/?right=create&environment=HIDDEN",
        "/admin/permissions/user/why-not/?user=ana&right=create&environment=HIDDEN",
        "/admin/permissions/user/who-can/?right=create&environment=NOWHERE",
    ):
        assert desk.get(address).status_code == 400
    assert desk.get(f"/admin/permissions/environment/{hidden.pk}/change/").status_code == 302
    assert desk.get(f"/admin/permissions/environment/{hidden.pk}/delete/").status_code in {302, 404}


def test_autocomplete_lists_nothing_hidden(desk: Reader, dev: Environment, hidden: Environment) -> None:
    JobFactory.create(environment=hidden)
    for model, field in (("apitoken", "user"), ("job", "environment")):
        app = "permissions" if model == "apitoken" else "jobs"
        query = f"app_label={app}&model_name={model}&field_name={field}&term="
        answer = desk.get(f"/admin/autocomplete/?{query}")
        assert "HIDDEN" not in (text(answer) if answer.status_code == 200 else "")
    clerk = Reader(user_with("view_monitor", environments=[dev], is_staff=True))
    asked = "/admin/autocomplete/?app_label=permissions&model_name=apitoken&field_name=user&term="
    assert clerk.get(asked).status_code == 403, "who may not see users lists none"


def test_nobody_becomes_staff_or_superuser_through_them(desk: Reader, ana: User) -> None:
    address = f"/admin/permissions/user/{ana.pk}/change/"
    markup = text(desk.get(address))
    for field in ("is_superuser", "is_staff", "user_permissions"):
        assert f'name="{field}"' not in markup
    everything = list(Permission.objects.values_list("pk", flat=True))
    form = change(ana, is_superuser="on", is_staff="on", user_permissions=everything, first_name="Ana")
    assert desk.post(address, form).status_code == 302
    ana.refresh_from_db()
    assert (ana.first_name, ana.is_superuser, ana.is_staff) == ("Ana", False, False)
    assert not ana.user_permissions.exists()
    made = desk.post(
        "/admin/permissions/user/add/",
        {"username": "eve", "usable_password": "true", "password1": "correct-horse-1",
         "password2": "correct-horse-1", "is_superuser": "on", "is_staff": "on", "user_permissions": everything},
    )  # fmt: skip
    assert made.status_code == 302, words(made)
    eve = User.objects.get(username="eve")
    assert (eve.is_superuser, eve.is_staff, eve.user_permissions.exists()) == (False, False, False)


@pytest.mark.parametrize(
    "more", ["right", "right through a group", "right on *", "permission", "superuser", "idle"]
)
def test_they_do_not_touch_an_account_that_may_do_more(
    desk: Reader, dev: Environment, hidden: Environment, ana: User, more: str
) -> None:
    ops = GroupFactory.create()
    if more == "right":
        grant(ana, CREATE, hidden)
    elif more == "right through a group":
        grant(ops, CANCEL, dev)
        ana.groups.add(ops)
    elif more == "right on *":
        grant(ana, RESTART, None)
    elif more == "permission":
        allow(ana, "add_project")
    else:
        User.objects.filter(pk=ana.pk).update(is_superuser=True, is_active=more != "idle")
    address = f"/admin/permissions/user/{ana.pk}/"
    password = {"password1": "correct-horse-1", "password2": "correct-horse-1", "usable_password": "true"}
    assert desk.get(f"{address}change/").status_code == 200, "they may look"
    assert desk.post(f"{address}change/", change(ana, email="dora@example.org")).status_code == 403
    assert desk.get(f"{address}password/").status_code == 403
    assert desk.post(f"{address}password/", password).status_code == 403
    assert desk.get(f"{address}delete/").status_code == 403
    assert desk.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [ana.pk], "post": "yes"}
    assert desk.post("/admin/permissions/user/", bulk).status_code in {200, 403}
    found = User.objects.get(pk=ana.pk)
    assert (found.email, found.password) == (ana.email, ana.password)


def test_an_account_that_gets_more_while_the_form_is_sent_is_not_changed(
    desk: Reader, hidden: Environment, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = locks.hold

    def late() -> None:
        # Others, who had the lock before, have committed by the time that one gets it.
        monkeypatch.undo()
        grant(ana, CREATE, hidden)
        hold()

    monkeypatch.setattr("permissions.admin_users.locks.hold", late)
    answer = desk.post(f"/admin/permissions/user/{ana.pk}/change/", change(ana, email="dora@example.org"))
    assert (answer.status_code, User.objects.get(pk=ana.pk).email) == (403, ana.email)


def test_an_account_that_may_do_no_more_is_theirs_to_change(
    desk: Reader, dev: Environment, ana: User
) -> None:
    grant(ana, RESTART, dev)
    address = f"/admin/permissions/user/{ana.pk}/"
    assert desk.post(f"{address}change/", change(ana, email="new@example.org")).status_code == 302
    password = {"password1": "correct-horse-1", "password2": "correct-horse-1", "usable_password": "true"}
    assert desk.post(f"{address}password/", password).status_code == 302
    found = User.objects.get(pk=ana.pk)
    assert (found.email, found.check_password("correct-horse-1")) == ("new@example.org", True)
    assert desk.post(f"{address}change/", change(ana, username="root2")).status_code == 302
    assert User.objects.get(pk=ana.pk).username == "ana", "rules name approvers by it"
    assert desk.post(f"{address}delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=ana.pk).exists()


RULE = """
name: release
steps:
  PRE:
    - approval: {approvers: ["group:qa", "user:ana"]}
  RUN:
    - log: x
"""


@pytest.mark.parametrize("named_by", ["a rule", "a job that waits"])
def test_in_the_name_of_an_approver_signs_nobody_through_them(
    desk: Reader, dora: User, ana: User, named_by: str
) -> None:
    qa, fine, bea = GroupFactory.create(name="qa"), GroupFactory.create(), UserFactory.create(username="bea")
    member = UserFactory.create(username="member")
    member.groups.add(qa)
    if named_by == "a rule":
        publish_rule(source=RULE, author=None, comment="", now=timezone.now())
    else:
        place = {
            "job": JobFactory.create(),
            "attempt": 1,
            "step": "RUN",
            "path": "RUN/0",
            "operation": "RUN/0",
        }
        Approval.objects.create(**place, began_at=timezone.now(), approvers=["group:qa", "user:ana"])
    password = {"password1": "correct-horse-1", "password2": "correct-horse-1", "usable_password": "true"}
    for user in (ana, member):
        assert desk.post(f"/admin/permissions/user/{user.pk}/password/", password).status_code == 403
    address = f"/admin/permissions/user/{bea.pk}/change/"
    assert ">qa</option>" not in text(desk.get(address))
    assert desk.post(address, change(bea, groups=[qa.pk])).status_code == 200
    assert not bea.groups.exists()
    assert desk.post(address, change(bea, groups=[fine.pk])).status_code == 302

    dora.groups.add(qa)
    assert desk.post(address, change(bea, groups=[qa.pk])).status_code == 302, "who signs as qa lets others"
    assert desk.post(f"/admin/permissions/user/{ana.pk}/password/", password).status_code == 403
    grant(dora, VIEW, None)
    grant(dora, Right.APPROVE_ALL, None)
    assert desk.post(f"/admin/permissions/user/{ana.pk}/password/", password).status_code == 302


@pytest.mark.parametrize(("kind", "name"), [("user", "ana"), ("group", "qa")])
def test_an_approver_whom_nobody_has_yet_is_not_made_through_them(
    desk: Reader, dora: User, kind: str, name: str
) -> None:
    publish_rule(source=RULE, author=None, comment="", now=timezone.now())
    address = f"/admin/{'permissions/user' if kind == 'user' else 'auth/group'}/add/"
    field = "username" if kind == "user" else "name"
    password = {"password1": "correct-horse-1", "password2": "correct-horse-1", "usable_password": "true"}
    model: type[User] | type[Group] = User if kind == "user" else Group

    def make(called: str) -> int:
        answer = desk.post(address, {field: called, **password})
        refused = f"Rules name {kind}:{called} as an approver: only who may sign in that name may make it."
        assert (refused in words(answer)) == (answer.status_code == 200)
        return answer.status_code

    assert make(name) == 200
    # The full-width letters are the same name, once it is kept.
    assert kind == "group" or desk.post(address, {field: "\uff41\uff4e\uff41", **password}).status_code == 200
    assert not model.objects.filter(**{field: name}).exists()
    assert make("somebody-else") == 302
    grant(dora, VIEW, None)
    grant(dora, Right.APPROVE_ALL, None)
    assert make(name) == 302
    assert model.objects.filter(**{field: name}).exists()


def test_tokens_go_with_their_user_and_stay_with_one_who_may_do_more(
    desk: Reader, dev: Environment, hidden: Environment, ana: User
) -> None:
    grant(ana, VIEW, dev)
    tokens.issue(ana, name="nightly-copy")
    address = f"/admin/permissions/user/{ana.pk}/delete/"
    assert "nightly-copy" not in text(desk.get(address)), "tokens of others do not exist"
    grant(ana, VIEW, hidden)
    assert desk.post(address, {"post": "yes"}).status_code == 403
    several = {"action": "delete_selected", "_selected_action": [ana.pk], "post": "yes"}
    assert desk.post("/admin/permissions/user/", several).status_code == 403
    assert ApiToken.objects.filter(user=ana).exists()
    set_rights(ana, hidden, [])
    assert desk.post(address, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=ana.pk).exists()
    assert not ApiToken.objects.filter(user=ana.pk).exists()


def test_not_their_own_account_either(desk: Reader, dora: User) -> None:
    ops = GroupFactory.create()
    answer = desk.post(f"/admin/permissions/user/{dora.pk}/change/", change(dora, groups=[ops.pk]))
    assert (answer.status_code, dora.groups.exists()) == (403, False)


def test_groups_that_give_more_are_not_handed_out(
    desk: Reader, dev: Environment, hidden: Environment, ana: User
) -> None:
    fine, more, other, staff = GroupFactory.create_batch(4)
    grant(fine, RESTART, dev)
    grant(more, CANCEL, dev)
    grant(other, VIEW, hidden)
    staff.permissions.add(Permission.objects.get(codename="add_project"))
    address = f"/admin/permissions/user/{ana.pk}/change/"
    markup = text(desk.get(address))
    offered = [group.name for group in (fine, more, other, staff) if f">{group.name}</option>" in markup]
    assert offered == [fine.name]
    for group in (more, other, staff):
        assert desk.post(address, change(ana, groups=[group.pk])).status_code == 200
    assert not ana.groups.exists()
    assert desk.post(address, change(ana, groups=[fine.pk])).status_code == 302
    assert list(ana.groups.all()) == [fine]


def test_groups_get_no_permissions_that_they_do_not_hold(desk: Reader, dev: Environment) -> None:
    ops, more = GroupFactory.create(name="ops"), GroupFactory.create(name="more")
    grant(more, CANCEL, dev)
    mine, other = (Permission.objects.get(codename=name) for name in ("add_user", "add_project"))
    address = f"/admin/auth/group/{ops.pk}/change/"
    assert desk.post(address, {"permissions": [other.pk]}).status_code == 200
    assert desk.post(address, {"name": "qa", "permissions": [mine.pk]}).status_code == 302
    ops.refresh_from_db()
    assert (ops.name, list(ops.permissions.all())) == ("ops", [mine])
    assert desk.post(f"/admin/auth/group/{more.pk}/change/", {"permissions": [mine.pk]}).status_code == 403
    assert desk.post(f"/admin/auth/group/{more.pk}/delete/", {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [more.pk, ops.pk], "post": "yes"}
    desk.post("/admin/auth/group/", bulk)
    assert Group.objects.count() == 2


def test_rights_are_changed_by_nobody_who_only_looks(dev: Environment, ana: User) -> None:
    viewer = user_with("view_monitor", environments=[dev], is_staff=True)
    allow(viewer, "view_user", "view_group", "view_environment")
    reader = Reader(viewer, "en")
    for address in (rights_of(ana), f"/admin/permissions/environment/{dev.pk}/rights/"):
        assert "You may look at these rights but not change them." in words(reader.get(address))
        form = {"shown": ["DEV="], "granted": ["DEV=view_monitor"]}
        assert reader.post(address, form).status_code == 403
    nobody = Reader(user_with("view_monitor", environments=[dev], is_staff=True))
    for address in (rights_of(ana), f"/admin/permissions/user/{ana.pk}/overview/",
                    "/admin/permissions/user/who-can/", "/admin/permissions/user/why-not/"):  # fmt: skip
        assert nobody.get(address).status_code == 403
    assert granted(ana) == {}


def test_users_that_one_may_not_see_are_unknown(dev: Environment, ana: User) -> None:
    clerk = user_with("view_monitor", environments=[dev], is_staff=True)
    allow(clerk, "change_environment", "view_environment")
    reader = Reader(clerk, "en")
    address = f"/admin/permissions/environment/{dev.pk}/rights/"
    assert 'value="user:ana"' not in text(reader.get(address))
    for name in ("user:ana", "user:nobody"):
        answer = reader.post(address, {"added": name, "begins": ["view_monitor"]})
        assert (answer.status_code, f"There is no {name}." in words(answer)) == (400, True)


def test_tokens_of_others_do_not_exist(desk: Reader, dora: User, ana: User) -> None:
    for user in (dora, ana):
        tokens.issue(user, name=f"of-{user.username}")
    theirs = ApiToken.objects.get(user=ana)
    listing = words(desk.get("/admin/permissions/apitoken/"))
    assert ("of-dora" in listing, "of-ana" in listing) == (True, False)
    for action in ("change", "delete"):
        assert desk.get(f"/admin/permissions/apitoken/{theirs.pk}/{action}/").status_code in {302, 403, 404}
    desk.post(f"/admin/permissions/apitoken/{theirs.pk}/delete/", {"post": "yes"})
    bulk = {"action": "delete_selected", "_selected_action": [theirs.pk], "post": "yes"}
    desk.post("/admin/permissions/apitoken/", bulk)
    assert ApiToken.objects.filter(pk=theirs.pk).exists()
    made = desk.post(
        "/admin/permissions/apitoken/add/", {"user": ana.pk, "name": "mine", "environments": ["DEV"]}
    )
    assert made.status_code == 200, words(made)
    assert ApiToken.objects.get(name="mine").user == dora
    assert ApiToken.objects.get(name="mine").environments == ["DEV"]


def test_an_environment_keeps_its_code_and_new_ones_are_for_who_sees_all(
    desk: Reader, dev: Environment, dora: User
) -> None:
    address = f"/admin/permissions/environment/{dev.pk}/change/"
    form = {"code": "OTHER", "name": "Dev", "position": "1", "colour": "#aabbcc", "expiry": "2d",
            "expiry_urgent": "90m", "variables": "{}"}  # fmt: skip
    assert desk.post(address, form).status_code == 302
    dev.refresh_from_db()
    assert (dev.code, dev.name) == ("DEV", "Dev")
    assert desk.post("/admin/permissions/environment/add/", form).status_code == 403
    grant(dora, VIEW, None)
    assert desk.post("/admin/permissions/environment/add/", form).status_code == 302
    assert Environment.objects.filter(code="OTHER").exists()


def test_what_stands_against_a_deletion_names_nothing_hidden(
    desk: Reader, dev: Environment, hidden: Environment, ana: User
) -> None:
    JobFactory.at("RUN", "ready", environment=hidden, created_by=ana, name="N.HIDDEN-1")
    JobFactory.at("RUN", "ready", environment=dev, created_by=ana, name="N.DEV-1")
    answer = words(desk.get(f"/admin/permissions/user/{ana.pk}/delete/"))
    assert "N.HIDDEN-1" not in answer
    assert "N.DEV-1" in answer
    assert "job N.DEV-1 and others" in answer


def test_nothing_is_edited_in_lists() -> None:
    from django.contrib import admin

    for model in (User, Group, Environment, ApiToken):
        assert admin.site.get_model_admin(model).list_editable == ()
