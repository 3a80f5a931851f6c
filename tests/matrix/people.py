"""Who tries the doors: every right in every way to hold it, and those who hold something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.test import Client

from permissions import tokens
from permissions.catalog import BY_CODENAME, Right
from permissions.models import ApiToken, Environment, User
from tests.factories import GroupFactory, UserFactory, grant
from tests.matrix.access import HERE, NO_RIGHTS, Limits, Person

ALL: Final = frozenset(Right)
VIEW: Final = frozenset({Right.VIEW_MONITOR})


def _ways(right: Right) -> Iterator[Person]:
    """Yield those who hold one right in every way, and those who hold everything else.

    Were a door open for another right than its own, it would be open for those who hold all but that one.
    """
    both, name, others = VIEW | {right}, right.value, ALL - {right}
    yield Person(f"{name} here", here=both)
    yield Person(f"{name} elsewhere", elsewhere=both)
    yield Person(f"{name} through a group", group=both)
    yield Person(f"{name} on *", everywhere=both)
    yield Person(f"{name} here, inactive", here=both, is_active=False)
    yield Person(f"{name} on *, inactive", everywhere=both, is_active=False)
    yield Person(f"all but {name} here", here=others)
    yield Person(f"all but {name} through a group", group=others)
    yield Person(f"all but {name} on *", everywhere=others)
    if right is not Right.VIEW_MONITOR:
        yield Person(f"{name} here without view_monitor", here=frozenset({right}))
        yield Person(f"{name} elsewhere, sees here", here=VIEW, elsewhere=both)
        yield Person(f"{name} through a group, sees here itself", here=VIEW, group=frozenset({right}))
        yield Person(f"{name} on *, sees here only", here=VIEW, everywhere=frozenset({right}))


HOLDERS: Final = {right: list(_ways(right)) for right in Right}

OTHERS: Final = [
    Person("anonymous", has_account=False),
    Person("no rights"),
    Person("all rights here", here=ALL),
    Person("named approver", here=VIEW, named="user"),
    Person("member of a named group", here=VIEW, named="group"),
    Person("named approver who may not see", named="user"),
    Person("named approver who sees elsewhere", elsewhere=ALL, named="user"),
    Person("superuser", is_superuser=True, is_staff=True),
    Person("superuser, inactive", is_superuser=True, is_staff=True, is_active=False),
]

BY_GROUP: Final = next(person for person in HOLDERS[Right.RESTART] if person.group)
"""Somebody whose group gives more than ``view_monitor``."""

SUPERUSER: Final = next(person for person in OTHERS if person.is_superuser)

STAFF: Final = [
    Person("staff with all rights here", is_staff=True, here=ALL),
    Person("staff with Django's permissions", is_staff=True, permissions=None),
    Person(
        "staff with Django's permissions, inactive",
        is_staff=True,
        permissions=None,
        here=ALL,
        is_active=False,
    ),
    Person("Django's permissions without being staff", permissions=None, here=ALL),
    Person(
        "staff with Django's permissions, all rights elsewhere",
        is_staff=True,
        permissions=None,
        elsewhere=ALL,
    ),
    Person("staff with Django's permissions, sees here", is_staff=True, permissions=None, here=VIEW),
    Person("staff with Django's permissions and all rights here", is_staff=True, permissions=None, here=ALL),
    Person("staff with Django's permissions, sees *", is_staff=True, permissions=None, everywhere=VIEW),
    Person("staff", is_staff=True),
]
"""Those who try the administration: the first four where it does not matter who holds which right where, the first six where
they may read something of an environment."""

SEES_ELSEWHERE: Final = next(person for person in STAFF if person.elsewhere)
"""Staff with all of Django's permissions for whom nothing here exists."""

STAFF_WITH: Final = {
    right: [
        Person(f"staff with {right.value} here", is_staff=True, here=VIEW | {right}),
        Person(f"staff with {right.value} through a group", is_staff=True, group=VIEW | {right}),
        Person(f"staff with {right.value} on *", is_staff=True, everywhere=VIEW | {right}),
        Person(f"staff with all but {right.value} here", is_staff=True, here=ALL - {right}),
    ]
    for right in Right
}
"""Those who try an action of the administration beside them."""

