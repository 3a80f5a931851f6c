"""``groups {name, permissions}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group

from jobs.configuration.items import Item
from jobs.configuration.kinds import permissions
from jobs.configuration.kinds.base import Kind, Run, put, remove
from jobs.configuration.problems import Place
from permissions.names import is_name


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What a document says of a group; ``None`` for permissions that it leaves out."""

    item: Item
    name: str
    permissions: permissions.Written | None


class Groups(Kind[GroupSpec]):
    """People who hold rights together."""

    key, noun = "groups", "group"
    keys = ("name", permissions.KEY)

    def parse(self, item: Item, run: Run) -> tuple[str, GroupSpec] | None:
        """Read one group."""
        name = item.identity("name")
        spec = GroupSpec(item, name or "", permissions.read(item))
        return (name, spec) if name else None

    def save(self, spec: GroupSpec, run: Run) -> None:
        """Create the group, or change what it may do in the administration."""
        found = Group.objects.select_for_update(no_key=True).filter(name=spec.name).first()
        if found is None and not is_name(spec.name):
            spec.item.note(
                "name", "name: Use printable characters, more than dots, and no blank at either end."
            )
            return
        row = put(run, spec.item, found, Group(), spec.name, {"name": ("name", spec.name)})
        if row is not None and permissions.save(row, spec.permissions, spec.item) and found is not None:
            run.changed(self.noun, spec.name, [permissions.KEY])

    def prune(self, specs: Sequence[GroupSpec], place: Place, run: Run) -> None:
        """Remove groups that no document names; their members stay."""
        for row in Group.objects.exclude(name__in=[spec.name for spec in specs]):
            remove(run, row, self.noun, row.name, place)

    def export(self) -> list[dict[str, Any]]:
        """Return all groups by name."""
        rows = sorted(Group.objects.prefetch_related("permissions__content_type"), key=lambda row: row.name)
        return [{"name": row.name, permissions.KEY: permissions.export(row)} for row in rows]
