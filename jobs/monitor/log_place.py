"""What the address of the log page asks for: which lines, how they are shown, and where the page begins."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict

from jobs.choices import OperationStatus, StepChoice
from jobs.log import places
from jobs.log.codec import Level
from jobs.log.reader import LogFilter
from jobs.models import Job

LONGEST_TEXT: Final = 500
MOST_FOLDS: Final = 100
MOST_OPERATIONS: Final = 500
CLOCKS: Final = ("clock", "relative")
WRAPS: Final = ("1", "0")
ALL: Final = "*"
_LEVELS: Final = frozenset(level.code for level in Level)
_LARGEST: Final = 2**62
_RANGE: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)
_STAY_OPEN: Final = (OperationStatus.FAILED, OperationStatus.RUNNING, OperationStatus.WAITING)


@dataclass(frozen=True, slots=True)
class Folds:
    """Which operations are folded.

    Attributes:
        is_all: All are, but those that failed or are not over, and ``opened``.
        folded: These are in any case, by id.
        opened: These are not.
        lasting: What failed or is not over; known only when ``is_all``.
    """

    is_all: bool = False
    folded: frozenset[str] = frozenset()
    opened: frozenset[str] = frozenset()
    lasting: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether any operation may be folded."""
        return self.is_all or bool(self.folded)

    def holds(self, operation: str) -> bool:
        """Return whether an operation is folded. What belongs to a step itself never is."""
        if not operation:
            return False
        is_open = not self.is_all or operation in self.opened or operation in self.lasting
        return operation in self.folded or not is_open

    def toggled(self, operation: str) -> Folds:
        """Return the folds after a click on the heading of an operation."""
        if self.holds(operation):
            opened = self.opened | {operation} if self.is_all else self.opened
            return replace(self, folded=self.folded - {operation}, opened=opened)
        return replace(self, folded=self.folded | {operation}, opened=self.opened - {operation})

    def pairs(self) -> list[tuple[str, object]]:
        """Return what the address says of them."""
        names = [ALL] * self.is_all + sorted(self.folded)
        pairs: list[tuple[str, object]] = [("fold", name) for name in names]
        return pairs + [("open", name) for name in sorted(self.opened)]


@dataclass(frozen=True, slots=True)
class Place:
    """Which lines are wanted and where the page begins.

    Attributes:
        wanted: The filter; always with an attempt.
        text: What is looked for; lines without it are shown, too, unless ``only``.
        only: Only lines with the text are wanted; then ``wanted`` says so, too.
        folds: Which operations are folded.
        clock: ``clock`` or ``relative``; empty when the address does not say.
        wrap: ``1`` or ``0``, or empty.
        after: Show what follows this line.
        before: Show what stands before this line.
        line: Show this line with some above it, marked.
        last: The lines from ``line`` to this one are marked.
        hit: Show this line, where the text was found, with some above it.
        near: Show this line with some above it.
        whole: This line is shown in its full length.
    """

    wanted: LogFilter
    text: str = ""
    only: bool = False
    folds: Folds = field(default_factory=Folds)
    clock: str = ""
    wrap: str = ""
    after: int | None = None
    before: int | None = None
    line: int | None = None
    last: int | None = None
    hit: int | None = None
    near: int | None = None
    whole: int | None = None

    @property
    def anchor(self) -> int | None:
        """The line that the page is about."""
        return next((line for line in (self.hit, self.line, self.near) if line is not None), None)

    @property
    def is_tail(self) -> bool:
        """Whether the end is wanted, where new lines come."""
        return self.after is None and self.before is None and self.anchor is None

    @property
    def attempt(self) -> int:
        """The attempt whose lines are wanted."""
        assert self.wanted.attempt is not None
        return self.wanted.attempt

    @property
    def is_filtered(self) -> bool:
        """Whether lines of the attempt are left out."""
        return replace(self.wanted, attempt=None) != LogFilter()

    @property
    def is_broken(self) -> bool:
        """Whether lines that are shown one below the other may not have been written so."""
        return bool(self.wanted.levels or self.wanted.q)

    @property
    def shown(self) -> LogFilter:
        """The filter without what is folded."""
        folds = self.folds
        opened = (folds.opened | folds.lasting) - folds.folded if folds.is_all else None
        return replace(self.wanted, hidden=folds.folded, shown=opened)

    @property
    def sought(self) -> LogFilter:
        """The filter of a search: folded or not."""
        return replace(self.wanted, q=self.text)

    def pairs(self) -> list[tuple[str, object]]:
        """Return what the address says of everything but where the page begins."""
        wanted = self.wanted
        pairs: list[tuple[str, object]] = [("attempt", wanted.attempt)]
        pairs += [("level", level) for level in sorted(wanted.levels)]
        pairs += [("operation", wanted.operation)] if wanted.operation else []
        pairs += [("step", wanted.step)] if wanted.step else []
        pairs += [("q", self.text)] if self.text else []
        pairs += [("only", 1)] if self.only else []
        pairs += self.folds.pairs()
        pairs += [("time", self.clock)] if self.clock else []
        return pairs + ([("wrap", self.wrap)] if self.wrap else [])

    def query(self, **place: object) -> str:
        """Return the query of an address with the same lines and another place."""
        return "?" + urlencode(
            [*self.pairs(), *((name, value) for name, value in place.items() if value is not None)]
        )

    def query_with(self, folds: Folds, **place: object) -> str:
        """Return the query of an address with other operations folded."""
        return replace(self, folds=folds).query(**place)

    def without_text(self) -> Place:
        """Return the same without a search."""
        return replace(self, text="", only=False, wanted=replace(self.wanted, q=""))


