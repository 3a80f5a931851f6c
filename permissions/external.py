"""Accounts of people who are known elsewhere: whose account it is, and what it becomes at each sign-in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.contrib.auth.models import Group
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction

from permissions.exceptions import SignInRefused
from permissions.models import ExternalIdentity, User

CREATE: Final = "create"
LINK: Final = "link"
_LONGEST_NAME: Final = 150
_FIRST_SIGN_INS: Final = 0x636C61726976_0042


@dataclass(frozen=True, slots=True)
class Person:
    """What a provider or directory says of somebody.

    Attributes:
        issuer: Who says it.
        subject: What it calls the person, and never anybody else.
        username: The name that an account would have.
        email: Empty when it says none.
        first_name: The same.
        last_name: The same.
        groups: Names of the person's groups there; ``None`` when nobody asked for them.
    """

    issuer: str
    subject: str
    username: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What people from one source may become here.

    Attributes:
        accounts: ``create`` makes an account for whoever is new, ``link`` takes one that was prepared, ``both`` does both.
        groups: Names of groups here by their names there, the only ones that are touched; empty: all, by the same name.
        admin_group: Members there are administrators here, and others are none; empty: nothing is touched.
    """

    accounts: str = CREATE
    groups: Mapping[str, str] = field(default_factory=dict)
    admin_group: str = ""


def account_of(person: Person, rules: Rules, *, now: datetime) -> User:
    """Return the account of ``person``, made or connected when the rules say so, as the source describes it now.

    Raises:
        SignInRefused: There is none and none may be made, it is inactive, or the name belongs to somebody else.
    """
    try:
        user = _account_of(person, rules, now)
    except IntegrityError:
        # An account of the name was made on another way meanwhile: now it is there.
        user = _account_of(person, rules, now)
    if not user.is_active:
        raise SignInRefused("inactive")
    return user


@transaction.atomic
def _account_of(person: Person, rules: Rules, now: datetime) -> User:
    identity = _identity_of(person)
    if identity is None:
        _check_name(person.username)
        with connection.cursor() as cursor:
            # First sign-ins are rare and come one after the other: two of one person make one account.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FIRST_SIGN_INS])
        identity = _identity_of(person)
    if identity is None:
        user = _prepared(person, rules) or _new(person, rules)
        identity = ExternalIdentity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
    if identity.user.is_active:
        ExternalIdentity.objects.filter(pk=identity.pk).update(last_used_at=now)
        _describe(identity.user, person)
        _synchronise(identity.user, person, rules)
    return identity.user


def _identity_of(person: Person) -> ExternalIdentity | None:
    found = ExternalIdentity.objects.select_for_update(of=("self",)).select_related("user")
    return found.filter(issuer=person.issuer, subject=person.subject).first()


def _prepared(person: Person, rules: Rules) -> User | None:
    """Return the account that waits for this person; one that could be somebody's already is refused.

    A name is a claim that its owner may be able to choose there, so it opens no account with a password, with an identity of
    this source, or with more than a user's power. An administrator can connect such an account by hand.
    """
    found = User.objects.select_for_update().filter(username__iexact=person.username).first()
    if found is None:
        return None
    waits = (
        rules.accounts != CREATE
        and found.username == person.username
        and not found.has_usable_password()
        and not found.is_superuser
        and not found.is_staff
        and not found.identities.filter(issuer=person.issuer).exists()
    )
    if not waits:
        raise SignInRefused("taken")
    return found


def _new(person: Person, rules: Rules) -> User:
    if rules.accounts == LINK:
        raise SignInRefused("unknown")
    user = User(username=person.username)
    user.set_unusable_password()
    user.save()
    return user


def _check_name(username: str) -> None:
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError:
        raise SignInRefused("name") from None
    if len(username) > _LONGEST_NAME:
        raise SignInRefused("name")


def _describe(user: User, person: Person) -> None:
    """Take over name and e-mail; what the source does not say stays."""
    said = {
        "email": person.email if _is_email(person.email) else "",
        "first_name": _plain(person.first_name),
        "last_name": _plain(person.last_name),
    }
    changed = [name for name, value in said.items() if value and getattr(user, name) != value]
    for name in changed:
        setattr(user, name, said[name])
    if changed:
        user.save(update_fields=changed)


def _synchronise(user: User, person: Person, rules: Rules) -> None:
    """Make the memberships what the source says, in the groups it may touch; groups are never made."""
    if person.groups is None:
        return
    if rules.groups:
        touched = Group.objects.filter(name__in=set(rules.groups.values()))
        wanted = {rules.groups[name] for name in person.groups if name in rules.groups}
    else:
        touched, wanted = Group.objects.all(), set(person.groups)
    groups = {group.name: group for group in touched}
    held = {group.name for group in user.groups.all() if group.name in groups}
    wanted &= groups.keys()
    user.groups.remove(*(groups[name] for name in held - wanted))
    user.groups.add(*(groups[name] for name in wanted - held))
    if rules.admin_group:
        _promote(user, rules.admin_group in person.groups)


def _promote(user: User, administers: bool) -> None:
    """Make ``user`` an administrator or none; the last one stays, or nobody could administer any more."""
    if user.is_superuser == administers:
        return
    others = User.objects.select_for_update().filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if not administers and not list(others):
        return
    user.is_superuser = user.is_staff = administers
    user.save(update_fields=["is_superuser", "is_staff"])


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 254


def _plain(text: str) -> str:
    return re.sub(r"[\x00-\x1f]", "", text)[:_LONGEST_NAME]
