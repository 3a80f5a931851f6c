"""Users as explanations and tables need them: read in two queries, however many there are."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import QuerySet

from permissions.explain import Person
from permissions.models import User


def people(users: QuerySet[User]) -> list[Person]:
    """Return the users with their groups, in order of name."""
    groups: dict[str, list[str]] = defaultdict(list)
    members = User.groups.through._default_manager.filter(user__in=users)
    for username, group in members.values_list("user__username", "group__name"):
        groups[username].append(group)
    found = users.order_by("username").values_list("username", "is_active", "is_superuser")
    return [Person(name, active, root, tuple(sorted(groups[name]))) for name, active, root in found]


def person(user: User) -> Person:
    """Return one user."""
    return people(User.objects.filter(pk=user.pk))[0]
