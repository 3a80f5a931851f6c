"""Saved views of the monitor: who has which, and how they are kept and shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from jobs.exceptions import InvalidInput
from jobs.models import SavedView, UsualView
from jobs.models.view import Sharing
from permissions.models import User

MOST: Final = 200
"""So many views one user keeps, and so many a list has."""

LONGEST_NAME: Final = 100
LONGEST_QUERY: Final = 8000
CHANGE: Final = "jobs.change_savedview"
"""Django's permission that staff need to share with everyone."""


def visible(user: User) -> QuerySet[SavedView]:
    """Return the views of ``user``, of their groups and of everyone: own ones first, each kind by name."""
    mine = Q(owner=user)
    shared = Q(sharing=Sharing.EVERYONE.value) | Q(sharing=Sharing.GROUP.value, group__in=user.groups.all())
    found = SavedView.objects.filter(mine | shared).select_related("owner", "group")
    return found.order_by("name", "pk")


def find(user: User, number: int) -> SavedView | None:
    """Return a view, ``None`` when there is none or it is not for ``user``."""
    return visible(user).filter(pk=number).first() if number < 2**63 else None


def usual(user: User) -> SavedView | None:
    """Return the view that the monitor opens with for ``user``, ``None`` when it is not for them any more."""
    return visible(user).filter(pk__in=UsualView.objects.filter(user=user).values("view")).first()


def set_usual(user: User, view: SavedView | None) -> None:
    """Make ``view`` the one that the monitor opens with, or none."""
    if view is None:
        UsualView.objects.filter(user=user).delete()
    else:
        UsualView.objects.update_or_create(user=user, defaults={"view": view})


def may_share_with_everyone(user: User) -> bool:
    """Return whether ``user`` may give a view to everyone: staff with Django's permission to change views."""
    return user.is_staff and user.has_perm(CHANGE)


def save(view: SavedView, *, now: datetime) -> SavedView:
    """Write a new view, or one that was read for this owner, as it now is.

    Raises:
        InvalidInput: The name is empty, too long or the owner's other view has it; there are too many; it is shared with whom
            the owner may not share it. What was there before stays.
    """
    view.name = " ".join(view.name.split())
    _check(view)
    view.changed_at = now
    with _once(), transaction.atomic():
        # Whose row it is stands still meanwhile: two new views at once are counted one after the other.
        User.objects.select_for_update(no_key=True).get(pk=view.owner_id)
        if view._state.adding and SavedView.objects.filter(owner=view.owner).count() >= MOST:
            raise InvalidInput({"name": [_("You have %(most)d views: delete one first.") % {"most": MOST}]})
        if view._state.adding:
            view.save(force_insert=True)
        elif not _update(view):
            raise InvalidInput({"name": [_("The view is gone: somebody deleted it.")]})
    return view


def _update(view: SavedView) -> int:
    """Write an existing view and return how many rows that were: none when it was deleted meanwhile."""
    fields = {name: getattr(view, name) for name in ("name", "query", "sharing", "group", "changed_at")}
    return SavedView.objects.filter(pk=view.pk, owner=view.owner).update(**fields)


def _check(view: SavedView) -> None:
    errors: dict[str, list[str]] = {}
    if not view.name:
        errors["name"] = [_("Give the view a name.")]
    elif len(view.name) > LONGEST_NAME or "\x00" in view.name:
        errors["name"] = [_("Use at most %(most)d characters.") % {"most": LONGEST_NAME}]
    if len(view.query) > LONGEST_QUERY:
        errors["query"] = [_("This view has too many filters.")]
    if view.sharing == Sharing.GROUP and (
        view.group is None or not groups_of(view.owner).contains(view.group)
    ):
        errors["group"] = [_("Choose a group that you are in.")]
    if (
        view.sharing == Sharing.EVERYONE
        and not may_share_with_everyone(view.owner)
        and not _is_everyones(view)
    ):
        errors["sharing"] = [_("Only administrators may share a view with everyone.")]
    if errors:
        raise InvalidInput(errors)


def groups_of(user: User) -> QuerySet[Group]:
    """Return the groups that ``user`` may share a view with: those that they are in."""
    return Group.objects.filter(user=user).order_by("name")


def _is_everyones(view: SavedView) -> bool:
    """Return whether everyone has the view already: who lost the right may still rename it."""
    return SavedView.objects.filter(pk=view.pk, sharing=Sharing.EVERYONE.value).exists()


@contextmanager
def _once() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "saved_view_once_per_owner" not in str(error):
            raise
        raise InvalidInput({"name": [_("You have a view with this name already.")]}) from None
