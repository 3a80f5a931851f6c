"""Grants one at a time: all rights of one group or user in one place, as programs see and change them.

``granting`` keeps whole tables of them, as people see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _

from permissions import locks, policy
from permissions.catalog import EVERYWHERE, Right
from permissions.delegation import Reach
from permissions.exceptions import BeyondReach, GrantExists, GrantRefused
from permissions.grids import key_of
from permissions.models import Environment, User
from permissions.policy import Principal
from permissions.rights import GrantKey, GrantRow, Sight

NOBODY: Final[frozenset[int]] = frozenset()
_PERMISSIONS: Final = {"u": ("permissions", "user"), "g": ("auth", "group")}


@dataclass(frozen=True, slots=True)
class NamedGrant:
    """A grant with what it is about.

    Attributes:
        key: As text its ``id``.
        principal: Who holds the rights.
        environment: Where; ``None`` for all of them.
        rights: All of them.
    """

    key: GrantKey
    principal: Principal
    environment: Environment | None
    rights: frozenset[Right]

    @property
    def place(self) -> str:
        """The code of the environment, or ``*``."""
        return self.environment.code if self.environment else EVERYWHERE


def sight_of(asker: User) -> Sight:
    """Return which grants there are for ``asker``.

    Administrators see all; staff who may look at users, or at groups, those on environments that they see, as in the
    administration; everybody else their own.
    """
    if policy.administers(asker):
        return Sight()
    limits = asker.limits
    places = frozenset(policy.environments_for(asker).values_list("pk", flat=True))
    if limits is None or limits.environments is None:
        places |= {0}
    users = None if may_look(asker, "u") else frozenset({asker.pk})
    return Sight(users, None if may_look(asker, "g") else NOBODY, places)


def may_look(asker: User, kind: str) -> bool:
    """Return whether ``asker`` may look at other users (``u``), or at groups (``g``): what the administration shows."""
    return policy.administers(asker) or _holds(asker, kind, ("view", "change"))


def may_grant(asker: User, kind: str | None = None) -> bool:
    """Return whether ``asker`` may grant something to users (``u``), to groups (``g``), to any when ``None``."""
    kinds = _PERMISSIONS if kind is None else (kind,)
    return policy.administers(asker) or any(_holds(asker, each, ("change",)) for each in kinds)


def _holds(asker: User, kind: str, verbs: Iterable[str]) -> bool:
    app, model = _PERMISSIONS[kind]
    return asker.is_staff and any(asker.has_perm(f"{app}.{verb}_{model}") for verb in verbs)


def named(rows: Sequence[GrantRow]) -> list[NamedGrant]:
    """Return grants with what they are about. Three queries; what was deleted meanwhile is left out."""
    groups = Group.objects.in_bulk({row.key.principal for row in rows if row.key.kind == "g"})
    users = User.objects.in_bulk({row.key.principal for row in rows if row.key.kind == "u"})
    places = Environment.objects.in_bulk({row.key.environment for row in rows if row.key.environment})
    found = []
    for row in rows:
        principal = (groups if row.key.kind == "g" else users).get(row.key.principal)
        environment = places.get(row.key.environment)
        if principal is not None and (environment is not None or not row.key.environment):
            found.append(NamedGrant(row.key, principal, environment, row.rights))
    return found


def visible(asker: User, key: GrantKey) -> NamedGrant | None:
    """Return one grant, ``None`` when there is none for ``asker``."""
    sight = sight_of(asker)
    keys = frozenset({key.principal})
    only = Sight(
        keys if key.kind == "u" else NOBODY, keys if key.kind == "g" else NOBODY, frozenset({key.environment})
    )
    rows = policy.listed(sight.within(only), beyond=None, backward=False, inclusive=False, count=1)
    return next(iter(named(rows)), None)


@transaction.atomic
def create(
    principal: Principal, environment: Environment | None, rights: frozenset[Right], asker: User
) -> NamedGrant:
    """Grant ``rights`` where nothing was granted yet.

    Raises:
        GrantExists: Something was.
        GrantRefused: No rights are named, or some are beyond what the asker may grant.
    """
    locks.hold()
    before = policy.granted_on(principal, environment)
    found = _grant(principal, environment, before or rights)
    if before:
        raise GrantExists(key_of(principal), found.place, str(found.key))
    _set(found, before, rights, asker)
    return found


@transaction.atomic
def change(found: NamedGrant, rights: frozenset[Right], asker: User) -> NamedGrant | None:
    """Make the rights of a grant exactly ``rights``; ``None`` when it was taken away meanwhile.

    Raises:
        GrantRefused: No rights are named, or some of what changes is beyond what the asker may grant.
    """
    locks.hold()
    before = policy.granted_on(found.principal, found.environment)
    if not before:
        return None
    _set(found, before, rights, asker)
    return _grant(found.principal, found.environment, rights)


@transaction.atomic
def delete(found: NamedGrant, asker: User) -> bool:
    """Take all rights of a grant; return whether it was still there.

    Raises:
        BeyondReach: Some of them are not the asker's to take.
    """
    locks.hold()
    before = policy.granted_on(found.principal, found.environment)
    if refusals := _beyond(found, before, asker):
        raise BeyondReach(" ".join(refusals))
    return bool(policy.set_rights(found.principal, found.environment, ()))


def _grant(principal: Principal, environment: Environment | None, rights: frozenset[Right]) -> NamedGrant:
    kind = "u" if isinstance(principal, User) else "g"
    key = GrantKey(kind, principal.pk, environment.pk if environment else 0)
    return NamedGrant(key, principal, environment, rights)


def _set(found: NamedGrant, before: frozenset[Right], rights: frozenset[Right], asker: User) -> None:
    if not rights:
        raise GrantRefused([_("Name at least one right; to take all of them, delete the grant.")])
    if refusals := _beyond(found, before ^ rights, asker):
        raise GrantRefused(refusals)
    policy.set_rights(found.principal, found.environment, rights)


def _beyond(found: NamedGrant, moved: frozenset[Right], asker: User) -> list[str]:
    """Return why the asker may not give or take ``moved`` there, nothing when they may."""
    reach = Reach(asker, may_grant=may_grant(asker, found.key.kind))
    may = reach.rights_on(found.environment) if reach.may_grant_to(found.principal) else frozenset()
    text = _("You may not grant or take %(right)s on %(where)s for %(who)s.")
    words = {"where": found.place, "who": key_of(found.principal)}
    return [text % {"right": right.value, **words} for right in Right if right in moved - may]
