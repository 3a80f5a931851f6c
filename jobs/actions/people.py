"""Writing users and groups, by administrators: created, changed and deleted one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from jobs.actions import references, rows
from jobs.actions.catalogue import note_in_history
from jobs.audit import together
from jobs.exceptions import InvalidInput, JobError
from permissions import locks
from permissions.accounts import is_last_superuser
from permissions.models import User

MOST_UNKNOWN: Final = 20


class NameTaken(JobError):
    """There is a user, or a group, of this name.

    Attributes:
        field: ``username`` or ``name``.
    """

    code = "name_taken"

    def __init__(self, field: str, name: str) -> None:
        super().__init__(f"The name {name} is taken.")
        self.field = field


class LastSuperuser(JobError):
    """Nobody would be left who may do everything."""

    code = "last_superuser"

    def __init__(self, username: str) -> None:
        super().__init__(f"Without {username} there would be no active superuser left.")


def create_user(
    values: Mapping[str, Any], actor: User, *, password: str | None, groups: Sequence[str]
) -> User:
    """Make a user.

    Args:
        values: Columns, ``username`` among them.
        actor: Who does it; an administrator.
        password: ``None`` for one that nobody knows.
        groups: Names of all groups of the user.

    Raises:
        NameTaken: There is one of this name.
        InvalidInput: A group does not exist, or the password is too weak.
    """
    user = User(**values)
    _check_password(password, user)
    if password is None:
        user.set_unusable_password()
    else:
        user.set_password(password)
    with _change(), _unique("username", user.username):
        # Also in other letters' case: one could be taken for the other where rules name approvers.
        if User.objects.filter(username__iexact=user.username).exists():
            raise NameTaken("username", user.username)
        user.save(force_insert=True)
        user.groups.set(_groups(groups))
        note_in_history(user, actor, ADDITION)
    return user


def change_user(
    user: User,
    values: Mapping[str, Any],
    actor: User,
    *,
    password: str | None = None,
    groups: Sequence[str] | None = None,
) -> User:
    """Change some columns of a user; who becomes inactive, or gets another password, loses all sessions.

    Args:
        user: Whom.
        values: Columns.
        actor: Who does it; an administrator.
        password: A new one; ``None`` for the same.
        groups: Names of all groups; ``None`` for the same.

    Raises:
        Gone: The user was deleted meanwhile.
        LastSuperuser: The user would be none any more, and is the last one.
        InvalidInput: A group does not exist, or the password is too weak.
    """
    with _change():
        locked = rows.locked(user)
        for name, value in values.items():
            setattr(locked, name, value)
        if not (locked.is_active and locked.is_superuser) and is_last_superuser([locked.pk]):
            raise LastSuperuser(locked.username)
        _check_password(password, locked)
        if password is not None:
            locked.set_password(password)
        locked.save()
        if groups is not None:
            locked.groups.set(_groups(groups))
        note_in_history(locked, actor, CHANGE)
    return locked


def delete_user(user: User, actor: User) -> None:
    """Delete a user whom nothing refers to; rights and tokens go along.

    Raises:
        Gone: Somebody was quicker.
        Referenced: Jobs, schedules, signatures or rules name the user: make them inactive instead.
        LastSuperuser: Nobody would be left who may do everything.
    """
    with _change():
        user = rows.locked_to_delete(user)
        if is_last_superuser([user.pk]):
            raise LastSuperuser(user.username)
        note_in_history(user, actor, DELETION)
        references.delete(user, user.username, actor)


def create_group(name: str, members: Sequence[str], actor: User) -> Group:
    """Make a group.

    Raises:
        NameTaken: There is one of this name.
        InvalidInput: A member does not exist.
    """
    with _change(), _unique("name", name):
        if Group.objects.filter(name=name).exists():
            raise NameTaken("name", name)
        group = Group.objects.create(name=name)
        _set_members(group, members)
        note_in_history(group, actor, ADDITION)
    return group


def change_members(group: Group, members: Sequence[str], actor: User) -> Group:
    """Make the members of a group exactly these.

    Raises:
        Gone: The group was deleted meanwhile.
        InvalidInput: One of them does not exist.
    """
    with _change():
        group = rows.locked(group)
        _set_members(group, members)
        note_in_history(group, actor, CHANGE)
    return group


def delete_group(group: Group, actor: User) -> None:
    """Delete a group that no rule and no open approval names; its rights go along.

    Raises:
        Gone: Somebody was quicker.
        Referenced: One does.
    """
    with _change():
        group = rows.locked_to_delete(group)
        note_in_history(group, actor, DELETION)
        references.delete(group, group.name, actor)


@contextmanager
def _change() -> Iterator[None]:
    """Do all of it or nothing, one change of the configuration after the other."""
    with transaction.atomic(), together():
        locks.hold()
        yield


@contextmanager
def _unique(field: str, name: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:  # a sign-in that makes its user was quicker
        raise NameTaken(field, name) from error


def _check_password(password: str | None, user: User) -> None:
    if password is None:
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput({"password": list(error.messages)}) from error


def _set_members(group: Group, names: Sequence[str]) -> None:
    found = User.objects.filter(username__in=names)
    _refuse_unknown("members", "user", names, {user.username for user in found})
    before = set(User.objects.filter(groups=group))
    # From the user's side, so that the audit notes it as what it is: a change of each user's groups.
    for user in before - set(found):
        user.groups.remove(group)
    for user in set(found) - before:
        user.groups.add(group)


def _groups(names: Sequence[str]) -> list[Group]:
    found = list(Group.objects.filter(name__in=names))
    _refuse_unknown("groups", "group", names, {group.name for group in found})
    return found


def _refuse_unknown(field: str, what: str, names: Sequence[str], known: set[str]) -> None:
    errors = {
        f"{field}[{index}]": [f"Unknown {what}: {name[:50]}."]
        for index, name in enumerate(names)
        if name not in known
    }
    if errors:
        raise InvalidInput(dict(list(errors.items())[:MOST_UNKNOWN]))