SINGLE: Final = Person("staff with all rights on *", is_staff=True, everywhere=ALL)
"""The account of those who come with a few of Django's permissions, one after the other."""

LIMITED: Final = [
    Person(
        "token limited to view_monitor", here=ALL, limits=Limits(rights=VIEW)
    ),
    Person("token limited to restart alone", here=ALL, limits=Limits(rights=frozenset({Right.RESTART}))),
    Person("token limited to restart", everywhere=ALL, limits=Limits(rights=VIEW | {Right.RESTART})),
    Person("token limited to another environment", everywhere=ALL, limits=Limits(environments=frozenset({"SPARE"}))),
    Person("token limited to this environment", everywhere=ALL, limits=Limits(environments=frozenset({HERE}))),
    Person("named approver, token limited to view_monitor", here=VIEW, named="user", limits=Limits(rights=VIEW)),
    Person("superuser, token limited to restart", is_superuser=True, limits=Limits(rights=VIEW | {Right.RESTART})),
]  # fmt: skip
"""Whoever comes with a token that may less than its user."""


def tokens_have_limits() -> bool:
    """Return whether a token can be limited to rights and environments."""
    return {"rights", "environments"} <= {field.name for field in ApiToken._meta.get_fields()}


def everybody() -> list[Person]:
    """Return all who try the doors."""
    return [
        *OTHERS,
        *(person for ways in (*HOLDERS.values(), *STAFF_WITH.values()) for person in ways),
        *STAFF,
        SINGLE,
        *limited(),
    ]


def limited() -> list[Person]:
    """Return those who come with a limited token, once there are such tokens."""
    return LIMITED if tokens_have_limits() else []


def name_in_approval(person: Person) -> str:
    """Return the name under which an approval asks for somebody."""
    return "group:signers" if person.named == "group" else f"user:{username(person)}"


def username(person: Person) -> str:
    """Return the user name of somebody."""
    return person.name.replace(" ", "-").replace("*", "all").replace("'", "").replace(",", "")


class Keys:
    """What somebody opens doors with: a session's cookie, and a token."""

    def __init__(self, person: Person, here: Environment, elsewhere: Environment, signers: Group) -> None:
        """Make the account, its grants, its session and its token."""
        self.session: Any = ""
        self.token = ""
        if not person.has_account:
            return
        user = self.user = UserFactory.create(
            username=username(person),
            is_active=person.is_active,
            is_superuser=person.is_superuser,
            is_staff=person.is_staff,
        )
        grant(user, *person.here, environments=[here])
        grant(user, *person.elsewhere, environments=[elsewhere])
        grant(user, *person.everywhere)
        if person.group != NO_RIGHTS:
            group = GroupFactory.create(name=username(person))
            grant(group, *person.group, environments=[here])
            user.groups.add(group)
        if person.named == "group":
            user.groups.add(signers)
        self.permit(person)
        self.token = _token(user, person)
        client = Client()
        client.force_login(user)
        self.session = client.cookies

    def permit(self, person: Person) -> None:
        """Give the account Django's permissions of a person."""
        found = _djangos(person.permissions)
        if person.by_group:
            group = GroupFactory.create(name="permitted")
            group.permissions.add(*found)
            self.user.groups.add(group)
        elif found:
            self.user.user_permissions.add(*found)


def djangos() -> QuerySet[Permission]:
    """Return Django's permissions; ours are granted."""
    ours = ContentType.objects.get_for_model(Environment)
    found = Permission.objects.exclude(content_type=ours, codename__in=tuple(BY_CODENAME))
    return found.select_related("content_type")


def name_of(permission: Permission) -> str:
    """Return what programs call a permission of Django's: ``jobs.view_project``."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def _djangos(names: frozenset[str] | None) -> list[Permission]:
    if names is not None and not names:
        return []
    return [each for each in djangos() if names is None or name_of(each) in names]


def _token(user: User, person: Person) -> str:
    """Return a token of the user, limited when the person's is."""
    token = tokens.issue(user)
    if (limits := person.limits) is not None:
        rights, environments = limits.rights, limits.environments
        values: dict[str, Any] = {
            "rights": None if rights is None else sorted(right.value for right in rights),
            "environments": None if environments is None else sorted(environments),
        }
        ApiToken.objects.filter(user=user).update(**values)
    return token
