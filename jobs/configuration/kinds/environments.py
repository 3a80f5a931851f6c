"""``environments {code, name, order, colour, expiry, expiry_urgent, variables}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobs.configuration.items import Item, span_text
from jobs.configuration.kinds.base import Kind, Run, in_order, put, remove
from jobs.configuration.problems import Place
from permissions.models import Environment


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """What a document says of an environment; ``None`` for what it leaves out."""

    item: Item
    code: str
    name: str | None
    order: int | None
    colour: str | None
    expiry: timedelta | None
    expiry_urgent: timedelta | None
    variables: dict[str, Any] | None


class Environments(Kind[EnvironmentSpec]):
    """Where revisions are deployed to."""

    key, noun = "environments", "environment"
    keys = ("code", "name", "order", "colour", "expiry", "expiry_urgent", "variables")

    def parse(self, item: Item, run: Run) -> tuple[str, EnvironmentSpec] | None:
        """Read one environment."""
        code = item.identity("code")
        spec = EnvironmentSpec(
            item,
            code or "",
            item.text("name"),
            item.integer("order"),
            item.text("colour"),
            item.span("expiry"),
            item.span("expiry_urgent"),
            item.data("variables"),
        )
        return (code, spec) if code else None

    def save(self, spec: EnvironmentSpec, run: Run) -> None:
        """Create or change the environment."""
        found = Environment.objects.select_for_update(no_key=True).filter(code__iexact=spec.code).first()
        if found and found.code != spec.code:
            spec.item.note(
                "code", f"The environment {found.code} exists and differs only in its letters' case."
            )
            return
        values = {
            "code": ("code", spec.code),
            "name": ("name", spec.name),
            "position": ("order", spec.order),
            "colour": ("colour", spec.colour),
            "expiry": ("expiry", spec.expiry),
            "expiry_urgent": ("expiry_urgent", spec.expiry_urgent),
            "variables": ("variables", spec.variables),
        }
        put(run, spec.item, found, Environment(name=spec.code), spec.code, values)

    def prune(self, specs: Sequence[EnvironmentSpec], place: Place, run: Run) -> None:
        """Remove environments that no document names."""
        for row in Environment.objects.exclude(code__in=[spec.code for spec in specs]):
            remove(run, row, self.noun, row.code, place)

    def export(self) -> list[dict[str, Any]]:
        """Return all environments in their order."""
        rows = sorted(Environment.objects.all(), key=lambda row: (row.position, row.code))
        return [
            {
                "code": row.code,
                "name": row.name,
                "order": row.position,
                "colour": row.colour,
                "expiry": span_text(row.expiry),
                "expiry_urgent": span_text(row.expiry_urgent),
                "variables": in_order(row.variables),
            }
            for row in rows
        ]
