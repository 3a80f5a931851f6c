"""What a door may ask for, and what it answers whom: the contract's sentences about rights, as functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from permissions.catalog import Right

NO_RIGHTS: Final[frozenset[Right]] = frozenset()

HERE: Final = "QA-zznear"
ELSEWHERE: Final = "PROD-zzfar"
"""Codes of the two environments. Nothing else is called so: whoever reads one of them was told of it."""

OK: Final = "ok"
SIGN_IN: Final = "sign in"
ABSENT: Final = "absent"
FORBIDDEN: Final = "forbidden"
BEYOND: Final = "beyond"
"""Refused in a form, since nobody hands out more than they hold."""

UNKNOWN: Final = "unknown"
"""Refused in a form, since users do not exist for who may not look at them."""


def forbidden(right: Right) -> str:
    """Return the answer 403 that names a right."""
    return f"{FORBIDDEN}: {right.codename}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token is limited to; ``None`` is no limit."""

    rights: frozenset[Right] | None = None
    environments: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who tries all doors. Nothing here is read from the product: it is what was granted.

    Attributes:
        name: How failures and columns call it.
        here: Rights granted on the environment of the things behind the doors.
        elsewhere: Rights granted on another environment.
        everywhere: Rights granted on ``*``.
        group: Rights granted on the environment here, through a group.
        permissions: Django's permissions, ``jobs.view_project``; ``None`` for all of them but ours.
        by_group: Whether a group has Django's permissions for them.
        named: Whether the approval names them: ``user``, ``group`` or not at all.
        limits: Of the token; such a person comes with a token only.
    """

    name: str
    here: frozenset[Right] = NO_RIGHTS
    elsewhere: frozenset[Right] = NO_RIGHTS
    everywhere: frozenset[Right] = NO_RIGHTS
    group: frozenset[Right] = NO_RIGHTS
    is_active: bool = True
    is_superuser: bool = False
    is_staff: bool = False
    has_account: bool = True
    permissions: frozenset[str] | None = field(default_factory=frozenset)
    by_group: bool = False
    named: str = ""
    limits: Limits | None = None

    @property
    def signs_in(self) -> bool:
        """Whether they are let in at all."""
        return self.has_account and self.is_active

    @property
    def rights(self) -> frozenset[Right]:
        """The rights that count here: none without ``view_monitor`` (section 5)."""
        return self._count(self.here | self.group, HERE)

    @property
    def rights_elsewhere(self) -> frozenset[Right]:
        """The rights that count in the other environment."""
        return self._count(self.elsewhere, ELSEWHERE)

    @property
    def administers(self) -> bool:
        """Whether they are an administrator; one with a limited token is none."""
        return self.signs_in and self.is_superuser and self.limits is None

    @property
    def sees_here(self) -> bool:
        """Whether they may see the environment here."""
        return Right.VIEW_MONITOR in self.rights

    @property
    def sees_elsewhere(self) -> bool:
        """Whether they may see the other environment."""
        return bool(self.rights_elsewhere)

    @property
    def sees_all(self) -> bool:
        """Whether they may see all environments, also those to come."""
        unlimited = self.limits is None or self.limits.environments is None
        held = self.everywhere if self.limits is None or self.limits.rights is None else self._limited()
        return self.signs_in and unlimited and (self.is_superuser or Right.VIEW_MONITOR in held)

    @property
    def sees_anything(self) -> bool:
        """Whether they may see at least one environment; a token may be limited to one that is behind no door."""
        return self.sees_here or self.sees_elsewhere or self.sees_all or self.sees_another

    @property
    def sees_another(self) -> bool:
        """Whether they may see an environment of which no door here is about, to which their token is limited."""
        codes = self.limits.environments if self.limits is not None else None
        return any(self._count(NO_RIGHTS, code) for code in codes or ())

    @property
    def signs(self) -> bool:
        """Whether they may sign: a named approver or ``approve_all``, both only with ``view_monitor``."""
        counts = self.named and (self.limits is None or self.limits.rights is None)
        return self.sees_here and (bool(counts) or Right.APPROVE_ALL in self.rights)

    def has(self, permission: str) -> bool:
        """Return whether Django's permission is theirs."""
        return self.is_superuser or self.permissions is None or permission in self.permissions

    def _limited(self) -> frozenset[Right]:
        held = frozenset(Right) if self.is_superuser else self.everywhere
        limit = self.limits.rights if self.limits is not None else None
        return held if limit is None else held & limit

    def _count(self, granted: frozenset[Right], code: str) -> frozenset[Right]:
        if not self.signs_in:
            return NO_RIGHTS
        held = frozenset(Right) if self.is_superuser else granted | self.everywhere
        if self.limits is not None:
            if self.limits.environments is not None and code not in self.limits.environments:
                return NO_RIGHTS
            held = held if self.limits.rights is None else held & self.limits.rights
        return held if Right.VIEW_MONITOR in held else NO_RIGHTS


