"""``groups {name}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group

from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run, put, remove
from jobs.configuration.problems import Place


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What a document says of a group."""

    item: Item
    name: str


class Groups(Kind[GroupSpec]):
    """People who hold rights together."""

    key, noun = "groups", "group"
    keys = ("name",)

    def parse(self, item: Item, run: Run) -> tuple[str, GroupSpec] | None:
        """Read one group."""
        name = item.identity("name")
        return (name, GroupSpec(item, name)) if name else None

    def save(self, spec: GroupSpec, run: Run) -> None:
        """Create the group."""
        found = Group.objects.filter(name=spec.name).first()
        put(run, spec.item, found, Group(), spec.name, {"name": ("name", spec.name)})

    def prune(self, specs: Sequence[GroupSpec], place: Place, run: Run) -> None:
        """Remove groups that no document names; their members stay."""
        for row in Group.objects.exclude(name__in=[spec.name for spec in specs]):
            remove(run, row, self.noun, row.name, place)
