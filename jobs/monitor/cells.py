"""The rows of the monitor as HTML, written by plain code: a page has some seven hundred cells.

As templates they cost nine tenths of the page: each cell was an include with a context of its own, and looked up the language,
the same few words and its addresses again. Here what all rows share is worked out once a page. Every value that comes from
outside goes through ``escape``; what is written around it is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from html import escape
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from jobs.choices import BADGES, JobType, OutcomeChoice, RollbackState, StatusChoice
from jobs.lifecycle import Status
from jobs.list_rows import Listed
from jobs.monitor import remaining, times
from jobs.monitor.columns import Column
from jobs.wording import translated

_ANY: Final = 10**17
"""Stands for a job's number in an address that is worked out once."""

_NONE: Final = '<span class="none" aria-hidden="true">–</span>'
_SHORT, _LONG = 120, 1000
"""Characters of a text in a cell, and in its title."""


class _Address:
    """The addresses of one page of each job."""

    def __init__(self, name: str) -> None:
        before, _number, after = reverse(name, args=[_ANY]).partition(str(_ANY))
        self._before, self._after = escape(before), escape(after)

    def of(self, number: int) -> str:
        return f"{self._before}{number}{self._after}"


class Writer:
    """Writes rows in the reader's language and zone, which are looked up once."""

    def __init__(self, columns: Iterable[Column], now: datetime) -> None:
        """Prepare what all rows share.

        Args:
            columns: In their order.
            now: The present moment.
        """
        self._now, self._times = now, times.Calendar(now)
        self._job, self._log, self._menu = (_Address(f"monitor:{name}") for name in ("job", "log", "menu"))
        self._badges = {status.value: _badge(status) for status in Status}
        self._reasons: dict[str, str] = {}
        self._cells = [self._cell(column) for column in columns]
        # With the name of a job in them, put in by ``%``.
        self._select, self._actions = escape(_("Select %(name)s")), escape(_("Actions of %(name)s"))
        self._log_of, self._left = escape(_("Log of %(name)s")), escape(_("%(span)s of work left"))
        self._words = _words()

    def rows(self, jobs: Iterable[Listed]) -> SafeString:
        """Return the rows of some jobs."""
        return mark_safe("".join(map(self._row, jobs)))

    def _cell(self, column: Column) -> Callable[[Listed], str]:
        label = f'data-label="{escape(str(column.label))}"'
        return partial(_CELLS[column.key], self, label)

    def _row(self, job: Listed) -> str:
        name = {"name": escape(job.name)}
        cells = "".join([cell(job) for cell in self._cells])
        log, words = self._log.of(job.pk), self._words
        return (
            f'<tr class="job" role="row" id="row-{job.pk}" data-job="{job.pk}">'
            '<td role="cell" class="cell-select"><label class="select-hit">'
            f'<input type="checkbox" id="select-{job.pk}" name="job" value="{job.pk}" form="bulk" autocomplete="off" data-select>'
            f'\n<span class="visually-hidden">{self._select % name}</span></label></td>\n{cells}'
            f'<td role="cell" class="cell-menu"><details class="row-menu" id="menu-{job.pk}" data-menu data-row-menu'
            f' hx-get="{self._menu.of(job.pk)}" hx-trigger="open-menu" hx-target="find .menu-list" hx-swap="innerHTML">'
            f'<summary><span aria-hidden="true">⋯</span>\n<span class="visually-hidden">{self._actions % name}</span></summary>\n'
            f'<div class="menu-list"><a href="{self._job.of(job.pk)}">{words["job"]}</a>\n'
            f'<a href="{log}">{words["log"]}</a></div></details></td></tr>\n'
        )

    def _name(self, _label: str, job: Listed) -> str:
        name, words = escape(job.name), self._words
        urgent = (
            f'\n<span class="urgent" title="{words["urgent"]}"><span aria-hidden="true">!</span>'
            f'<span class="visually-hidden">{words["urgent"]}</span></span>'
        )
        return (
            '<th class="cell-name" role="rowheader" scope="row"><span class="name-line">'
            f'<a class="job-name" id="job-{job.pk}" href="{self._job.of(job.pk)}">{name}</a>\n'
            f'<a class="icon-link" id="log-{job.pk}" href="{self._log.of(job.pk)}" title="{words["log"]}">'
            '<svg class="icon" aria-hidden="true"><use href="#i-log" /></svg>\n'
            f'<span class="visually-hidden">{self._log_of % {"name": name}}</span></a>'
            f"{urgent if job.urgent else ''}</span></th>\n"
        )

    def _environment(self, label: str, job: Listed) -> str:
        return _td(
            "environment",
            label,
            f'<span class="environment" title="{escape(job.environment_name)}">'
            '<svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">'
            f'<rect width="10" height="10" rx="2.5" fill="{escape(job.environment_colour)}" /></svg>'
            f"{escape(job.environment)}</span>",
        )

    def _status(self, label: str, job: Listed) -> str:
        return _td("status", _titled(label, self._reason_of(job)), self._badges[job.status])

    def _progress(self, label: str, job: Listed) -> str:
        span = escape(remaining.span(job, self._now))
        left = self._left % {"span": span}
        return _td(
            "progress",
            label,
            f'<span class="progress"><progress class="bar bar-{job.status}" max="100" value="{job.percent}"'
            f' aria-label="{self._words["progress"]}"></progress>\n<span class="percent">{job.percent} %</span>'
            + (f'\n<span class="eta" title="{left}">{span}</span>' if span else "")
            + "</span>",
        )

    def _project(self, label: str, job: Listed) -> str:
        if job.project is None:
            return _td("project", label, _NONE)
        refs = " ".join(ref for ref, _sha in job.revisions)
        return _code("project", f'{label} title="{escape(refs)}"', job.project)

    def _rule(self, label: str, job: Listed) -> str:
        return _code("rule", label, job.rule)

    def _user(self, label: str, job: Listed) -> str:
        return _code("user", label, job.created_by)

    def _moment(self, label: str, job: Listed, *, key: str) -> str:
        return _or_none("date", label, self._times.element(getattr(job, key)))

    def _comment(self, label: str, job: Listed) -> str:
        return _text(label, job.comment, _LONG)

    def _reason(self, label: str, job: Listed) -> str:
        return _text(label, self._reason_of(job))

    def _reason_of(self, job: Listed) -> str:
        """Return why a job is in its status; the same sentence is translated once."""
        if job.reason and job.reason not in self._reasons:
            self._reasons[job.reason] = translated(job.reason)
        return self._reasons.get(job.reason, "")

    def _urgent(self, label: str, job: Listed) -> str:
        return _or_none("urgent", label, self._words["yes"] if job.urgent else "")

    def _outcome(self, label: str, job: Listed) -> str:
        return _or_none("outcome", label, _label(OutcomeChoice(job.outcome)) if job.outcome else "")

    def _rollback(self, label: str, job: Listed) -> str:
        state = RollbackState(job.rollback)
        return _or_none("rollback", label, "" if state == RollbackState.NONE else _label(state))

    def _type(self, label: str, job: Listed) -> str:
        return _td("type", label, _label(JobType(job.type)))


