"""Who holds what through what, and why somebody may or may not do something. Pure: it reads no database.

The facts are in: people as ``Person``, what was granted as ``Grant``. What comes out is data with sentences in the reader's
language, so that pages and programs say the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from permissions.catalog import EVERYWHERE, RIGHT_OF_ACTION, SIGNING, Right
from permissions.rights import Grant


@dataclass(frozen=True, slots=True)
class Person:
    """A user as far as rights go."""

    username: str
    is_active: bool = True
    is_superuser: bool = False
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a right comes from.

    Attributes:
        group: Name of the group that it was granted to; empty when it was granted to the user.
        environment: Code, or ``*``.
        is_named: Whether the reader may know the group's name.
    """

    group: str
    environment: str
    is_named: bool = True

    @property
    def text(self) -> str:
        """The source as pages name it."""
        everywhere = self.environment == EVERYWHERE
        if self.group and not self.is_named:
            return _("through a group on *") if everywhere else _("through a group")
        if self.group:
            text = _("through group %(group)s on *") if everywhere else _("through group %(group)s")
            return text % {"group": self.group}
        return _("own grant on *") if everywhere else _("own grant")


def listed(sources: Iterable[Source]) -> str:
    """Return sources as one text; those that read the same are said once."""
    return ", ".join(dict.fromkeys(source.text for source in sources))


class Standing(StrEnum):
    """How it is with somebody and a right."""

    HOLDS = "holds"
    SUPERUSER = "superuser"
    INACTIVE = "inactive"
    UNSEEING = "unseeing"
    """Holds it without ``view_monitor``, so it does not count."""
    LACKS = "lacks"

    @property
    def counts(self) -> bool:
        """Whether the right may be used."""
        return self in {Standing.HOLDS, Standing.SUPERUSER}


class Grants:
    """What was granted, ready to be asked."""

    def __init__(self, grants: Iterable[Grant], *, names_groups: bool = True) -> None:
        """Sort the grants by who and where.

        Args:
            grants: What was granted.
            names_groups: Whether the reader may know what groups are called.
        """
        self.names_groups = names_groups
        self._rights: dict[tuple[str, str], set[Right]] = defaultdict(set)
        for grant in grants:
            self._rights[grant.principal, grant.environment].add(grant.right)

    def to(self, principal: str, environment: str) -> frozenset[Right]:
        """Return the rights granted to a group or user itself on exactly this environment, or on ``*``."""
        return frozenset(self._rights.get((principal, environment), ()))

    def principals(self) -> set[str]:
        """Return all to whom something was granted."""
        return {principal for (principal, _environment), rights in self._rights.items() if rights}

    def sources(self, person: Person, environment: str, right: Right) -> tuple[Source, ...]:
        """Return all that gives ``right`` to the person there, the nearest first."""
        places = dict.fromkeys((environment, EVERYWHERE))
        own = [Source("", place) for place in places if right in self.to(f"user:{person.username}", place)]
        return (
            *own,
            *(
                Source(group, place, self.names_groups)
                for group in sorted(person.groups)
                for place in places
                if right in self.to(f"group:{group}", place)
            ),
        )

    def standing(self, person: Person, environment: str, right: Right) -> Standing:
        """Return how it is with the person and the right there."""
        if not person.is_active:
            return Standing.INACTIVE
        if person.is_superuser:
            return Standing.SUPERUSER
        if not self.sources(person, environment, right):
            return Standing.LACKS
        sees = self.sources(person, environment, Right.VIEW_MONITOR)
        return Standing.HOLDS if sees else Standing.UNSEEING


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds a right, or would."""

    person: Person
    standing: Standing
    sources: tuple[Source, ...]


def who_can(people: Iterable[Person], right: Right, environment: str, grants: Grants) -> list[Holder]:
    """Return who holds ``right`` there, those for whom it counts first, each kind in order of name.

    Args:
        people: Whom to look at.
        right: Which right.
        environment: Code of the environment.
        grants: What was granted on it and on ``*``.
    """
    found = []
    for person in people:
        sources = grants.sources(person, environment, right)
        if sources or person.is_superuser:
            found.append(Holder(person, grants.standing(person, environment, right), sources))
    return sorted(found, key=lambda holder: (not holder.standing.counts, holder.person.username))


@dataclass(frozen=True, slots=True)
class Reason:
    """One link of the chain.

    Attributes:
        code: Which question it answers: ``active``, ``superuser``, ``own``, ``group``, ``view``, ``right``, ``action``.
        good: Whether it speaks for, against, or neither.
        text: The sentence.
    """

    code: str
    good: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody may or may not."""

    allowed: bool
    verdict: str
    reasons: tuple[Reason, ...]
    advice: tuple[str, ...]


def why(
    person: Person,
    right: Right,
    environment: str,
    grants: Grants,
    *,
    action: str = "",
    groups: Sequence[str] = (),
) -> Explanation:
    """Explain whether the person may use ``right`` there.

    Args:
        person: Who.
        right: Which right.
        environment: Code of the environment.
        grants: What was granted there and on ``*``, to the person and to groups.
        action: What the person wants to do, a key of ``RIGHT_OF_ACTION``; empty for nothing in particular.
        groups: Groups that the person could be put into.
    """
    standing = grants.standing(person, environment, right)
    reasons = [*_about(person), *_granted(person, environment, grants)]
    if not person.is_superuser:
        reasons += _held(person, right, environment, grants)
    if action:
        reasons.append(_needed(action, right))
    words = {"user": person.username, "right": right.value, "environment": environment}
    verdict = (
        _("%(user)s may use %(right)s in %(environment)s.")
        if standing.counts
        else _("%(user)s may not use %(right)s in %(environment)s.")
    )
    advice = () if standing.counts else tuple(_advice(person, right, environment, grants, groups))
    return Explanation(standing.counts, verdict % words, tuple(reasons), advice)


