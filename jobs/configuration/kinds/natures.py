"""``natures {code, name, include, exclude}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs import natures
from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run, put, remove
from jobs.configuration.problems import Place
from jobs.models import Nature


@dataclass(frozen=True, slots=True)
class NatureSpec:
    """What a document says of a nature; ``None`` for what it leaves out."""

    item: Item
    code: str
    name: str | None
    include: list[str] | None
    exclude: list[str] | None


class Natures(Kind[NatureSpec]):
    """Technologies found in contents."""

    key, noun = "natures", "nature"
    keys = ("code", "name", "include", "exclude")

    def parse(self, item: Item, run: Run) -> tuple[str, NatureSpec] | None:
        """Read one nature."""
        code = item.identity("code")
        include, exclude = (_patterns(item, key, run) for key in ("include", "exclude"))
        spec = NatureSpec(item, code or "", item.text("name"), include, exclude)
        return (code, spec) if code else None

    def save(self, spec: NatureSpec, run: Run) -> None:
        """Create or change the nature."""
        found = Nature.objects.select_for_update(no_key=True).filter(code=spec.code).first()
        values = {
            "code": ("code", spec.code),
            "name": ("name", spec.name),
            "include": ("include", spec.include),
            "exclude": ("exclude", spec.exclude),
        }
        put(run, spec.item, found, Nature(name=spec.code), spec.code, values)

    def prune(self, specs: Sequence[NatureSpec], place: Place, run: Run) -> None:
        """Remove natures that no document names."""
        for row in Nature.objects.exclude(code__in=[spec.code for spec in specs]):
            remove(run, row, self.noun, row.code, place)

    def export(self) -> list[dict[str, Any]]:
        """Return all natures by code."""
        rows = sorted(Nature.objects.all(), key=lambda row: row.code)
        return [
            {"code": row.code, "name": row.name, "include": row.include, "exclude": row.exclude}
            for row in rows
        ]


def _patterns(item: Item, key: str, run: Run) -> list[str] | None:
    """Return a list of patterns; those that cannot be used are noted where they are written."""
    found = item.texts(key)
    if found is None:
        return None
    places = item.places(key)
    for mistake in natures.mistakes(found):
        run.problems.add(places[mistake.line - 1], f"{key}: {mistake.pattern!r}: {mistake.fault.value}")
    return found
