"""Keeping what was ticked in a table of rights: all of it or, when anything is not right, nothing.

A form carries what it showed beside what is ticked. When somebody changed the rights meanwhile nothing is kept, and the table
is shown again with both. Boxes that the asker may not tick are not in the form, and what they stand for stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _

from permissions import grids, locks, policy
from permissions.catalog import EVERYWHERE, Right
from permissions.delegation import Reach
from permissions.echoes import clipped
from permissions.exceptions import Clash, GrantRefused, RightsChanged
from permissions.explain import Grants
from permissions.models import Environment, User
from permissions.policy import Principal

MOST_MISTAKES: Final = 20

Target = tuple[Principal, Environment | None]
Resolve = Callable[[Iterable[str]], dict[str, Target]]
"""Finds what the keys of rows stand for; a key that stands for nothing is left out."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a form says.

    Attributes:
        shown: Rights that it showed, by key of the row.
        ticked: Rights that are ticked, for the same keys.
        added: Key of a row that it did not show; empty for none.
        mistakes: What is wrong with the form itself.
    """

    shown: dict[str, frozenset[Right]] = field(default_factory=dict)
    ticked: dict[str, frozenset[Right]] = field(default_factory=dict)
    added: str = ""
    mistakes: list[str] = field(default_factory=list)


def read(shown: Sequence[str], granted: Sequence[str], added: str = "", begins: Sequence[str] = ()) -> Wishes:
    """Read a form.

    Args:
        shown: Rows with the rights that were granted, ``group:ops=view_monitor,restart``.
        granted: Ticked boxes, ``group:ops=restart``.
        added: Key of a row to add, or empty.
        begins: Names of the rights that the added row gets.

    Returns:
        What it says; a right that there is not, or a ticked box of a row that it does not show, is a mistake.
    """
    wishes = Wishes(added=added.strip())
    mistakes = wishes.mistakes
    for text in shown:
        key, _sign, names = text.rpartition("=")
        wishes.shown[key] = _rights(filter(None, names.split(",")), mistakes)
        wishes.ticked[key] = frozenset()
    for text in granted:
        key, _sign, name = text.rpartition("=")
        if key not in wishes.ticked:
            mistakes.append(_("%(key)s is ticked but not shown in the form.") % {"key": clipped(key)})
            continue
        wishes.ticked[key] |= _rights([name], mistakes)
    if wishes.added:
        if wishes.added in wishes.shown:
            mistakes.append(_("%(key)s is in the table already.") % {"key": clipped(wishes.added)})
            return wishes
        wishes.shown[wishes.added] = frozenset()
        wishes.ticked[wishes.added] = _rights(begins, mistakes)
        if not begins:
            mistakes.append(_("Choose at least one right for %(key)s.") % {"key": clipped(wishes.added)})
    return wishes


def _rights(names: Iterable[str], mistakes: list[str]) -> frozenset[Right]:
    known = {right.value for right in Right}
    found = set()
    for name in names:
        if name in known:
            found.add(Right(name))
        else:
            mistakes.append(_("There is no right %(name)s.") % {"name": clipped(name)})
    return frozenset(found)


def rows_of_principal(principal: Principal, reach: Reach) -> Resolve:
    """Return what finds the environments that the rows of a user or group stand for."""

    def resolve(keys: Iterable[str]) -> dict[str, Target]:
        wanted = set(keys)
        named = reach.environments().filter(code__in=[key for key in wanted if "\0" not in key])
        found: dict[str, Target] = {environment.code: (principal, environment) for environment in named}
        if EVERYWHERE in wanted:
            found[EVERYWHERE] = (principal, None)
        return found

    return resolve


def rows_of_environment(environment: Environment | None) -> Resolve:
    """Return what finds the users and groups that the rows of an environment stand for."""

    def resolve(keys: Iterable[str]) -> dict[str, Target]:
        return {key: (principal, environment) for key, principal in grids.principals(keys).items()}

    return resolve


@transaction.atomic
def keep(wishes: Wishes, resolve: Resolve, asker: User) -> int:
    """Make the rights what the form says, and return how many grants that changed.

    Args:
        wishes: What the form says.
        resolve: Finds what its rows stand for.
        asker: Who must be allowed to grant and to take what is changed, as it is now.

    Raises:
        GrantRefused: The form has mistakes, a row stands for nothing, or the asker may not change it like this.
        RightsChanged: The rights are others than the form showed.
    """
    if wishes.mistakes:
        raise GrantRefused(wishes.mistakes[:MOST_MISTAKES])
    locks.hold()
    reach = Reach(asker)
    targets = resolve(wishes.shown)
    unknown = sorted(set(wishes.shown) - set(targets))
    if unknown:
        raise GrantRefused(
            [_("There is no %(key)s.") % {"key": clipped(key)} for key in unknown[:MOST_MISTAKES]]
        )
    present = _present(targets)
    clashes = [
        Clash(key, shown, present[key], wishes.ticked[key])
        for key, shown in wishes.shown.items()
        if shown != present[key]
    ]
    if clashes:
        raise RightsChanged(clashes)
    refusals = [text for key in targets for text in _beyond(key, wishes, present[key], targets[key], reach)]
    if refusals:
        raise GrantRefused(refusals)
    changed = 0
    for key, (principal, environment) in targets.items():
        stays = present[key] - _may(targets[key], reach)
        if wishes.ticked[key] | stays != present[key]:
            changed += len(policy.set_rights(principal, environment, wishes.ticked[key] | stays))
    return changed


def _present(targets: dict[str, Target]) -> dict[str, frozenset[Right]]:
    """Return what is granted now in each row, in four queries."""
    users = [principal.pk for principal, _where in targets.values() if isinstance(principal, User)]
    groups = [principal.pk for principal, _where in targets.values() if isinstance(principal, Group)]
    places = [where.pk for _principal, where in targets.values() if where is not None]
    grants = Grants(
        policy.read_grants(
            users=User.objects.filter(pk__in=users),
            groups=Group.objects.filter(pk__in=groups),
            environments=Environment.objects.filter(pk__in=places),
        )
    )
    return {
        key: grants.to(grids.key_of(principal), where.code if where else EVERYWHERE)
        for key, (principal, where) in targets.items()
    }


def _may(target: Target, reach: Reach) -> frozenset[Right]:
    principal, environment = target
    return reach.rights_on(environment) if reach.may_grant_to(principal) else frozenset()


def _beyond(
    key: str, wishes: Wishes, present: frozenset[Right], target: Target, reach: Reach
) -> Iterable[str]:
    """Yield why the asker may not make a row what the form says; boxes that cannot be ticked do not untick anything."""
    principal, environment = target
    given = wishes.ticked[key] - present
    where = environment.code if environment else EVERYWHERE
    for right in Right:
        if right in given and right not in _may(target, reach):
            words = {"right": right.value, "where": where, "who": grids.key_of(principal)}
            yield _("You may not grant %(right)s on %(where)s to %(who)s.") % words
