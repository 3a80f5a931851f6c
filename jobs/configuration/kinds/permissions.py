"""``permissions [app.codename]`` of groups and users: what they may do in the administration.

Rights on all environments are kept as permissions too, but written as grants on ``*``; they are left alone here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group, Permission

from jobs.configuration.items import Item
from jobs.configuration.problems import Place, did_you_mean
from permissions.catalog import BY_CODENAME
from permissions.models import User

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import ManyRelatedManager

KEY = "permissions"

Written = tuple[tuple[str, Place], ...]


def read(item: Item) -> Written | None:
    """Return names and places of the permissions, ``None`` when the document says nothing of them."""
    names = item.texts(KEY)
    return None if names is None else tuple(zip(names, item.places(KEY), strict=True))


def save(owner: User | Group, written: Written | None, item: Item) -> bool:
    """Give the permissions that are written and take the others; return whether that changed anything."""
    if written is None:
        return False
    found = _found(written, item)
    held = _of(owner)
    present = {row.pk for row in held.all() if row.codename not in BY_CODENAME}
    held.add(*(found - present))
    held.remove(*(present - found))
    return found != present


def export(owner: User | Group) -> list[str]:
    """Return the names of all permissions but rights, in order."""
    rows = _of(owner).all()
    return sorted({_name(row) for row in rows if row.codename not in BY_CODENAME})


def _found(written: Written, item: Item) -> set[int]:
    if not written:
        return set()
    known: dict[str, set[int]] = {}
    for row in Permission.objects.select_related("content_type"):
        known.setdefault(_name(row), set()).add(row.pk)
    found: set[int] = set()
    for name, place in written:
        if name.partition(".")[2] in BY_CODENAME:
            item.problems.add(
                place, f"{name} is a right.", 'Write it under grants, with the environment "*".'
            )
        elif name not in known:
            item.problems.add(place, f"There is no permission {name}.", did_you_mean(name, known))
        else:
            found |= known[name]
    return found


def _of(owner: User | Group) -> ManyRelatedManager[Permission, Any]:
    return owner.user_permissions if isinstance(owner, User) else owner.permissions


def _name(row: Permission) -> str:
    return f"{row.content_type.app_label}.{row.codename}"