@dataclass(frozen=True, slots=True)
class Access:
    """Whom a door lets in.

    Attributes:
        words: For administrators, in the table.
        decide: The answer to somebody who is signed in.
        is_public: Whether it lets everybody in.
        right: The right that it is about.
        is_local: Whether the answer depends on what somebody holds in which environment.
    """

    words: str
    decide: Callable[[Person], str]
    is_public: bool = False
    right: Right = Right.VIEW_MONITOR
    is_local: bool = True

    def answer(self, person: Person) -> str:
        """Return the answer to ``person``."""
        if self.is_public:
            return OK
        return self.decide(person) if person.signs_in else SIGN_IN


def _right(right: Right) -> Access:
    def decide(person: Person) -> str:
        if not person.sees_here:
            return ABSENT
        return OK if right in person.rights else forbidden(right)

    return Access(f"`{right.value}` in its environment", decide, right=right)


def needs(right: Right) -> Access:
    """Return the access of a door that needs a right in the environment of what is behind it."""
    return _RIGHTS[right]


def staff(*permissions: str, every: tuple[str, ...] = (), where: str = "") -> Access:
    """Return the access of a page of the administration.

    Args:
        permissions: Django's; any of them is enough. None for every administrator.
        every: More of them; all are needed.
        where: Which things it is about, and what of our rights it needs, a key of ``PLACES``.
    """
    short = " or ".join(f"`{name}`" for name in permissions)
    words = ["staff", *([short] if short else []), *(f"`{name}`" for name in every)]
    if where:
        words.append(PLACES[where].words)

    def decide(person: Person) -> str:
        if not (person.is_staff or person.is_superuser):
            return SIGN_IN
        if permissions and not any(person.has(name) for name in permissions):
            return FORBIDDEN
        if not all(person.has(name) for name in every):
            return FORBIDDEN
        return PLACES[where].decide(person) if where else OK

    return Access(" + ".join(words), decide, is_local=bool(where))


def _signs(person: Person) -> str:
    if not person.sees_here:
        return ABSENT
    return OK if person.signs else forbidden(Right.APPROVE_ALL)


def _refused_to_staff(person: Person) -> str:
    return FORBIDDEN if person.is_staff or person.is_superuser else SIGN_IN


def _superusers(person: Person) -> str:
    return OK if person.is_superuser else _refused_to_staff(person)


def _holds_all_here(person: Person) -> str:
    return OK if person.rights == frozenset(Right) else FORBIDDEN


def _grants_to_a_superuser(person: Person) -> str:
    if not person.sees_here:
        return ABSENT
    return OK if person.is_superuser else BEYOND


def _grants_to_a_user(person: Person) -> str:
    looks = person.has("permissions.view_user") or person.has("permissions.change_user")
    return OK if looks else UNKNOWN


def _create_here(person: Person) -> str:
    if not person.sees_here:
        return ABSENT
    return OK if Right.CREATE in person.rights else FORBIDDEN


def _create_anywhere(person: Person) -> str:
    somewhere = Right.CREATE in person.rights | person.rights_elsewhere
    return OK if somewhere or person.is_superuser else FORBIDDEN


def _create_to_make(person: Person) -> str:
    if _create_anywhere(person) != OK:
        return FORBIDDEN
    return OK if Right.CREATE in person.rights else ABSENT


_RIGHTS: Final = {right: _right(right) for right in Right}
_SEES_HERE: Final = "`view_monitor` in its environment"
_SEES_ALL: Final = "`view_monitor` on `*`"


@dataclass(frozen=True, slots=True)
class Place:
    """What of our rights a page of the administration needs.

    Attributes:
        words: For administrators, in the table.
        decide: The answer to staff with Django's permission.
    """

    words: str
    decide: Callable[[Person], str]


