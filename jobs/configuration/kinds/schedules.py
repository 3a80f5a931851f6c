"""``schedules``: templates of jobs that are created by the clock.

``{name, enabled, owner, rule, environment, project, type, revisions, urgent, comment, variables, delay, cron, every, time_zone,
starts_at, ends_at, overlap, catch_up}``. A new one needs ``name``, ``owner``, ``rule``, ``environment`` and one of ``cron`` (five
fields, or ``@daily`` and its like) and ``every`` (``15m``, ``2h``, ``1d``); writing one of these takes the other's place.
``starts_at`` and ``ends_at`` are ISO 8601, without an offset in the schedule's zone. An empty text takes ``project``, ``delay``,
``starts_at`` or ``ends_at`` away. An interval counts from ``starts_at``, else from when the schedule was made. ``overlap`` is
``skip`` or ``allow``, ``catch_up`` ``none``, ``latest`` or ``all``, which makes a job of each missed run only with
``overlap: allow``.

Whether the owner may create jobs there is asked at each run, as rights come and go; here a note says so when they may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Model, QuerySet

from jobs.actions.schedules import check_words
from jobs.choices import JobType
from jobs.configuration.items import Item
from jobs.configuration.kinds.base import CLEAR, Kind, Run, put, remove
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.kinds.projects import Projects
from jobs.configuration.kinds.rules import Rules
from jobs.configuration.kinds.users import Users
from jobs.configuration.problems import Place, did_you_mean
from jobs.exceptions import InvalidInput
from jobs.models import Project, Schedule
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules import durations
from rules.models import Rule

_WORDS: Final = {
    "type": JobType.values,
    "overlap": Schedule.Overlap.values,
    "catch_up": Schedule.CatchUp.values,
}
_NEEDED: Final = ("owner", "rule", "environment")
_REFERENCES: Final[dict[str, tuple[type[Model], str, str]]] = {
    "owner": (User, "username", Users.key),
    "rule": (Rule, "slug", Rules.key),
    "environment": (Environment, "code", Environments.key),
    "project": (Project, "code", Projects.key),
}
"""What a schedule refers to: the model, its name's column, and the top key it has in documents."""

