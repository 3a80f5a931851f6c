"""Who holds a right, by name: the other direction of ``policy``."""

from __future__ import annotations

from collections.abc import Iterable

from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User


def holders(right: Right, environment: Environment) -> list[str]:
    """Return by name whom ``right`` on ``environment`` was granted to and counts for.

    Returns:
        ``group:ops`` before ``user:ana``, each in order of name. Two queries.
    """
    groups, users = policy.holders(right, environment)
    return [
        *(f"group:{name}" for name in groups.order_by("name").values_list("name", flat=True)),
        *(f"user:{name}" for name in users.order_by("username").values_list("username", flat=True)),
    ]


def seeing(principals: Iterable[str], environment: Environment) -> list[str]:
    """Return those of ``principals`` to whom being named means something: who may see ``environment``.

    A group is one when it holds ``view_monitor`` there or a member sees the environment otherwise. Two queries at most.
    """
    named = list(principals)
    groups, users = policy.seeing(environment, *(_names(named, kind) for kind in ("group:", "user:")))
    return [
        name for name in named if name.partition(":")[2] in (groups if name.startswith("group:") else users)
    ]


def names_of(user: User) -> list[str]:
    """Return all principals that ``user`` is, as ``is_among`` knows them: none through a token that was not made to sign."""
    if user.limits is not None and not user.limits.allows(Right.APPROVE_ALL):
        return []
    groups = user.groups.order_by("name").values_list("name", flat=True)
    return [f"user:{user.get_username()}", *(f"group:{name}" for name in groups)]


def _names(principals: list[str], kind: str) -> list[str]:
    return [name.removeprefix(kind) for name in principals if name.startswith(kind)]


def is_among(user: User, principals: Iterable[str]) -> bool:
    """Return whether ``user`` is one of these: ``user:ana``, or a member of ``group:qa``. At most one query.

    Through a token that is limited to rights without ``approve_all`` a user is nobody: to sign is not among what it was
    made for.
    """
    if user.limits is not None and not user.limits.allows(Right.APPROVE_ALL):
        return False
    named = set(principals)
    if f"user:{user.get_username()}" in named:
        return True
    groups = [name.removeprefix("group:") for name in named if name.startswith("group:")]
    return bool(groups) and user.groups.filter(name__in=groups).exists()