PLACES: Final = {
    "here": Place(_SEES_HERE, lambda person: OK if person.sees_here else ABSENT),
    "all": Place(_SEES_ALL, lambda person: OK if person.sees_all else FORBIDDEN),
    "both": Place(
        "`view_monitor` in every environment where it is used",
        lambda person: OK if person.sees_all or (person.sees_here and person.sees_elsewhere) else ABSENT,
    ),
    # A thing of an environment in which none of those who try was granted anything.
    "other": Place(_SEES_HERE, lambda person: OK if person.sees_all else ABSENT),
    "of another": Place("its user, or a superuser", lambda person: OK if person.is_superuser else ABSENT),
    "grants here": Place(
        "what is granted, in that environment", lambda person: OK if person.sees_here else ABSENT
    ),
    "grants to a user here": Place(
        "what is granted, in that environment",
        lambda person: _grants_to_a_user(person) if person.sees_here else ABSENT,
    ),
    "grants to a user everywhere": Place(
        "what is granted, on `*`",
        lambda person: _grants_to_a_user(person) if person.sees_all else BEYOND,
    ),
    "holds more": Place("all that it holds", _holds_all_here),
    "superuser": Place("a superuser's", lambda person: OK if person.is_superuser else FORBIDDEN),
    "grants to a superuser": Place("being a superuser", _grants_to_a_superuser),
    "creates here": Place("`create` in its environment", _create_here),
    "creates anywhere": Place("`create` in any environment", _create_anywhere),
    "creates": Place("`create` in its environment", _create_to_make),
}
"""By name: a thing here, what is for all environments, a thing in another one, something of another user, granting
``view_monitor``, accounts and groups that hold more than some of those who try, and schedules, which create jobs."""

PUBLIC: Final = Access("everybody", lambda person: OK, is_public=True)
SIGNED_IN: Final = Access("everybody signed in", lambda person: OK)
LISTS: Final = Access("everybody signed in; rows of environments that they see", lambda person: OK)
SEES: Final = needs(Right.VIEW_MONITOR)
SIGNS: Final = Access(
    "named approver who sees the environment, or `approve_all` in it", _signs, right=Right.APPROVE_ALL
)
SEES_ANYTHING: Final = Access(
    "whoever sees an environment", lambda person: OK if person.sees_anything else ABSENT
)
CREATES_SOMEWHERE: Final = Access(
    "whoever may create jobs in an environment",
    lambda person: OK if _create_anywhere(person) == OK else ABSENT,
)
ADMINISTERS: Final = Access(
    "administrators (superusers)", lambda person: OK if person.administers else FORBIDDEN
)
OWNER: Final = "all rights here"
"""Whose the things are that belong to a user alone, by name."""

OWN: Final = Access(
    "everybody signed in; own things only", lambda person: OK if person.name == OWNER else ABSENT
)
LOOKS_AT_OTHERS: Final = Access(
    "administrators, staff with Django's permission to look, and of users oneself",
    lambda person: OK if person.administers else ABSENT,
)
GRANT_OF_ANOTHER: Final = Access(
    "administrators, staff with Django's permission to look where they see the environment, and one's own",
    lambda person: OK if person.administers else ABSENT,
)
"""Of those who come through the doors of the API no staff has any of Django's permissions."""

LISTS_PEOPLE: Final = Access(
    "everybody signed in; all to administrators and staff with Django's permission to look, else oneself alone",
    lambda person: OK,
)
ADMINISTERS_OR_STAFF: Final = Access(
    "administrators, and staff with Django's permission as far as their own rights there go",
    lambda person: OK if person.administers else FORBIDDEN,
)
NOT_LIMITED: Final = Access(
    "everybody signed in, without a limited token; own things only, administrators all",
    lambda person: OK if person.limits is None else FORBIDDEN,
)


def _own_token(person: Person) -> str:
    if person.limits is not None:
        return FORBIDDEN
    return OK if person.name == OWNER or person.administers else ABSENT


OWN_TOKEN: Final = Access("its user and administrators, without a limited token", _own_token)
NEVER: Final = Access("nobody: for reading only", _refused_to_staff, is_local=False)
SUPERUSERS: Final = Access("superusers", _superusers, is_local=False)
STAFF_GOES_ON: Final = Access(
    "staff goes on, others are asked to sign in", lambda person: OK if person.is_staff else FORBIDDEN
)
