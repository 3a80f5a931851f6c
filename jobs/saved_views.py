"""Saved views of the monitor: who has which, and how they are kept and shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from jobs.exceptions import InvalidInput
from jobs.models import SavedView, UsualView
from jobs.models.view import Sharing
from permissions.models import User

MOST: Final = 200
"""So many views one user keeps, and so many of those that others share a list has besides."""

LONGEST_NAME: Final = 100
LONGEST_QUERY: Final = 8000
GONE: Final = gettext_noop("The view is gone: somebody deleted it.")
CHANGE: Final = "jobs.change_savedview"
"""Django's permission that staff need to share with everyone."""


def visible(user: User) -> QuerySet[SavedView]:
    """Return the views of ``user``, of their groups and of everyone: own ones first, each kind by name."""
    mine = Q(owner=user)
    shared = Q(sharing=Sharing.EVERYONE.value) | Q(sharing=Sharing.GROUP.value, group__in=user.groups.all())
    found = SavedView.objects.filter(mine | shared).select_related("owner", "group")
    return found.order_by(Case(When(mine, then=Value(0)), default=Value(1)), "name", "pk")


def listed(user: User) -> list[SavedView]:
    """Return the views that a list has: all own ones, and of the others as many as fit."""
    return list(visible(user)[: 2 * MOST])


def find(user: User, number: int) -> SavedView | None:
    """Return a view, ``None`` when there is none or it is not for ``user``."""
    return visible(user).filter(pk=number).first() if number < 2**63 else None


def usual(user: User) -> SavedView | None:
    """Return the view that the monitor opens with for ``user``, ``None`` when it is not for them any more."""
    return visible(user).filter(pk__in=UsualView.objects.filter(user=user).values("view")).first()


def set_usual(user: User, view: SavedView | None) -> None:
    """Make ``view`` the one that the monitor opens with, or none.

    Raises:
        InvalidInput: The view was deleted meanwhile.
    """
    if view is None:
        UsualView.objects.filter(user=user).delete()
        return
    with transaction.atomic():
        if not _held(view):
            raise InvalidInput({"name": [_(GONE)]})
        UsualView.objects.update_or_create(user=user, defaults={"view": view})


def delete(view: SavedView) -> None:
    """Delete a view; whoever opens the monitor with it opens it with all jobs."""
    with transaction.atomic():
        # Who makes it the usual one meanwhile comes before, or finds it gone.
        if _held(view):
            view.delete()


def _held(view: SavedView) -> bool:
    """Lock the row of ``view`` until the transaction ends; return whether it is there."""
    return SavedView.objects.select_for_update(no_key=True).filter(pk=view.pk).exists()


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
            raise InvalidInput({"name": [_(GONE)]})
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
    if view.sharing == Sharing.EVERYONE and not may_share_with_everyone(view.owner):
        before = SavedView.objects.filter(pk=view.pk, sharing=Sharing.EVERYONE.value).first()
        if before is None:
            errors["sharing"] = [_("Only administrators may share a view with everyone.")]
        elif before.query != view.query:
            # Who lost the right may still rename it, and take it back.
            errors["query"] = [_("Only administrators may change what everyone is shown by a view.")]
    if errors:
        raise InvalidInput(errors)


def groups_of(user: User) -> QuerySet[Group]:
    """Return the groups that ``user`` may share a view with: those that they are in."""
    return Group.objects.filter(user=user).order_by("name")


@contextmanager
def _once() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "group_id" in str(error):
            # It was deleted meanwhile.
            raise InvalidInput({"group": [_("Choose a group that you are in.")]}) from None
        if "saved_view_once_per_owner" not in str(error):
            raise
        raise InvalidInput({"name": [_("You have a view with this name already.")]}) from None
