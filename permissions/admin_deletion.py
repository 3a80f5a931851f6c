"""What the admin says goes with what is deleted, and what stands against it, in names that people know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth.models import Group, Permission
from django.db import router
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from permissions import policy
from permissions.catalog import BY_CODENAME, EVERYWHERE
from permissions.models import Environment, User

MOST_NAMED: Final = 50

Thing = TypeVar("Thing", bound=Model)


class ReadableDeletion(admin.ModelAdmin[Thing]):
    """Names what a deletion takes along and what forbids it, kind by kind; of what the asker may not see only how much."""

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Return what goes, how many of each kind, which permissions are missing, and what forbids it."""
        _names, _counts, missing, _protected = super().get_deleted_objects(objs, request)
        chosen = list(objs)
        if not chosen:
            return [], {}, missing, []
        collector = NestedObjects(using=router.db_for_write(type(chosen[0])), origin=chosen)
        collector.collect(chosen)
        roots = {(type(each), each.pk) for each in chosen}
        along: dict[type[Model], set[Model]] = defaultdict(set)
        for each in (each for found in collector.model_objs.values() for each in found):
            if (type(each), each.pk) not in roots:
                along[type(each)].add(each)
        names: list[Any] = [f"{capfirst(each._meta.verbose_name)}: {each}" for each in chosen]
        lines = [line for model in along for line in self._named(model, along[model], request)]
        if lines:
            names.append(lines)
        protected = self._against(collector.protected, request)
        counts = {_label(model, len(found)): len(found) for model, found in along.items()}
        counts = {_label(type(chosen[0]), len(chosen)): len(chosen), **counts}
        # Nobody may delete what protects, and the page would say that instead of naming it.
        return names, counts, set() if protected else missing, protected

    def _against(self, protected: Iterable[Model], request: HttpRequest) -> list[str]:
        by_model: dict[type[Model], set[Model]] = defaultdict(set)
        for each in protected:
            by_model[type(each)].add(each)
        return [line for model, found in by_model.items() for line in self._named(model, found, request)]

    def _named(self, model: type[Model], found: set[Model], request: HttpRequest) -> list[str]:
        """Return a line for each thing of one kind, and one for those that are too many or not for the asker."""
        seen = self._seen(model, found, request)
        label = _label(model)
        shown = sorted(map(_name, sorted(seen, key=lambda each: str(each.pk))[:MOST_NAMED]))
        lines = [f"{label}: {name}" for name in shown]
        if len(seen) > MOST_NAMED:
            lines.append(f"{label}: " + _("and %(number)d more") % {"number": len(seen) - MOST_NAMED})
        if hidden := len(found) - len(seen):
            lines.append(f"{label}: " + _("%(number)d that you may not see") % {"number": hidden})
        return lines

    def _seen(self, model: type[Model], found: set[Model], request: HttpRequest) -> set[Model]:
        """Return those that the asker may see: what its own page lists, else what is of a visible environment."""
        if self.admin_site.is_registered(model):
            listed = self.admin_site.get_model_admin(model).get_queryset(request)
            keys = set(listed.filter(pk__in=[each.pk for each in found]).values_list("pk", flat=True))
            return {each for each in found if each.pk in keys}
        fields = [
            field.attname for field in model._meta.concrete_fields if field.related_model is Environment
        ]
        if not fields:
            return found
        visible = set(policy.environments_for(request.user).values_list("pk", flat=True)) | {None}
        return {each for each in found if all(getattr(each, field) in visible for field in fields)}


def _label(model: type[Model], number: int = 1) -> str:
    """Return what things of a kind are called, one or several."""
    if model is User.groups.through:
        return ngettext("Membership", "Memberships", number)
    if model._meta.auto_created:
        return ngettext("Permission", "Permissions", number)
    return capfirst(str(model._meta.verbose_name if number == 1 else model._meta.verbose_name_plural))


def _name(thing: Model) -> str:
    """Return what people call it; what ties two things together is called by both, the holder first."""
    if not thing._meta.auto_created:
        return str(thing)
    ends = [getattr(thing, field.name) for field in thing._meta.concrete_fields if field.is_relation]
    ends.sort(key=lambda end: (isinstance(end, Permission), isinstance(end, Group)))
    holder, what = ends
    if isinstance(what, Permission) and what.codename in BY_CODENAME:
        what = f"{what.codename} ({EVERYWHERE})"
    return f"{holder} – {what}"