def _about(person: Person) -> list[Reason]:
    who = {"user": person.username}
    active = (
        _("%(user)s is active.")
        if person.is_active
        else _("%(user)s is inactive: inactive users may do nothing.")
    )
    superuser = (
        _("%(user)s is a superuser, who holds all rights everywhere.")
        if person.is_superuser
        else _("%(user)s is no superuser.")
    )
    return [
        Reason("active", person.is_active, active % who),
        Reason("superuser", True if person.is_superuser else None, superuser % who),
    ]


def _granted(person: Person, environment: str, grants: Grants) -> list[Reason]:
    """Say what the person was granted, and what each group gives."""
    given = _listed(f"user:{person.username}", environment, grants)
    words = {"user": person.username, "environment": environment, "rights": given}
    own = (
        _("Granted to %(user)s: %(rights)s.")
        if given
        else _("Nothing was granted to %(user)s directly, neither on %(environment)s nor on *.")
    )
    found = [Reason("own", True if given else None, own % words)]
    for group in sorted(person.groups):
        given = _listed(f"group:{group}", environment, grants)
        if not grants.names_groups:
            text = (
                _("A group gives: %(rights)s.") if given else _("A group gives nothing on %(environment)s.")
            )
        elif given:
            text = _("The group %(group)s gives: %(rights)s.")
        else:
            text = _("The group %(group)s gives nothing on %(environment)s.")
        sentence = text % {"group": group, "rights": given, "environment": environment}
        found.append(Reason("group", True if given else None, sentence))
    if not person.groups:
        found.append(Reason("group", None, _("%(user)s is in no group.") % words))
    return found


def _listed(principal: str, environment: str, grants: Grants) -> str:
    """Return the rights of a group or user by place, ``view_monitor, restart (PROD); create (*)``."""
    parts = []
    for place in (environment, EVERYWHERE):
        held = grants.to(principal, place)
        if held:
            parts.append(f"{', '.join(right.value for right in Right if right in held)} ({place})")
    return "; ".join(parts)


def _held(person: Person, right: Right, environment: str, grants: Grants) -> list[Reason]:
    """Say where the right and ``view_monitor`` come from, or that they are missing."""
    found = []
    for code, wanted in (("right", right), ("view", Right.VIEW_MONITOR)):
        if code == "right" and right is Right.VIEW_MONITOR:
            continue
        sources = grants.sources(person, environment, wanted)
        words = {
            "user": person.username,
            "right": wanted.value,
            "environment": environment,
            "sources": listed(sources),
        }
        if sources:
            text = _("%(user)s holds %(right)s on %(environment)s: %(sources)s.")
        elif code == "right":
            text = _("%(user)s lacks %(right)s on %(environment)s.")
        else:
            text = _(
                "%(user)s lacks view_monitor on %(environment)s: no other right counts without it, "
                "and the environment does not exist for %(user)s."
            )
        found.append(Reason(code, bool(sources), text % words))
    return found


def _needed(action: str, right: Right) -> Reason:
    needed = RIGHT_OF_ACTION[action]
    words = {"action": action, "right": needed.value, "asked": right.value}
    if action in SIGNING:
        text = _(
            "The action %(action)s needs %(right)s, or to be named as an approver of the job; "
            "being named counts only together with view_monitor."
        )
    elif needed is not right:
        text = _("The action %(action)s needs %(right)s, not %(asked)s.")
    else:
        text = _("The action %(action)s needs %(right)s, and a job at a point where its table allows it.")
    return Reason("action", None, text % words)


def _advice(
    person: Person, right: Right, environment: str, grants: Grants, groups: Sequence[str]
) -> Iterable[str]:
    """Yield what would have to change."""
    words = {"user": person.username, "environment": environment}
    if not person.is_active:
        yield _("Activate the account of %(user)s.") % words
    if person.is_superuser:
        return
    for wanted in dict.fromkeys((Right.VIEW_MONITOR, right)):
        if not grants.sources(person, environment, wanted):
            yield _("Grant %(right)s on %(environment)s to %(user)s or to one of its groups.") % {
                **words,
                "right": wanted.value,
            }
    both = {right, Right.VIEW_MONITOR}
    enough = [
        group
        for group in groups
        if group not in person.groups
        and both <= grants.to(f"group:{group}", environment) | grants.to(f"group:{group}", EVERYWHERE)
    ]
    if not enough or both <= _all_of(person, environment, grants):
        return
    if not grants.names_groups:
        yield _("Or put %(user)s into a group that gives it.") % words
    else:
        yield _("Or put %(user)s into a group that gives it: %(groups)s.") % {
            **words,
            "groups": ", ".join(enough),
        }


def _all_of(person: Person, environment: str, grants: Grants) -> set[Right]:
    return {right for right in Right if grants.sources(person, environment, right)}