_CLEARED: Final = ("project", "delay", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """What a document says of a schedule.

    Attributes:
        item: Where it is written.
        name: Which schedule.
        references: Names of what it refers to, by field; ``CLEAR`` for none.
        values: The other fields that are written, by field of the document.
    """

    item: Item
    name: str
    references: dict[str, Any]
    values: dict[str, Any]


class Schedules(Kind[ScheduleSpec]):
    """What creates jobs by itself."""

    key, noun = "schedules", "schedule"
    keys = (
        "name", "enabled", "owner", "rule", "environment", "project", "type", "revisions", "urgent", "comment",
        "variables", "delay", "cron", "every", "time_zone", "starts_at", "ends_at", "overlap", "catch_up",
    )  # fmt: skip

    def parse(self, item: Item, run: Run) -> tuple[str, ScheduleSpec] | None:
        """Read one schedule."""
        name = item.identity("name")
        references = {field: _or_clear(item, field, item.text) for field in _REFERENCES if item.has(field)}
        values: dict[str, Any] = {field: item.text(field) for field in ("comment", "cron", "time_zone")}
        values |= {field: _word(item, field) for field in _WORDS}
        values |= {field: item.boolean(field) for field in ("enabled", "urgent")}
        values |= {"revisions": item.texts("revisions"), "variables": item.data("variables")}
        values |= {"every": item.duration("every"), "delay": _or_clear(item, "delay", item.duration)}
        values |= {field: _or_clear(item, field, item.text) for field in ("starts_at", "ends_at")}
        if item.has("cron") and item.has("every"):
            item.note("every", "schedule takes cron or every, not both.")
        return (name, ScheduleSpec(item, name, references, values)) if name else None

    def save(self, spec: ScheduleSpec, run: Run) -> None:
        """Create or change the schedule."""
        found = Schedule.objects.select_for_update(no_key=True).filter(name__iexact=spec.name).first()
        if found and found.name != spec.name:
            spec.item.note("name", f"The schedule {found.name} exists and differs only in its letters' case.")
            return
        if not self._is_complete(spec, found):
            return
        rows = {field: self._row(spec, field, name, run) for field, name in spec.references.items()}
        if None in rows.values() or (spec.item.has("every") and spec.values["every"] is None):
            return  # a mistake that is noted; without it there would be a second one about what is missing
        values = _columns(spec, found)
        if values is None:
            return
        values |= {"name": ("name", spec.name), **{field: (field, row) for field, row in rows.items()}}
        fits = _fits(spec, found or Schedule(name=spec.name, created_at=run.now), values)
        if fits:
            put(run, spec.item, found, Schedule(name=spec.name, created_at=run.now), spec.name, values)

    def prune(self, specs: Sequence[ScheduleSpec], place: Place, run: Run) -> None:
        """Remove the other schedules."""
        for row in Schedule.objects.exclude(name__in=[spec.name for spec in specs]):
            remove(run, row, self.noun, row.name, place)

    def remark(self, specs: Sequence[ScheduleSpec], run: Run) -> None:
        """Say which schedules make no job because their owner may not create any there, which is no mistake."""
        rows = Schedule.objects.filter(name__in=[spec.name for spec in specs], enabled=True)
        for row in _with_references(rows.order_by("name")):
            if not policy.can(row.owner, Right.CREATE, row.environment):
                who, where = row.owner.get_username(), row.environment.code
                run.notes.append(
                    f"schedule {row.name} makes no jobs: its owner {who} may not create any in {where}"
                )

    def export(self) -> list[dict[str, Any]]:
        """Return all schedules with the keys that ``parse`` reads, by name."""
        return [_exported(row) for row in _with_references(Schedule.objects.order_by("name"))]

    def _is_complete(self, spec: ScheduleSpec, found: Schedule | None) -> bool:
        if found is not None:
            return True
        missing = [field for field in _NEEDED if not spec.item.has(field)]
        if not (spec.item.has("cron") or spec.item.has("every")):
            missing.append("cron or every")
        for field in missing:
            spec.item.problems.add(spec.item.place, f"schedule needs {field}.")
        return not missing

    def _row(self, spec: ScheduleSpec, field: str, name: Any, run: Run) -> Any:
        """Return what a field refers to, ``CLEAR`` for nothing; ``None`` when there is no such thing, which is noted."""
        if name is None or name is CLEAR:
            return name
        model, column, key = _REFERENCES[field]
        row = model._default_manager.filter(**{column: name}).first()
        if row is None and not run.is_declared(key, name):
            known = model._default_manager.values_list(column, flat=True)
            spec.item.note(field, f"There is no {field} {name}.", did_you_mean(name, known))
        return row


def _or_clear(item: Item, field: str, read: Any) -> Any:
    """Return a field as ``read`` does, ``CLEAR`` for an empty text where that is allowed."""
    if field in _CLEARED and item.is_empty_text(field):
        return CLEAR
    return read(field)


def _word(item: Item, field: str) -> str | None:
    found = item.text(field)
    if found is not None and found not in _WORDS[field]:
        item.note(field, f"There is no {field} {found}.", did_you_mean(found, _WORDS[field]))
        return None
    return found


def _columns(spec: ScheduleSpec, found: Schedule | None) -> dict[str, tuple[str, Any]] | None:
    """Return field and value by column; ``None`` when a date cannot be read, which is noted."""
    values = dict(spec.values)
    zone = values["time_zone"] or (found or Schedule()).time_zone
    before = len(spec.item.problems)
    for field in ("starts_at", "ends_at"):
        values[field] = _date(spec.item, field, values[field], zone)
    every = values.pop("every")
    columns = {field: (field, value) for field, value in values.items()}
    columns["interval"] = ("every", every)
    if values["cron"]:
        columns["interval"] = ("every", CLEAR)
    elif every is not None:
        columns["cron"] = ("cron", "")
    return columns if len(spec.item.problems) == before else None


def _date(item: Item, field: str, written: Any, zone: str) -> Any:
    if written is None or written is CLEAR:
        return written
    try:
        found = datetime.fromisoformat(written)
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError, OSError, KeyError):
        item.note(field, f"{field} must be a date.", 'Write it as "2026-03-01T10:00" or with an offset.')
        return None


def _fits(spec: ScheduleSpec, row: Schedule, values: dict[str, tuple[str, Any]]) -> bool:
    """Note what no job could be created with."""
    present = {field.name: getattr(row, field.name) for field in Schedule._meta.concrete_fields
               if field.name not in _REFERENCES or getattr(row, field.attname) is not None}  # fmt: skip
    written = {
        column: None if value is CLEAR else value
        for column, (_, value) in values.items()
        if value is not None
    }
    trial = Schedule(**{**present, **written})
    try:
        check_words(trial, now=row.created_at)
    except InvalidInput as error:
        for name, texts in error.errors.items():
            field = name.split(".")[0].split("[")[0]
            spec.item.note(field, f"{name}: {' '.join(texts)}")
        return False
    return True


def _with_references(rows: QuerySet[Schedule]) -> QuerySet[Schedule]:
    return rows.select_related("owner", "rule", "environment", "project")


def _exported(row: Schedule) -> dict[str, Any]:
    """Return a schedule as a document writes it; what is empty is written too, as a field that is left out stays as it is."""
    return {
        "name": row.name,
        "enabled": row.enabled,
        "owner": row.owner.get_username(),
        "rule": row.rule.slug,
        "environment": row.environment.code,
        "project": row.project.code if row.project else "",
        "type": row.type,
        "revisions": row.revisions,
        "urgent": row.urgent,
        "comment": row.comment,
        "variables": row.variables,
        "delay": _text(row.delay),
        **({"cron": row.cron} if row.interval is None else {"every": _text(row.interval)}),
        "time_zone": row.time_zone,
        "starts_at": _moment(row.starts_at),
        "ends_at": _moment(row.ends_at),
        "overlap": row.overlap,
        "catch_up": row.catch_up,
    }


def _moment(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""


def _text(duration: timedelta | None) -> str:
    return durations.text(duration) if duration else ""
