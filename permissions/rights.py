"""What somebody holds, as read in one pass, and what narrows it. Knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
