"""The operations of one attempt of a job, in the order of its rule: those that ran and those still to come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median, quantiles
from typing import Final, NamedTuple

from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.json import KT

from jobs.choices import OperationStatus, UndoState
from jobs.lifecycle import Step
from jobs.models import Job, OperationRun, Trap
from rules import selectors as rules
from rules.exceptions import RuleError
from rules.tree import RuleNode, RuleTree, static_path

SHOWN_STEPS: Final = (Step.INIT.value, Step.PRE.value, Step.RUN.value, Step.POST.value)
SAMPLES: Final = 20
"""How many of the last runs tell the usual duration of an operation."""

_FEWEST: Final = 3
"""From so many runs on there is a range."""

_MOST_ROWS_READ: Final = 5000
_MOST_PATHS_NAMED: Final = 500
_SHOWN: Final = (
    "path", "identifier", "name", "key", "step", "status", "error", "started_at", "finished_at", "undo", "ran_in",
)  # fmt: skip
"""What is read of a record: its value may be 64 KiB of output, its memo a loop's items."""

_BLOCK: Final = re.compile(
    r"(?P<parent>.+?)(?:/retry\[(?P<retry>\d+)\])?/(?P<block>[^/\[\]]+)(?:\[(?P<turn>\d+)\])?\Z"
)
_OVER: Final = frozenset(
    {OperationStatus.COMPLETED, OperationStatus.SKIPPED, OperationStatus.IGNORED, OperationStatus.FAILED}
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it is in an attempt.

    Attributes:
        path: ``RUN/2/foreach[3]/0``.
        identifier: Its ``id``, or its path.
        name: For people; its palette key when the rule gives none.
        key: Palette key.
        step: ``RUN``.
        status: A value of ``OperationStatus``; ``pending`` when it has not begun.
        started_at: When it began.
        finished_at: When it ended.
        seconds: How long it took, ``None`` until it has ended.
        usual_seconds: The median of its last runs in the same environment, ``None`` when there are none.
        usual_range: Between which durations, in seconds, eight of ten of these runs lie; ``None`` of fewer than three.
        error: Why it failed, or empty.
        ran_in: The attempt whose result is reused, ``None`` when it ran in this one.
        is_undone: Whether its rollback was run.
    """

    path: str
    identifier: str
    name: str
    key: str
    step: str
    status: str
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    usual_seconds: float | None = None
    usual_range: tuple[float, float] | None = None
    error: str = ""
    ran_in: int | None = None
    is_undone: bool = False

    @property
    def depth(self) -> int:
        """How many operations hold this one."""
        return (self.path.count("/") - 1) // 2 - self.path.count("/retry[") // 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands in an attempt, before anything else of it is read.

    Attributes:
        path: As in ``Operation``.
        step: As in ``Operation``.
        node: What the rule says there; ``None`` for what it does not know.
        has_begun: Whether there is a record of it.
        status: As in ``Operation``.
        started_at: As in ``Operation``; ``None`` also of a result that is reused.
        finished_at: As in ``Operation``; ``None`` also of a result that is reused.
        slot_seconds: How long, from its beginning on, it waited for the slot of its semaphore.
    """

    path: str
    step: str
    node: RuleNode | None
    has_begun: bool
    status: str = OperationStatus.PENDING.value
    started_at: datetime | None = None
    finished_at: datetime | None = None
    slot_seconds: float = 0.0


class Usual(NamedTuple):
    """Seconds that an operation usually takes, less its wait for a slot: the median, and between what eight of ten runs lie."""

    median: float
    range: tuple[float, float] | None


class _Run(NamedTuple):
    """What of a record decides which operations are shown; a record may hold much more."""

    path: str
    status: str
    step: str
    branch: str | None
    started_at: datetime | None
    finished_at: datetime | None
    ran_in: int | None
    excused: str | None


def operations(job: Job, attempt: int | None = None) -> list[Operation]:
    """Return the operations of an attempt, the current one by default. Three queries once the rule is known.

    A loop stands there once until it runs, then with every turn. What cannot run any more in this attempt, such as the
    other branch of an ``if``, is left out.
    """
    return described(job, attempt, places(job, attempt))


def places(job: Job, attempt: int | None = None) -> list[Place]:
    """Return where the operations of an attempt stand, in their order; one query that reads little of each."""
    number = attempt or job.attempt
    rows = OperationRun.objects.filter(job=job, attempt=number).order_by("id")
    columns = rows.annotate(branch=KT("memo__branch"), excused=KT("memo__excused")).values_list(*_Run._fields)
    drawing = _Drawing({row[0]: _Run(*row) for row in columns.iterator()})
    tree = _tree(job)
    found: list[Place] = []
    for step in SHOWN_STEPS:
        if tree is not None:
            found += drawing.block(tree.operations(step), step, pending=number == job.attempt)
        found += drawing.rest(step)
    return found


def described(job: Job, attempt: int | None, wanted: Sequence[Place]) -> list[Operation]:
    """Return what there is to say of some places of an attempt; two queries."""
    rows = OperationRun.objects.filter(job=job, attempt=attempt or job.attempt).only(*_SHOWN)
    if len(wanted) <= _MOST_PATHS_NAMED:
        rows = rows.filter(path__in=[place.path for place in wanted if place.has_begun])
    runs = {run.path: run for run in rows}
    usual = _usual(job)
    return [_operation(place, runs.get(place.path), usual.get(static_path(place.path))) for place in wanted]


def _operation(place: Place, run: OperationRun | None, usual: Usual | None) -> Operation:
    options = place.node.options if place.node else None
    usual_seconds, usual_range = usual or (None, None)
    if run is None:
        key = place.node.key if place.node else ""
        return Operation(
            path=place.path,
            identifier=(options.id if options else None) or place.path,
            name=(options.name if options else None) or key,
            key=key,
            step=place.step,
            status=OperationStatus.PENDING.value,
            usual_seconds=usual_seconds,
            usual_range=usual_range,
        )
    took = run.finished_at - run.started_at if run.finished_at and run.started_at else None
    return Operation(
        path=run.path,
        identifier=run.identifier,
        name=run.name or (options.name if options else None) or run.key,
        key=run.key,
        step=run.step,
        status=run.status,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=round(took.total_seconds(), 3) if took is not None else None,
        usual_seconds=usual_seconds,
        usual_range=usual_range,
        error=run.error,
        ran_in=run.ran_in,
        is_undone=run.undo == UndoState.UNDONE,
    )


def _tree(job: Job) -> RuleTree | None:
    """Return the pinned rule with the rules it calls; one that no longer reads leaves what ran."""
    try:
        return rules.linked_tree(job.rule_version_id, job.rule_pins)
    except RuleError:
        return None


@dataclass(slots=True)
class _Drawing:
    """Lays what ran over the rule's tree."""

    runs: Mapping[str, _Run]
    drawn: set[str] = field(default_factory=set)
    blocks: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the blocks that were entered, every turn and every retry of each in its order."""
        entered: dict[tuple[str, str], set[tuple[int, int, str]]] = {}
        for path in self.runs:
            prefix = path.rpartition("/")[0]
            match = _BLOCK.match(prefix)
            if match is not None:
                place = (int(match["retry"] or 0), int(match["turn"] or 0), prefix)
                entered.setdefault((match["parent"], match["block"]), set()).add(place)
        for block, places in entered.items():
            self.blocks[block] = [prefix for *_, prefix in sorted(places)]

    def block(self, nodes: tuple[RuleNode, ...], prefix: str, *, pending: bool) -> Iterator[Place]:
        """Yield the operations of one block; those that have not begun only when they still may."""
        for index, node in enumerate(nodes):
            path = f"{prefix}/{index}"
            run = self.runs.get(path)
            if run is None and not pending:
                continue
            yield (
                self._place(run, node)
                if run is not None
                else Place(path, path.partition("/")[0], node, has_begun=False)
            )
            may_begin = pending and (run is None or run.status not in _OVER)
            yield from self._inside(node, path, run, pending=may_begin)
            # What undid it stands under it, and only once it has begun.
            yield from self.block(node.options.rollback, f"{path}/rollback", pending=False)

    def rest(self, step: str) -> list[Place]:
        """Return what ran in ``step`` and that the rule does not say, or says no longer."""
        left = [run for path, run in self.runs.items() if run.step == step and path not in self.drawn]
        return [self._place(run, None) for run in left]

    def _inside(self, node: RuleNode, path: str, run: _Run | None, *, pending: bool) -> Iterator[Place]:
        chosen = run.branch if run is not None else None
        for block, children in node.blocks.items():
            prefixes = self.blocks.get((path, block), [])
            for prefix in prefixes[:-1]:
                yield from self.block(children, prefix, pending=False)
            last = prefixes[-1] if prefixes else f"{path}/{block}"
            yield from self.block(children, last, pending=pending and chosen in {None, block})

    def _place(self, run: _Run, node: RuleNode | None) -> Place:
        self.drawn.add(run.path)
        began, ended = (run.started_at, run.finished_at) if run.ran_in is None else (None, None)
        # Of a group it is the time for which the job stood at anything within.
        asks = node is not None and node.is_leaf and node.options.semaphore is not None
        is_granted = asks and began is not None and run.status != OperationStatus.WAITING
        waited = float(run.excused or 0) if is_granted else 0.0
        return Place(run.path, run.step, node, True, run.status, began, ended, waited)


def _usual(job: Job) -> dict[str, Usual]:
    """Return the usual duration of each place in the rule, by its last runs. One query of bounded size.

    Only the last jobs of the rule in the environment are looked at, so the price does not grow with the history. A run that
    stood in a trap says nothing about work.
    """
    same = Job.objects.filter(rule=job.rule_id, environment=job.environment_id).exclude(pk=job.pk)
    last = same.order_by("-id").values("pk")[:SAMPLES]
    runs = OperationRun.objects.filter(
        Q(job__in=last), status=OperationStatus.COMPLETED, started_at__isnull=False, finished_at__isnull=False
    ).exclude(Exists(Trap.objects.filter(job=OuterRef("job"), path=OuterRef("path"))))
    taken: dict[str, list[float]] = {}
    runs = runs.annotate(excused=KT("memo__excused"))
    columns = runs.order_by("-id").values_list("path", "started_at", "finished_at", "excused")
    for path, began, ended, excused in columns[:_MOST_ROWS_READ]:
        samples = taken.setdefault(static_path(path), [])
        if began and ended and len(samples) < SAMPLES:
            samples.append(max(0.0, (ended - began).total_seconds() - float(excused or 0)))
    return {path: usual_of(samples) for path, samples in taken.items()}


def usual_of(samples: Sequence[float]) -> Usual:
    """Return what durations in seconds, at least one of them, say about the next one."""
    middle = round(median(samples), 3)
    if len(samples) < _FEWEST:
        return Usual(middle, None)
    tenths = quantiles(samples, n=10, method="inclusive")
    return Usual(middle, (round(tenths[0], 3), round(tenths[-1], 3)))
