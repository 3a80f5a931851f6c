"""What is different between two jobs of the same rule: contents, variables, version of the rule, durations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from jobs import timeline
from jobs.choices import OperationStatus
from jobs.contents.reading import beginning_of
from jobs.models import Approval, Job, OperationRun, StepRun, Trap
from jobs.monitor.values import Shown, shown
from jobs.secrets import vault
from jobs.wording import ORIGIN_LABELS
from rules.models import RuleVersion
from rules.tree import static_path

MOST_COMMITS: Final = 200
MOST_COMMITS_SHOWN: Final = 20
MOST_OPERATIONS: Final = 5000
MOST_TIMINGS: Final = 300
MOST_LINES: Final = 1000
_MOST_WAITS: Final = 200
_FOR_PEOPLE: Final = "approval"
_CLEAR_SECONDS: Final = 1.0
_CLEAR_SHARE: Final = 0.25
_NUMBERS: Final = re.compile(r"\d+|\D+")

_CHANGES: Final[dict[str, Promise]] = {
    "changed": pgettext_lazy("variable", "Changed"),
    "added": pgettext_lazy("variable", "Only in this one"),
    "removed": pgettext_lazy("variable", "Only in the other"),
}


@dataclass(frozen=True, slots=True)
class Commits:
    """Commits, dictionaries as in ``Contents.commits``, of one job that the other does not bring; ``more`` are not shown."""

    rows: Sequence[Mapping[str, Any]]
    more: int


@dataclass(frozen=True, slots=True)
class ContentsCompared:
    """What one of two jobs carries and the other does not.

    Attributes:
        here: Commits of this job alone.
        there: Commits of the other alone.
        both: How many commits they have in common.
        natures_here: Codes of natures found in this job alone.
        natures_there: Codes of natures found in the other alone.
        is_known: Whether the contents of both are settled.
        is_cut: Whether one of them has more commits than were looked at.
    """

    here: Commits
    there: Commits
    both: int
    natures_here: list[str]
    natures_there: list[str]
    is_known: bool
    is_cut: bool


@dataclass(frozen=True, slots=True)
class VariableCompared:
    """A variable that is not the same in both jobs: ``change`` is ``changed``, ``added`` or ``removed``."""

    name: str
    change: str
    here: Shown | None
    there: Shown | None
    origin_here: str
    origin_there: str

    @property
    def label(self) -> Promise:
        """What is different, in words."""
        return _CHANGES[self.change]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a step or an operation took in both jobs, in seconds without the time that people took.

    ``None`` where it did not run.
    """

    path: str
    name: str
    here: float | None
    there: float | None
    depth: int = 0

    @property
    def is_step(self) -> bool:
        """Whether it is a whole step."""
        return "/" not in self.path

    @property
    def difference(self) -> float | None:
        """How much longer it took here, ``None`` when it ran in one of them alone."""
        return self.here - self.there if self.here is not None and self.there is not None else None

    @property
    def tone(self) -> str:
        """``slower`` or ``faster`` when that is clear, else empty."""
        gap = self.difference
        if (
            gap is None
            or abs(gap) < _CLEAR_SECONDS
            or abs(gap) < _CLEAR_SHARE * min(self.here or 0, self.there or 0)
        ):
            return ""
        return "slower" if gap > 0 else "faster"


