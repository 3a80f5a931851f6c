"""The columns of the monitor: a table in code, out of which the heading and the export are made; ``cells`` writes the cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.exceptions import InvalidInput
from jobs.list_rows import Listed
from jobs.monitor.wrong_values import no_value
from jobs.representation import instant

Plain = str | int | bool | list[Any] | None
"""What a column holds in an export: plain data."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: Its name in addresses and exports, that of the API.
        label: Its heading.
        plain: Returns what an export holds of a job.
        ordering: The column of the database by which lists can be ordered, empty when there is none with an index.
        usual: Whether it is one of the user's columns, shown when nobody chose.
    """

    key: str
    label: Promise | str
    plain: Callable[[Listed], Plain]
    ordering: str = ""
    usual: bool = False


def _date(key: str, label: Promise | str, *, usual: bool = True) -> Column:
    def plain(job: Listed) -> Plain:
        moment: datetime | None = getattr(job, key)
        return instant(moment)

    return Column(key, label, plain, ordering=key, usual=usual)


_ALL: Final = (
    Column("name", _("Name"), lambda job: job.name, "name", usual=True),
    Column("environment", _("Environment"), lambda job: job.environment, usual=True),
    Column("status", _("Status"), lambda job: job.status, usual=True),
    Column("step", _("Step"), lambda job: job.step, usual=True),
    Column("progress", _("Progress"), lambda job: job.percent, usual=True),
    Column("project", _("Project"), lambda job: job.project, usual=True),
    Column("natures", _("Natures"), lambda job: [code for code, _name in job.natures], usual=True),
    Column("rule", _("Rule"), lambda job: job.rule, usual=True),
    Column("created_by", _("User"), lambda job: job.created_by, usual=True),
    _date("started_at", _("Start date")),
    _date("finished_at", _("End date")),
    _date("scheduled_at", _("Scheduled date")),
    _date("max_start_at", _("Max start date")),
    Column("id", _("Number"), lambda job: job.pk, "id"),
    _date("created_at", _("Creation date"), usual=False),
    Column("type", _("Type"), lambda job: job.type),
    Column("revisions", _("Revision"), lambda job: [ref for ref, _sha in job.revisions]),
    Column("comment", _("Comment"), lambda job: job.comment),
    Column("reason", _("Reason"), lambda job: job.reason),
    Column("urgent", _("Urgent"), lambda job: job.urgent),
    Column("attempt", _("Attempt"), lambda job: job.attempt),
    Column("rule_version", _("Rule version"), lambda job: job.rule_version),
    Column("outcome", _("Outcome"), lambda job: job.outcome),
    Column("rollback", _("Rollback"), lambda job: job.rollback),
)
COLUMNS: Final = {column.key: column for column in _ALL}
USUAL: Final = tuple(column.key for column in _ALL if column.usual)
"""The user's columns."""

ALWAYS: Final = "name"
"""The way to a job is in every list."""


def parse(texts: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns that an address asks for, in its order; the user's when it asks for none.

    Args:
        texts: Values of ``columns``: keys with commas between them. A key that comes again counts once, and the name of the
            job is always there.

    Raises:
        InvalidInput: A key is none of ``COLUMNS``.
    """
    keys = [key.strip() for text in texts for key in text.split(",") if key.strip()]
    unknown = [key for key in keys if key not in COLUMNS]
    if unknown:
        labels = {key: column.label for key, column in COLUMNS.items()}
        raise InvalidInput({"columns": [no_value(key, labels) for key in unknown[:3]]})
    wanted = dict.fromkeys(keys) if keys else dict.fromkeys(USUAL)
    if ALWAYS not in wanted:
        wanted = {ALWAYS: None, **wanted}
    return tuple(COLUMNS[key] for key in wanted)


def write(keys: Sequence[str]) -> str:
    """Return the value of ``columns`` for these keys, empty for the user's columns in their order."""
    chosen = [key for key in dict.fromkeys(keys) if key in COLUMNS]
    if ALWAYS not in chosen:
        chosen.insert(0, ALWAYS)
    return "" if tuple(chosen) == USUAL else ",".join(chosen)


def moved(keys: Sequence[str], move: str) -> list[str]:
    """Return ``keys`` after one of them went a place up or down.

    Args:
        keys: In their order.
        move: ``status:up`` or ``status:down``; anything else moves nothing.
    """
    key, _colon, way = move.partition(":")
    found = list(keys)
    if key not in found or way not in {"up", "down"}:
        return found
    place = found.index(key)
    other = place + (1 if way == "down" else -1)
    if 0 <= other < len(found):
        found[place], found[other] = found[other], found[place]
    return found
