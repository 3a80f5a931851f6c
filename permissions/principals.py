"""Who holds a right, by name: the other direction of ``policy``."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from permissions.catalog import Right
from permissions.models import Environment, User


def holders(right: Right, environment: Environment) -> list[str]:
    """Return the principals that ``right`` on ``environment`` was granted to and counts for.

    A right counts only together with ``view_monitor``: a group must hold both, a user may see through
    a group. Superusers are not named for being such.

    Returns:
        ``group:ops`` before ``user:ana``, each in order of name. Two queries.
    """
    groups = Group.objects.filter(_holds_as_group(right, environment))
    own = _holds_as_user(right, environment)
    seen = _holds_as_user(Right.VIEW_MONITOR, environment)
    through_group = Q(groups__in=Group.objects.filter(_holds_as_group(Right.VIEW_MONITOR, environment)))
    users = User.objects.filter(own, seen | through_group, is_active=True)
    if right is not Right.VIEW_MONITOR:
        groups = groups.filter(_holds_as_group(Right.VIEW_MONITOR, environment))
    return [
        *(f"group:{name}" for name in groups.order_by("name").values_list("name", flat=True).distinct()),
        *(
            f"user:{name}"
            for name in users.order_by("username").values_list("username", flat=True).distinct()
        ),
    ]


def _holds_as_group(right: Right, environment: Environment) -> Q:
    there = environment.group_grants.filter(permission__codename=right.codename).values("group")
    everywhere = Permission.objects.filter(content_type__app_label="permissions", codename=right.codename)
    return Q(pk__in=there) | Q(permissions__in=everywhere)


def _holds_as_user(right: Right, environment: Environment) -> Q:
    there = environment.user_grants.filter(permission__codename=right.codename).values("user")
    everywhere = Permission.objects.filter(content_type__app_label="permissions", codename=right.codename)
    return Q(pk__in=there) | Q(user_permissions__in=everywhere)
