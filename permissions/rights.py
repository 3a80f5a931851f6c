"""What somebody holds, as read in one pass, and what narrows it. Knows no database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from permissions.catalog import Right


@dataclass(frozen=True, slots=True)
class Limits:
    """What an API token is limited to; ``None`` stands for no limit.

    Attributes:
        rights: Of all that its user holds, only these.
        environments: Codes; the others do not exist for it.
    """

    rights: frozenset[Right] | None = None
    environments: frozenset[str] | None = None

    @property
    def key(self) -> list[list[str] | None]:
        """The limits as plain data in a stable order: what tells them from others."""
        return [None if values is None else sorted(values) for values in (self.rights, self.environments)]

    @classmethod
    def of(cls, rights: Iterable[str] | None, environments: Iterable[str] | None) -> Limits | None:
        """Return the limits of these names, ``None`` when nothing is limited; what is no right any more allows nothing."""
        if rights is None and environments is None:
            return None
        names = None if rights is None else set(rights)
        allowed = None if names is None else frozenset(right for right in Right if right in names)
        return cls(allowed, None if environments is None else frozenset(environments))

    def to_data(self) -> dict[str, list[str] | None]:
        """Return the limits as a JSON object."""
        rights, environments = self.key
        return {"rights": rights, "environments": environments}

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | None) -> Limits | None:
        """Return the limits that ``to_data`` wrote, ``None`` for none."""
        return None if data is None else cls.of(data["rights"], data["environments"])

    def allows(self, right: Right) -> bool:
        """Return whether ``right`` is within the limits, wherever that is."""
        return self.rights is None or right in self.rights


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user holds, as read in one pass.

    Attributes:
        everything: A superuser, who holds all rights everywhere.
        everywhere: Rights granted on ``*``.
        by_environment: Rights by primary key of the environment, without those of ``everywhere``.
    """

    everything: bool = False
    everywhere: frozenset[Right] = frozenset()
    by_environment: Mapping[int, frozenset[Right]] = field(default_factory=dict)

    def on(self, environment_id: int) -> frozenset[Right]:
        """Return the rights that count on an environment: none without ``view_monitor`` there."""
        if self.everything:
            return frozenset(Right)
        held = self.everywhere | self.by_environment.get(environment_id, frozenset())
        return held if Right.VIEW_MONITOR in held else frozenset()

    def has(self, right: Right, environment_id: int) -> bool:
        """Return whether ``right`` counts on the environment."""
        return right in self.on(environment_id)

    @property
    def on_all(self) -> frozenset[Right]:
        """The rights that count on every environment, also on those created later."""
        if self.everything:
            return frozenset(Right)
        return self.everywhere if Right.VIEW_MONITOR in self.everywhere else frozenset()

    @property
    def sees_all(self) -> bool:
        """Whether every environment is visible, also those created later."""
        return self.everything or Right.VIEW_MONITOR in self.everywhere

    def only(self, rights: frozenset[Right]) -> Rights:
        """Return what is left of these when nothing but ``rights`` is allowed."""
        everywhere = rights if self.everything else self.everywhere & rights
        narrowed = {key: held & rights for key, held in self.by_environment.items()}
        return Rights(everywhere=everywhere, by_environment=narrowed)

    def only_on(self, environment_ids: Iterable[int]) -> Rights:
        """Return what is left of these when no other environment exists."""
        held = frozenset(Right) if self.everything else self.everywhere
        return Rights(
            by_environment={
                key: held | self.by_environment.get(key, frozenset()) for key in set(environment_ids)
            }
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """One right that was granted to somebody.

    Attributes:
        principal: ``group:ops`` or ``user:ana``.
        environment: Code, or ``*`` for all of them.
        right: Which.
    """

    principal: str
    environment: str
    right: Right


NOTHING = Rights()


_KEY: Final = re.compile(r"([gu])([1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})")


class GrantKey(NamedTuple):
    """Whom and where a grant is about. As text it is the grant's ``id``: as long as both are there it is the same one.

    Attributes:
        kind: ``g`` for a group, ``u`` for a user.
        principal: Key of the group or user.
        environment: Key of the environment, 0 for all of them.
    """

    kind: str
    principal: int
    environment: int

    def __str__(self) -> str:
        return f"{self.kind}{self.principal}-{self.environment}"

    @classmethod
    def read(cls, text: str) -> GrantKey | None:
        """Return the key that ``text`` writes, ``None`` when it writes none."""
        found = _KEY.fullmatch(text)
        return cls(found[1], int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class GrantRow:
    """All rights that one group or user was granted in one place."""

    key: GrantKey
    rights: frozenset[Right]


@dataclass(frozen=True, slots=True)
class Sight:
    """Which grants there are for somebody, by keys; ``None`` is all of them.

    Attributes:
        users: To these.
        groups: To these.
        environments: On these, 0 being all of them.
    """

    users: frozenset[int] | None = None
    groups: frozenset[int] | None = None
    environments: frozenset[int] | None = None

    def within(self, other: Sight) -> Sight:
        """Return what is seen both ways."""
        return Sight(
            _both(self.users, other.users),
            _both(self.groups, other.groups),
            _both(self.environments, other.environments),
        )


def _both(one: frozenset[int] | None, other: frozenset[int] | None) -> frozenset[int] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other