def read_place(query: QueryDict, job: Job) -> Place:
    """Return what the address asks for; what is no number or no level counts as not given, for it only narrows a view."""
    attempt, line, last = number(query, "attempt"), number(query, "line"), None
    if found := _RANGE.fullmatch(query.get("lines", "")):
        line, last = sorted(min(int(text), _LARGEST) for text in found.groups())
    if attempt is None or not 1 <= attempt <= job.attempt:
        attempt = job.attempt
    text = _text(query, "q")
    only = bool(text) and query.get("only") == "1"
    place = Place(
        LogFilter(
            attempt=attempt,
            step=step if (step := query.get("step", "")) in StepChoice.values else None,
            operation=_text(query, "operation") or None,
            levels=frozenset(level for level in query.getlist("level") if level in _LEVELS),
            q=text if only else "",
        ),
        text=text,
        only=only,
        clock=clock if (clock := query.get("time", "")) in CLOCKS else "",
        wrap=wrap if (wrap := query.get("wrap", "")) in WRAPS else "",
        after=number(query, "after"),
        before=number(query, "before"),
        line=line,
        last=last,
        hit=number(query, "hit"),
        near=_near(query, job, attempt),
        whole=number(query, "whole"),
    )
    return _at_its_line(place, _folds(query), job)


def _at_its_line(place: Place, folds: Folds, job: Job) -> Place:
    """A link to a line holds whatever attempt the line belongs to, and in whatever operation that is folded."""
    if place.anchor is not None and (holder := places.holder_of(job.pk, place.anchor)):
        place = replace(place, wanted=replace(place.wanted, attempt=holder.attempt))
        if folds.is_all:
            folds = replace(folds, lasting=_lasting(job, place.attempt))
        if folds.holds(holder.operation) and place.near is None:
            folds = folds.toggled(holder.operation)
    elif folds.is_all:
        folds = replace(folds, lasting=_lasting(job, place.attempt))
    return replace(place, folds=folds)


def _near(query: QueryDict, job: Job, attempt: int) -> int | None:
    """Return the line that a page of any place but a line's begins at: ``near``, or ``percent`` of the attempt."""
    percent = number(query, "percent")
    if percent is None:
        return number(query, "near")
    first, last = places.bounds(job.pk, attempt)
    return first + (last - first) * min(percent, 100) // 100


def _folds(query: QueryDict) -> Folds:
    folded = query.getlist("fold")[:MOST_FOLDS]
    names = frozenset(name.replace("\x00", "\ufffd")[:LONGEST_TEXT] for name in folded if name)
    opened = frozenset(
        name.replace("\x00", "\ufffd")[:LONGEST_TEXT] for name in query.getlist("open")[:MOST_FOLDS]
    )
    return Folds(ALL in names, names - {ALL}, opened - {""})


def _lasting(job: Job, attempt: int) -> frozenset[str]:
    runs = job.operation_runs.filter(attempt=attempt, status__in=_STAY_OPEN).order_by("-id")
    return frozenset(runs.values_list("identifier", flat=True)[:MOST_OPERATIONS])


def _text(query: QueryDict, name: str) -> str:
    """Return a text of the address; the database knows no null characters, so nothing can match one."""
    return query.get(name, "").replace("\x00", "\ufffd")[:LONGEST_TEXT]


def number(query: QueryDict, name: str) -> int | None:
    """Return a whole number of the address, as far as the database can hold it."""
    text = query.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        return None
    return min(int(text), _LARGEST)