@dataclass(frozen=True, slots=True)
class RuleCompared:
    """The versions of the rule.

    Attributes:
        lines: Of the difference of the sources, from the other to this one, each with its class; empty when there is none.
        is_cut: Whether there are more lines.
        pins: Rules that it calls in different versions: slug, version here, version there; 0 for not at all.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    is_cut: bool = False
    pins: list[tuple[str, int, int]] = field(default_factory=list)


def contents(here: Job, there: Job) -> ContentsCompared:
    """Compare what two jobs carry; four queries."""
    found = [beginning_of(job, MOST_COMMITS) for job in (here, there)]
    commits = [{commit["sha"]: commit for commit in (each.commits if each else [])} for each in found]
    natures = [{nature.code for nature in job.natures.all()} for job in (here, there)]
    only = [
        [commit for sha, commit in commits[index].items() if sha not in commits[1 - index]]
        for index in (0, 1)
    ]
    return ContentsCompared(
        here=_cut(only[0]),
        there=_cut(only[1]),
        both=len(commits[0].keys() & commits[1].keys()),
        natures_here=sorted(natures[0] - natures[1]),
        natures_there=sorted(natures[1] - natures[0]),
        is_known=all(each is not None for each in found),
        is_cut=any(each is not None and (each.commits_count or 0) > MOST_COMMITS for each in found),
    )


def _cut(rows: Sequence[Mapping[str, Any]]) -> Commits:
    return Commits(rows[:MOST_COMMITS_SHOWN], max(0, len(rows) - MOST_COMMITS_SHOWN))


def variables(here: Job, there: Job) -> tuple[list[VariableCompared], int]:
    """Return the variables that are not the same, secrets hidden, and how many are; two queries."""
    masks = [vault.open_for(job.environment_id, job.project_id).mask for job in (here, there)]

    def mask(text: str) -> str:
        return masks[1].text(masks[0].text(text))

    found = []
    same = 0
    for name in sorted(here.variables.keys() | there.variables.keys()):
        one, other = here.variables.get(name), there.variables.get(name)
        if one is not None and other is not None and one["value"] == other["value"]:
            same += 1
            continue
        change = "changed" if one and other else "added" if one else "removed"
        found.append(
            VariableCompared(
                name, change, _value(one, mask), _value(other, mask), _origin(one), _origin(other)
            )
        )
    return found, same


def _value(merged: Mapping[str, Any] | None, mask: Callable[[str], str]) -> Shown | None:
    return shown(merged["value"], mask) if merged else None


def _origin(merged: Mapping[str, Any] | None) -> str:
    return str(ORIGIN_LABELS.get(merged["origin"], merged["origin"])) if merged else ""


def rule(here: Job, there: Job) -> RuleCompared:
    """Compare the versions of the rule that two jobs run; one query when they are not the same."""
    slugs = sorted(here.rule_pins.keys() | there.rule_pins.keys())
    pins = [(slug, here.rule_pins.get(slug, 0), there.rule_pins.get(slug, 0)) for slug in slugs]
    pins = [pin for pin in pins if pin[1] != pin[2]]
    if here.rule_version_id == there.rule_version_id:
        return RuleCompared(pins=pins)
    versions = RuleVersion.objects.in_bulk([here.rule_version_id, there.rule_version_id])
    after, before = versions[here.rule_version_id], versions[there.rule_version_id]
    lines = list(
        unified_diff(
            before.source.split("\n"), after.source.split("\n"), lineterm="", n=3,
            fromfile=f"{here.rule.slug} {before.number}", tofile=f"{here.rule.slug} {after.number}",
        )
    )  # fmt: skip
    return RuleCompared([(_kind(line), line) for line in lines[:MOST_LINES]], len(lines) > MOST_LINES, pins)


def _kind(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")


def timings(here: Job, there: Job) -> tuple[list[Timing], bool]:
    """Return how long steps and their operations took, and whether operations are left out; seven queries."""
    found, has_more = operations(here, there)
    rows: list[Timing] = []
    for step in steps(here, there):
        rows += [step, *(each for each in found if each.path.startswith(f"{step.path}/"))]
    seen = {row.path for row in rows}
    return [*rows, *(each for each in found if each.path not in seen)], has_more


def steps(here: Job, there: Job) -> list[Timing]:
    """Return how long the steps of the last attempts took, waits included; one query."""
    taken: dict[int, dict[str, float]] = {here.pk: {}, there.pk: {}}
    attempts = {here.pk: here.attempt, there.pk: there.attempt}
    for run in StepRun.objects.filter(job__in=taken, finished_at__isnull=False):
        if run.finished_at and run.attempt == attempts[run.job_id]:
            taken[run.job_id][run.step] = (run.finished_at - run.started_at).total_seconds()
    one, other = taken[here.pk], taken[there.pk]
    return [
        Timing(step, step, one.get(step), other.get(step))
        for step in timeline.SHOWN_STEPS
        if step in one or step in other
    ]


def operations(here: Job, there: Job) -> tuple[list[Timing], bool]:
    """Return how long the operations of the last attempts took, and whether some are left out; six queries.

    All turns of a loop are one operation. What a trap took is not counted, and what waits for people is left out.
    """
    names: dict[str, str] = {}
    one, other = (_taken(job, names) for job in (here, there))
    paths = sorted(one.keys() | other.keys(), key=_order)
    found = [
        Timing(path, names[path], one.get(path), other.get(path), depth=(path.count("/") - 1) // 2)
        for path in paths[:MOST_TIMINGS]
    ]
    return found, len(paths) > MOST_TIMINGS


def _taken(job: Job, names: dict[str, str]) -> dict[str, float]:
    """Return the seconds of each place of the rule, and note how they are called."""
    stood = dict[str, float]()
    for model in (Trap, Approval):
        rows = model._default_manager.filter(job=job, attempt=job.attempt, closed_at__isnull=False)
        for path, began_at, closed_at in rows.values_list("path", "began_at", "closed_at")[:_MOST_WAITS]:
            assert closed_at is not None
            stood[path] = stood.get(path, 0.0) + (closed_at - began_at).total_seconds()
    runs = OperationRun.objects.filter(
        job=job, attempt=job.attempt, started_at__isnull=False, finished_at__isnull=False
    )
    runs = (
        runs.exclude(path__contains="/rollback/")
        .exclude(key=_FOR_PEOPLE)
        .exclude(status=OperationStatus.SKIPPED)
    )
    columns = runs.order_by("id").values_list("path", "name", "key", "started_at", "finished_at")
    found: dict[str, float] = {}
    for path, name, key, began, ended in columns[:MOST_OPERATIONS]:
        assert began is not None
        assert ended is not None
        place = static_path(path)
        names.setdefault(place, name or key)
        inside = sum(seconds for at, seconds in stood.items() if at == path or at.startswith(f"{path}/"))
        found[place] = found.get(place, 0.0) + max(0.0, (ended - began).total_seconds() - inside)
    return found


def _order(path: str) -> list[tuple[int, str]]:
    """Return what sorts paths as the rule does: steps in their order, numbers as numbers."""
    step, _, rest = path.partition("/")
    parts: Iterable[str] = _NUMBERS.findall(rest)
    first = timeline.SHOWN_STEPS.index(step) if step in timeline.SHOWN_STEPS else len(timeline.SHOWN_STEPS)
    return [(first, ""), *((int(part), "") if part.isdecimal() else (-1, part) for part in parts)]
