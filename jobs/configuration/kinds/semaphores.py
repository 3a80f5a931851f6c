"""``semaphores {name, slots}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from jobs import audit, semaphores
from jobs.acting import acting
from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run, put, remove
from jobs.configuration.problems import Place
from jobs.models import Semaphore


@dataclass(frozen=True, slots=True)
class SemaphoreSpec:
    """What a document says of a semaphore; ``None`` for what it leaves out."""

    item: Item
    name: str
    slots: int | None


class Semaphores(Kind[SemaphoreSpec]):
    """How many operations may hold a name at once."""

    key, noun = "semaphores", "semaphore"
    keys = ("name", "slots")

    def parse(self, item: Item, run: Run) -> tuple[str, SemaphoreSpec] | None:
        """Read one semaphore."""
        name = item.identity("name")
        spec = SemaphoreSpec(item, name or "", item.integer("slots"))
        return (name, spec) if name else None

    def save_all(self, specs: Sequence[SemaphoreSpec], run: Run) -> None:
        """Save all semaphores, held in the order in which jobs take them: otherwise each could wait for the other."""
        named = Semaphore.objects.filter(name__in=[spec.name for spec in specs])
        list(named.select_for_update(no_key=True).order_by("pk"))
        super().save_all(specs, run)

    def save(self, spec: SemaphoreSpec, run: Run) -> None:
        """Create or change the semaphore, record it, and grant new slots at once to those who wait longest."""
        if spec.slots is not None and spec.slots < 1:
            spec.item.note("slots", "slots must be 1 or more.")
            return
        found = Semaphore.objects.select_for_update(no_key=True).filter(name=spec.name).first()
        before = len(run.lines)
        values = {"name": ("name", spec.name), "slots": ("slots", spec.slots)}
        row = put(run, spec.item, found, Semaphore(), spec.name, values)
        if row is None or len(run.lines) == before:
            return
        if (author := acting.get()) is not None:
            audit.record_setting(author, "set_semaphore", now=run.now, comment=f"{row.name}: {row.slots}")
        transaction.on_commit(semaphores.grant_freed)

    def prune(self, specs: Sequence[SemaphoreSpec], place: Place, run: Run) -> None:
        """Remove semaphores that no document names and nobody holds or waits for.

        Operations make semaphores by asking for them, so one in use is no mistake: it stays, and a note says so.
        """
        unnamed = Semaphore.objects.select_for_update().exclude(name__in=[spec.name for spec in specs])
        for row in unnamed.order_by("pk"):
            if row.requests.exists():
                run.notes.append(f"semaphore {row.name} is in use and stays")
            else:
                remove(run, row, self.noun, row.name, place)

    def export(self) -> list[dict[str, Any]]:
        """Return all semaphores by name."""
        rows = sorted(Semaphore.objects.all(), key=lambda row: row.name)
        return [{"name": row.name, "slots": row.slots} for row in rows]
