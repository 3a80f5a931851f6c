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
