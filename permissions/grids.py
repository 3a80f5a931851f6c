"""Tables of rights with boxes to tick, as an administrator sees them; ``permissions.granting`` keeps what was ticked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from permissions import policy
from permissions.catalog import EVERYWHERE, Right
from permissions.delegation import Reach, knows_groups
from permissions.explain import Grants, Person, Source
from permissions.models import Environment, User
from permissions.people import people
from permissions.policy import Principal

Ticks = Mapping[str, frozenset[Right]]
"""What is ticked in each row, by its key."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One box.

    Attributes:
        right: Its column.
        value: Its value in the form.
        own: Whether the right was granted right here.
        ticked: Whether the box is ticked: what is granted, or what somebody wished for who has to try again.
        editable: Whether the asker may change it.
        sources: What else gives the right here.
        counts: Whether holding it has an effect: with ``view_monitor`` it has.
    """

    right: Right
    value: str
    own: bool
    ticked: bool
    editable: bool
    sources: tuple[Source, ...]
    counts: bool

    @property
    def held(self) -> bool:
        """Whether the right is held here, through whatever."""
        return self.own or bool(self.sources)


@dataclass(frozen=True, slots=True)
class Row:
    """One environment of a user or group, or one user or group of an environment.

    Attributes:
        key: Of the row in the form: a code, ``*``, or ``group:ops``.
        label: Its head.
        note: What else to know of it.
        owner: Whose rights these are; ``None`` when the table is of one principal.
        shown: What the form carries to tell whether somebody changed it meanwhile.
        cells: The boxes.
    """

    key: str
    label: str
    note: str
    owner: Principal | None
    shown: str
    cells: tuple[Cell, ...]

    @property
    def editable(self) -> bool:
        """Whether any box may be changed."""
        return any(cell.editable for cell in self.cells)


def key_of(principal: Principal) -> str:
    """Return the name of a principal in forms and in the API: ``group:ops``, ``user:ana``."""
    return f"user:{principal.username}" if isinstance(principal, User) else f"group:{principal.name}"


def of_principal(
    principal: Principal, reach: Reach, ticks: Ticks | None = None, carried: Ticks | None = None
) -> list[Row]:
    """Return a row for ``*`` and one for each environment that exists for the asker.

    Args:
        principal: Whose rights.
        reach: Of who asks.
        ticks: What was wished for, to be shown instead of what is.
        carried: What the form showed first, to be carried on instead of what is.
    """
    environments = reach.environments()
    if isinstance(principal, User):
        users, groups = User.objects.filter(pk=principal.pk), principal.groups.all()
        person = people(users)[0]
    else:
        users, groups = User.objects.none(), Group.objects.filter(pk=principal.pk)
        person = None
    found = policy.read_grants(users=users, groups=groups, environments=environments)
    grants = Grants(found, names_groups=knows_groups(reach.asker))
    may = reach.may_grant_to(principal)
    key = key_of(principal)
    rows = []
    for environment in (None, *environments):
        code = environment.code if environment else EVERYWHERE
        label = code if environment else _("* (all environments)")
        note = environment.name if environment and environment.name != code else ""
        editable = reach.rights_on(environment) if may else frozenset()
        cells = _cells(code, code, key, person, grants, editable, ticks)
        shown = written((carried or {}).get(code, grants.to(key, code)))
        rows.append(Row(code, label, note, None, shown, cells))
    return rows


def of_environment(
    environment: Environment | None, reach: Reach, ticks: Ticks | None = None, carried: Ticks | None = None
) -> list[Row]:
    """Return a row for each group and user that was granted something there or on all environments; groups first.

    Args:
        environment: ``None`` for the grants on all of them.
        reach: Of who asks.
        ticks: What was wished for, to be shown instead of what is; its rows are shown whatever they hold.
        carried: What the form showed first, to be carried on instead of what is.
    """
    code = environment.code if environment else EVERYWHERE
    there = Environment.objects.filter(pk=environment.pk) if environment else Environment.objects.none()
    every_user, every_group = User.objects.all(), Group.objects.all()
    read = policy.read_grants(users=every_user, groups=every_group, environments=there)
    grants = Grants(read, names_groups=knows_groups(reach.asker))
    found = principals(grants.principals() | set(ticks or ()))
    users = [principal.pk for principal in found.values() if isinstance(principal, User)]
    persons = {f"user:{person.username}": person for person in people(every_user.filter(pk__in=users))}
    rows = []
    for key, principal in sorted(found.items()):
        editable = reach.rights_on(environment) if reach.may_grant_to(principal) else frozenset()
        cells = _cells(key, code, key, persons.get(key), grants, editable, ticks)
        shown = written((carried or {}).get(key, grants.to(key, code)))
        rows.append(Row(key, key, _note(persons.get(key)), principal, shown, cells))
    return rows


def principals(keys: Iterable[str]) -> dict[str, Principal]:
    """Return those that there are, by key. Two queries."""
    names: dict[str, list[str]] = {"user": [], "group": []}
    for key in keys:
        kind, _sign, name = key.partition(":")
        if kind in names and "\0" not in name:
            names[kind].append(name)
    found: list[Principal] = [
        *Group.objects.filter(name__in=names["group"]),
        *User.objects.filter(username__in=names["user"]),
    ]
    return {key_of(principal): principal for principal in found}


def group_names(most: int) -> list[str]:
    """Return what groups are called, in order, at most so many."""
    return list(Group.objects.order_by("name").values_list("name", flat=True)[:most])


def written(rights: Iterable[Right]) -> str:
    """Return rights as a form carries them, ``view_monitor,restart``."""
    held = set(rights)
    return ",".join(right.value for right in Right if right in held)


def _note(person: Person | None) -> str:
    if person is None or (person.is_active and not person.is_superuser):
        return ""
    return _("superuser: holds all rights") if person.is_active else _("inactive: may do nothing")


def _cells(
    key: str,
    code: str,
    principal: str,
    person: Person | None,
    grants: Grants,
    editable: frozenset[Right],
    ticks: Ticks | None,
) -> tuple[Cell, ...]:
    """Return the boxes of a row: of ``principal``, which is ``person`` unless it is a group, on ``code``."""
    own = grants.to(principal, code)
    wished = own if ticks is None else ticks.get(key, own)
    sources = {right: _others(right, code, person, principal, grants) for right in Right}
    sees = Right.VIEW_MONITOR in own or bool(sources[Right.VIEW_MONITOR])
    return tuple(
        Cell(
            right=right,
            value=f"{key}={right.value}",
            own=right in own,
            ticked=right in wished,
            editable=right in editable,
            sources=sources[right],
            counts=sees,
        )
        for right in Right
    )


def _others(
    right: Right, code: str, person: Person | None, principal: str, grants: Grants
) -> tuple[Source, ...]:
    """Return what gives a right beside the grant that the box stands for."""
    if person is not None:
        others = (source for source in grants.sources(person, code, right) if source != Source("", code))
        return tuple({source.text: source for source in others}.values())
    everywhere = code != EVERYWHERE and right in grants.to(principal, EVERYWHERE)
    return (Source("", EVERYWHERE),) if everywhere else ()
