"""Who may do this in PROD, and why not Ana? Answered in the admin, at a cost that does not grow with the users."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from permissions.catalog import Right
from permissions.models import Environment, EnvironmentUserGrant, User
from permissions.policy import grant
from tests.factories import EnvironmentFactory, GroupFactory, UserFactory, hashed
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

VIEW, RESTART, APPROVE = Right.VIEW_MONITOR, Right.RESTART, Right.APPROVE_ALL
WHO = "/admin/permissions/user/who-can/"
WHY = "/admin/permissions/user/why-not/"


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def boss() -> Reader:
    return Reader(UserFactory.create(username="boss", is_staff=True, is_superuser=True), "en")


@pytest.fixture
def ops(prod: Environment) -> Group:
    group: Group = GroupFactory.create(name="ops")
    for right in (VIEW, RESTART):
        grant(group, right, prod)
    return group


def test_who_can_names_everybody_with_the_way(boss: Reader, prod: Environment, ops: Group) -> None:
    ben, eve, vera, zoe = (UserFactory.create(username=name) for name in ("ben", "eve", "vera", "zoe"))
    gone = UserFactory.create(username="gone", is_active=False)
    for user in (ben, gone):
        user.groups.add(ops)
    grant(eve, RESTART, None)
    grant(vera, RESTART, prod)
    grant(vera, VIEW, None)
    grant(zoe, VIEW, prod)
    page = words(boss.get(f"{WHO}?right=restart&environment=PROD"))
    assert "3 users may use restart in PROD" in page
    for line in (
        "ben through group ops ✓ counts",
        "boss – ✓ superuser: holds all rights",
        "vera own grant ✓ counts",
        "eve own grant on * ✗ holds it without view_monitor, so it does not count",
        "gone through group ops ✗ inactive: may do nothing",
    ):
        assert line in page
    assert "zoe" not in page
    assert "5 users" not in page


def test_why_not_is_a_chain_of_sentences(boss: Reader, prod: Environment, ops: Group) -> None:
    ana = UserFactory.create(username="ana")
    qa = GroupFactory.create(name="qa")
    ana.groups.add(qa)
    grant(qa, APPROVE, prod)
    page = words(boss.get(f"{WHY}?user=ana&right=restart&environment=PROD&action=rerun"))
    for sentence in (
        "ana may not use restart in PROD.",
        "ana is active.",
        "ana is no superuser.",
        "Nothing was granted to ana directly, neither on PROD nor on *.",
        "The group qa gives: approve_all (PROD).",
        "ana lacks restart on PROD.",
        "ana lacks view_monitor on PROD: no other right counts without it",
        "The action rerun needs restart",
        "Grant view_monitor on PROD to ana or to one of its groups.",
        "Grant restart on PROD to ana or to one of its groups.",
        "Or put ana into a group that gives it: ops.",
    ):
        assert sentence in page, sentence
    ana.groups.add(ops)
    assert "ana may use restart in PROD." in words(boss.get(f"{WHY}?user=ana&right=restart&environment=PROD"))


def test_groups_are_named_to_those_who_may_see_them(prod: Environment, ops: Group) -> None:
    clerk = UserFactory.create(username="clerk", is_staff=True)
    grant(clerk, VIEW, prod)
    clerk.user_permissions.add(Permission.objects.get(codename="view_user"))
    ana, ben = (UserFactory.create(username=name) for name in ("ana", "ben"))
    ben.groups.add(ops, GroupFactory.create(name="release-managers"))
    reader = Reader(clerk, "en")
    pages = {
        f"{WHO}?right=restart&environment=PROD": "ben through a group ✓ counts",
        f"{WHY}?user=ana&right=restart&environment=PROD": "Or put ana into a group that gives it.",
        f"{WHY}?user=ben&right=restart&environment=PROD": "A group gives: view_monitor, restart (PROD).",
        f"/admin/permissions/user/{ben.pk}/overview/": "through a group",
        f"/admin/permissions/user/{ben.pk}/rights/": "through a group",
    }
    for address, sentence in pages.items():
        found = words(reader.get(address))
        assert sentence in found, address
        assert "ops" not in found, address
        assert "release-managers" not in found, address
    clerk.user_permissions.add(Permission.objects.get(codename="view_group"))
    for address in pages:
        assert "ops" in words(Reader(clerk, "en").get(address))
    assert ana.groups.count() == 0


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("user=nobody&right=restart&environment=PROD", "There is no user nobody."),
        ("user=a%00b&right=restart&environment=PROD", "Null characters are not allowed."),
        ("user=boss&right=fly&environment=PROD", "fly is not one of the available choices"),
        ("user=boss&right=restart&environment=NOWHERE", "NOWHERE is not one of the available choices"),
        ("user=boss&right=restart&environment=PROD&action=fly", "fly is not one of the available choices"),
        ("user=boss", "This field is required."),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    boss: Reader, prod: Environment, query: str, reason: str
) -> None:
    answer = boss.get(f"{WHY}?{query}")
    assert (answer.status_code, reason in words(answer)) == (400, True)


def test_everything_that_somebody_may_do(boss: Reader, prod: Environment, ops: Group) -> None:
    EnvironmentFactory.create(code="DEV")
    ana = UserFactory.create(username="ana")
    ana.groups.add(ops)
    grant(ana, APPROVE, None)
    address = f"/admin/permissions/user/{ana.pk}/overview/"
    page = boss.get(address)
    assert 'aria-label="PROD: restart: may"' in text(page)
    assert 'aria-label="PROD: approve_all: may"' in text(page)
    assert 'aria-label="DEV: approve_all: may not"' in text(page)
    assert "does not count" in words(page)
    User.objects.filter(pk=ana.pk).update(is_active=False)
    assert 'aria-label="PROD: restart: may not"' in text(boss.get(address))
    User.objects.filter(pk=ana.pk).update(is_active=True, is_superuser=True)
    assert 'aria-label="DEV: create: may"' in text(boss.get(address))
    assert boss.get("/admin/permissions/user/999999/overview/").status_code == 404


def test_pages_link_to_each_other(boss: Reader, prod: Environment, ops: Group) -> None:
    ana = UserFactory.create(username="ana")
    for address in ("permissions/user/", f"permissions/environment/{prod.pk}/change/",
                    f"permissions/environment/{prod.pk}/rights/", f"auth/group/{ops.pk}/change/"):  # fmt: skip
        assert WHO in text(boss.get(f"/admin/{address}")), address
    page = text(boss.get(f"/admin/permissions/user/{ana.pk}/change/"))
    assert f"{WHY}?user=ana" in page
    assert f"/admin/permissions/user/{ana.pk}/overview/" in page


def test_two_thousand_users_and_fifty_environments_cost_no_more_queries(
    boss: Reader, prod: Environment, ops: Group, django_assert_max_num_queries: Any
) -> None:
    EnvironmentFactory.create_batch(50)
    password = hashed("x")
    users = User.objects.bulk_create(
        User(username=f"mass{number:04}", password=password) for number in range(2000)
    )
    User.groups.through._default_manager.bulk_create(
        User.groups.through(user=user, group=ops) for user in users[:1000]
    )
    restart = Permission.objects.get(codename=RESTART.codename)
    EnvironmentUserGrant.objects.bulk_create(
        EnvironmentUserGrant(user=user, permission=restart, content_object=prod) for user in users[1000:]
    )
    with django_assert_max_num_queries(14):
        answer = boss.get(f"{WHO}?right=restart&environment=PROD")
    assert "1001 users may use restart in PROD" in words(answer)
    with django_assert_max_num_queries(14):
        boss.get(f"{WHY}?user=mass0001&right=restart&environment=PROD")
    with django_assert_max_num_queries(14):
        boss.get(f"/admin/permissions/user/{users[0].pk}/overview/")
    with django_assert_max_num_queries(20):
        boss.get(f"/admin/permissions/environment/{prod.pk}/rights/")
