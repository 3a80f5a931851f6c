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
        return bool(self._count(self.elsewhere, ELSEWHERE))

    @property
    def sees_all(self) -> bool:
        """Whether they may see all environments, also those to come."""
        unlimited = self.limits is None or self.limits.environments is None
        held = self.everywhere if self.limits is None or self.limits.rights is None else self._limited()
        return self.signs_in and unlimited and (self.is_superuser or Right.VIEW_MONITOR in held)

    @property
    def sees_anything(self) -> bool:
        """Whether they may see at least one environment."""
        return self.sees_here or self.sees_elsewhere or self.sees_all

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
    """

    words: str
    decide: Callable[[Person], str]
    is_public: bool = False
    right: Right = Right.VIEW_MONITOR

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


def staff(*permissions: str, where: str = "") -> Access:
    """Return the access of a page of the administration.

    Args:
        permissions: Django's; any of them is enough. None for every administrator.
        where: ``here`` for a thing of one environment, ``all`` for what is for all of them, ``both`` for a thing that is used
            in both.
    """
    short = " or ".join(f"`{name}`" for name in permissions)
    words = ["staff", *([short] if short else []), *([_PLACES[where]] if where else [])]

    def decide(person: Person) -> str:
        if not (person.is_staff or person.is_superuser):
            return SIGN_IN
        if permissions and not any(person.has(name) for name in permissions):
            return FORBIDDEN
        if where == "here" and not person.sees_here:
            return ABSENT
        if where == "both" and not (person.sees_all or (person.sees_here and person.sees_elsewhere)):
            return ABSENT
        return FORBIDDEN if where == "all" and not person.sees_all else OK

    return Access(" + ".join(words), decide)


def _signs(person: Person) -> str:
    if not person.sees_here:
        return ABSENT
    return OK if person.signs else forbidden(Right.APPROVE_ALL)


def _refused_to_staff(person: Person) -> str:
    return FORBIDDEN if person.is_staff or person.is_superuser else SIGN_IN


_RIGHTS: Final = {right: _right(right) for right in Right}
_PLACES: Final = {
    "here": "`view_monitor` in its environment",
    "all": "`view_monitor` on `*`",
    "both": "`view_monitor` in every environment where it is used",
}

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
ADMINISTERS: Final = Access(
    "administrators (superusers)", lambda person: OK if person.administers else FORBIDDEN
)
NEVER: Final = Access("nobody: for reading only", _refused_to_staff)
