"""Who acts on the model's jobs, and what each of them may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VIEW: Final = "view_monitor"
RIGHTS: Final = frozenset({VIEW, "approve_all", "restart", "cancel", "delete", "create"})


@dataclass(frozen=True)
class Person:
    """One actor.

    Attributes:
        name: User name.
        granted: Rights granted on the job's environment.
        groups: Groups of the person.
        is_superuser: Holds all rights.
        is_active: May do anything at all.
    """

    name: str
    granted: frozenset[str]
    groups: frozenset[str] = frozenset()
    is_superuser: bool = False
    is_active: bool = True

    @property
    def rights(self) -> frozenset[str]:
        """The rights that count: none for the inactive, none without ``view_monitor``, all for superusers."""
        if not self.is_active:
            return frozenset()
        if self.is_superuser:
            return RIGHTS
        return self.granted if VIEW in self.granted else frozenset()

    def is_named(self, approvers: tuple[str, ...]) -> bool:
        """Return whether an approval names the person, or a group of theirs."""
        return f"user:{self.name}" in approvers or any(f"group:{group}" in approvers for group in self.groups)


PEOPLE: Final = (
    Person("carla", frozenset({VIEW, "create", "restart"})),
    Person("ana", frozenset({VIEW, "create"})),
    Person("gus", frozenset({VIEW}), groups=frozenset({"qa"})),
    Person("pia", frozenset({VIEW, "approve_all", "create"})),
    Person("olga", frozenset({VIEW, "restart", "cancel", "delete"})),
    Person("vera", frozenset({VIEW})),
    Person("otto", RIGHTS - {VIEW}, groups=frozenset({"qa"})),
    Person("root", frozenset(), is_superuser=True),
    Person("ida", RIGHTS, is_superuser=True, is_active=False),
)
"""A creator, a named approver, a member of a named group, who may sign all, an operator, a viewer, one who holds everything but
the right to see, a superuser, and one who is not active any more."""

EVERYBODY: Final = {person.name: person for person in PEOPLE}
CREATORS: Final = ("carla", "ana", "pia", "root")
