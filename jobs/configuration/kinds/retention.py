"""``retention {environment, rule, outcome, removes, keep_days, keep_jobs}``.

An item is known by what it is about: environment and rule, any where they are left out, outcome, and what it removes. It
says all of it: a limit that is not written does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model

from jobs.configuration.items import Item
from jobs.configuration.kinds.base import CLEAR, Kind, Run, put, remove
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.kinds.rules import Rules
from jobs.configuration.problems import Place, did_you_mean
from jobs.models import RetentionPolicy
from permissions.models import Environment
from rules.models import Rule

_REFERENCES: Final[dict[str, tuple[type[Model], str, str]]] = {
    "environment": (Environment, "code", Environments.key),
    "rule": (Rule, "slug", Rules.key),
}
_WORDS: Final = {
    "outcome": RetentionPolicy.Outcome.values,
    "removes": RetentionPolicy.Removes.values,
}
_LIMITS: Final = ("keep_days", "keep_jobs")


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """What a document says of a policy.

    Attributes:
        item: Where it is written.
        name: As ``RetentionPolicy`` calls itself.
        references: Names of environment and rule, those that are written.
        outcome: Of its jobs.
        removes: What goes.
        limits: ``keep_days`` and ``keep_jobs``, those that are written.
    """

    item: Item
    name: str
    references: dict[str, str]
    outcome: str
    removes: str
    limits: dict[str, int]


class Retention(Kind[PolicySpec]):
    """How long jobs, logs and files are kept."""

    key, noun = "retention", "retention policy"
    keys = ("environment", "rule", "outcome", "removes", "keep_days", "keep_jobs")

    def parse(self, item: Item, run: Run) -> tuple[str, PolicySpec] | None:
        """Read one policy."""
        before = len(item.problems)
        item.identity("removes")
        texts = {field: item.text(field) for field in ("environment", "rule", *_WORDS)}
        for field, words in _WORDS.items():
            if (text := texts[field]) is not None and text not in words:
                item.note(field, f"There is no {field} {text}.", did_you_mean(text, words))
        limits = {field: item.integer(field) for field in _LIMITS}
        if len(item.problems) != before:
            return None
        outcome, removes = texts["outcome"] or RetentionPolicy.Outcome.ANY.value, texts["removes"] or ""
        references = {field: text for field in _REFERENCES if (text := texts[field]) is not None}
        where = " × ".join([references.get("environment", "*"), references.get("rule", "*"), outcome])
        name = f"{removes} of {where}"
        found = {field: limit for field, limit in limits.items() if limit is not None}
        return name, PolicySpec(item, name, references, outcome, removes, found)

    def save(self, spec: PolicySpec, run: Run) -> None:
        """Create or change the policy."""
        rows = {field: self._row(spec, field, name, run) for field, name in spec.references.items()}
        if None in rows.values():
            return
        about = {
            "environment": rows.get("environment"),
            "rule": rows.get("rule"),
            "outcome": spec.outcome,
            "removes": spec.removes,
        }
        asked = {
            f"{field}__isnull" if value is None else field: True if value is None else value
            for field, value in about.items()
        }
        found = RetentionPolicy.objects.select_for_update(of=("self",), no_key=True).filter(**asked).first()
        values = {field: (field, spec.limits.get(field, CLEAR)) for field in _LIMITS}
        put(run, spec.item, found, RetentionPolicy(**about), spec.name, values)

    def prune(self, specs: Sequence[PolicySpec], place: Place, run: Run) -> None:
        """Remove the other policies, which removes no job."""
        named = {spec.name for spec in specs}
        for row in _all():
            if str(row) not in named:
                remove(run, row, self.noun, str(row), place)

    def export(self) -> list[dict[str, Any]]:
        """Return all policies with the keys that ``parse`` reads, the widest first."""
        return sorted((_exported(row) for row in _all()), key=_order)

    def _row(self, spec: PolicySpec, field: str, name: str, run: Run) -> Any:
        """Return what a field refers to; ``None`` when there is no such thing, which is noted."""
        model, column, key = _REFERENCES[field]
        row = model._default_manager.filter(**{column: name}).first()
        if row is None and not run.is_declared(key, name):
            known = model._default_manager.values_list(column, flat=True)
            spec.item.note(field, f"There is no {field} {name}.", did_you_mean(name, known))
        return row


def _all() -> list[RetentionPolicy]:
    return sorted(RetentionPolicy.objects.select_related("environment", "rule"), key=str)


def _exported(row: RetentionPolicy) -> dict[str, Any]:
    found: dict[str, Any] = {
        "environment": row.environment.code if row.environment is not None else None,
        "rule": row.rule.slug if row.rule is not None else None,
        "outcome": row.outcome,
        "removes": row.removes,
        "keep_days": row.keep_days,
        "keep_jobs": row.keep_jobs,
    }
    return {field: value for field, value in found.items() if value is not None}


def _order(item: dict[str, Any]) -> tuple[str, ...]:
    return tuple(item.get(field, "") for field in ("removes", "environment", "rule", "outcome"))
