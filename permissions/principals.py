"""Who holds a right, by name: the other direction of ``policy``."""

from __future__ import annotations

from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment


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