def _words() -> dict[str, str]:
    found = (_("Log"), _("Job and its actions"), _("Urgent"), _("Progress"), _("Yes"))
    return dict(zip(("log", "job", "urgent", "progress", "yes"), map(escape, found), strict=True))


def _td(kind: str, attributes: str, content: str) -> str:
    """Return a cell; all three are HTML already."""
    return f'<td role="cell" class="cell-{kind}" {attributes}>{content}</td>\n'


def _code(kind: str, attributes: str, text: str) -> str:
    """Return the cell of a code or a name that may be long."""
    return _td(f"code cell-{kind}", attributes, f"<span>{escape(text)}</span>")


def _or_none(kind: str, attributes: str, content: str) -> str:
    return _td(kind, attributes, content) if content else _td(f"{kind} is-empty", attributes, _NONE)


def _text(label: str, text: str, longest: int = 0) -> str:
    """Return a cell with the beginning of a text, the text itself in its title."""
    if not text:
        return _or_none("text", label, "")
    return _td("text", _titled(label, _cut(text, longest) if longest else text), escape(_cut(text, _SHORT)))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else str(Truncator(text).chars(longest))


def _titled(label: str, title: str) -> str:
    return f'{label} title="{escape(title)}"' if title else label


def _label(choice: JobType | OutcomeChoice | RollbackState) -> str:
    return escape(str(choice.label))


def _badge(status: Status) -> str:
    label: str | Promise = StatusChoice(status).label
    return (
        f'<span class="badge badge-{BADGES[status]}" data-status="{status.value}">{escape(str(label))}</span>'
    )


def _tags(kind: str, attribute: str) -> Callable[[Writer, str, Listed], str]:
    """Return the cell of several short texts, each with its title."""

    def cell(_writer: Writer, label: str, job: Listed) -> str:
        found: list[list[str]] = getattr(job, attribute)
        tags = [f'<span class="tag" title="{escape(title)}">{escape(text)}</span>' for text, title in found]
        return _or_none(kind, label, "".join(tags))

    return cell


def _plain(kind: str, attribute: str) -> Callable[[Writer, str, Listed], str]:
    """Return the cell of a short text or a number."""

    def cell(_writer: Writer, label: str, job: Listed) -> str:
        return _td(kind, label, escape(str(getattr(job, attribute))))

    return cell


_MOMENTS: Final = ("started_at", "finished_at", "scheduled_at", "max_start_at", "created_at")
_CELLS: Final[Mapping[str, Callable[[Writer, str, Listed], str]]] = {
    "name": Writer._name,
    "environment": Writer._environment,
    "status": Writer._status,
    "step": _plain("step", "step"),
    "progress": Writer._progress,
    "project": Writer._project,
    "natures": _tags("natures", "natures"),
    "rule": Writer._rule,
    "created_by": Writer._user,
    **{key: partial(Writer._moment, key=key) for key in _MOMENTS},
    "id": _plain("number", "pk"),
    "type": Writer._type,
    "revisions": _tags("revisions", "revisions"),
    "comment": Writer._comment,
    "reason": Writer._reason,
    "urgent": Writer._urgent,
    "attempt": _plain("number", "attempt"),
    "rule_version": _plain("number", "rule_version"),
    "outcome": Writer._outcome,
    "rollback": Writer._rollback,
}
