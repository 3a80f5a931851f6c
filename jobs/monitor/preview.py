"""What a job would do that has not been created yet: the panel beside the form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from jobs import deployments, dispatch, dry_run, durations, planning, selectors, transitions, workers
from jobs.actions.lookup import lacks_guards
from jobs.contents import drift, offering
from jobs.contents.history import Commits
from jobs.deployments import Brought
from jobs.dry_run import STATUS_LABELS, Imagined, Subject, sentence
from jobs.eta.shape import STEPS
from jobs.eta.survival import range_of
from jobs.execution.origins import repository_of
from jobs.models import Job
from jobs.monitor import refusals, times
from jobs.monitor.job_form import Chosen, JobForm
from jobs.repositories import RepositoryError
from jobs.wording import translated
from permissions import principals
from permissions.catalog import Right
from permissions.models import Environment, User
from rules.dry_run import PlannedOperation, Status
from rules.tree import Options, RuleTree, static_path, walk

MOST_ROWS: Final = 150
MOST_COMMITS: Final = 8
PLAN_SECONDS: Final = 1.5
GIT_SECONDS: Final = 3.0

_DEEPEST: Final = 6
_LONGEST_TEXT: Final = 160
_OPTIONS: Final = frozenset(each.name for each in fields(Options))
_WILL: Final = frozenset({Status.RUNS, Status.MAYBE})


@dataclass(frozen=True, slots=True)
class Row:
    """One operation.

    Attributes:
        path: Its path.
        depth: How many others it is in, as far as that is shown.
        key: Palette key.
        title: Name or id, may be empty.
        text: What it does, as far as that is known.
        status: See ``rules.dry_run.Status``.
        label: That in words.
        reasons: Why it is skipped, or not certain.
        waits: The job waits for a person here.
        turn: Of a loop, ``None`` outside.
    """

    path: str
    depth: int
    key: str
    title: str
    text: str
    status: str
    label: str
    reasons: Sequence[str]
    waits: bool
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """An approval that the job will ask for.

    Attributes:
        title: Name or id of the operation, may be empty.
        step: Where it waits.
        minimum: How many have to sign.
        who: Those named who can see the environment; empty when nobody is named.
        hides_some: There are others named, who cannot see it.
        without_creator: Whoever creates the job may not sign.
        is_certain: The job will come here, as far as one can know.
    """

    title: str
    step: str
    minimum: int
    who: Sequence[str]
    hides_some: bool
    without_creator: bool
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Usual:
    """How long such jobs take: a range in words, and how many jobs say so."""

    span: str
    jobs: int


@dataclass(frozen=True, slots=True)
class There:
    """What is deployed in the environment now.

    Attributes:
        brought: What it is.
        has_job: The job that brought it is still there.
        commits: What would come to it; ``None`` when that is not known.
        problems: Why they are not known, or perhaps not all, in the reader's language.
    """

    brought: Brought
    has_job: bool
    commits: Commits | None
    problems: Sequence[str] = ()


def panel(form: JobForm, user: User, now: datetime) -> dict[str, Any] | None:
    """Return what the panel shows, ``None`` while environment and rule are not chosen.

    Args:
        form: Validated.
        user: Who would create the job.
        now: The present.
    """
    chosen = form.chosen
    if chosen.environment is None or chosen.version is None:
        return None
    data: Mapping[str, Any] = getattr(form, "cleaned_data", {})
    refs = tuple(data.get("revisions") or ())
    shas, git_problem = _commits_of(chosen, refs)
    warnings = [*_of_workers(now), *_of_version(chosen, user), *git_problem]
    warnings += _of_revisions(chosen, shas, user)
    context: dict[str, Any] = {"chosen": chosen, "warnings": warnings, "refs": refs}
    context |= {"dates": _dates(chosen.environment, data, now), "there": _there(chosen, shas, data)}
    warnings += context["there"].problems if context["there"] is not None else ()
    if context["there"] is not None and set(shas.values()) & set(context["there"].brought.shas):
        warnings.append(_("This revision is deployed there already."))
    subject = dry_run.published(chosen.version.rule, chosen.version)
    if subject.tree is None:
        warnings.insert(
            0, _("This version of the rule is not accepted any more: no job can be created of it.")
        )
        return context
    asked = Imagined(
        chosen.environment, chosen.project, data.get("type") or "promote", refs, data.get("given") or {}
    )
    return context | _tried(subject, subject.tree, asked, user) | {"usual": _usual(chosen, subject.tree)}


def _tried(subject: Subject, tree: RuleTree, asked: Imagined, user: User) -> dict[str, Any]:
    """Return what the panel shows of the dry run."""
    answer = dry_run.imagine(subject, tree, asked, user, seconds=PLAN_SECONDS)
    rows = [(step, _rows(step.operations)) for step in answer.plan.steps]
    shown, hidden = _cut(rows)
    gates = _gates(answer.plan, tree, asked.environment)
    return {
        "steps": shown,
        "hidden": hidden,
        "is_cut": answer.plan.is_cut,
        "count": sum(row.status in _WILL for _step, each in rows for row in each),
        "fails": _failure(answer.plan),
        "gates": gates,
        "signers": principals.holders(Right.APPROVE_ALL, asked.environment) if gates else [],
        "variables": dry_run.variables_of(answer.layers),
    }


def _commits_of(chosen: Chosen, refs: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the commits that are named, by ref, and what is wrong with those that are not known."""
    if chosen.project is None or not chosen.project.repository or not refs:
        return {}, []
    try:
        found = offering.commits_of(repository_of(chosen.project), refs, seconds=GIT_SECONDS)
    except RepositoryError as error:
        said = _("The repository cannot be looked at, so the revision is not checked: %(reason)s")
        return {}, [said % {"reason": translated(str(error))}]
    unknown = [ref for ref, sha in found.items() if not sha]
    said = _("The repository has no tag, branch or commit %(ref)s.")
    return {ref: sha for ref, sha in found.items() if sha}, [said % {"ref": ref} for ref in unknown]


def _of_workers(now: datetime) -> Iterator[str]:
    """Yield what keeps jobs from being created, or from going on."""
    if not selectors.workers_of(dispatch.CREATE_QUEUE, now):
        yield _("No worker that creates jobs is there: none can be created now.")
    elif workers.all_drained(dispatch.CREATE_QUEUE, now) is not None:
        yield _("All workers that create jobs are drained: none can be created now.")
    if not selectors.workers_of(dispatch.JOBS_QUEUE, now):
        yield _("No worker is there: the job would wait for one.")
    elif workers.all_drained(dispatch.JOBS_QUEUE, now) is not None:
        yield _("All workers are drained: the job would wait for one.")
    if not selectors.is_recent(selectors.last_tick(), now):
        yield _("The daemon does not run: nothing would be noticed that has to do with time.")


def _of_version(chosen: Chosen, user: User) -> Iterator[str]:
    version, newest = chosen.version, chosen.newest
    if version is None or newest is None or version.number == newest.number:
        return
    if not lacks_guards(version, newest):
        said = _(
            "This is not the newest version of the rule; it has the approvals and checks of version %(number)d."
        )
        yield said % {"number": newest.number}
    elif user.is_superuser:
        said = _("This version of the rule lacks approvals or checks that version %(number)d has.")
        yield said % {"number": newest.number}
    else:
        said = _(
            "Version %(number)s of the rule lacks approvals or checks that version %(newest)s has: only administrators "
            "may still create a job of it."
        )
        yield said % {"number": version.number, "newest": newest.number}


def _of_revisions(chosen: Chosen, shas: Mapping[str, str], user: User) -> Iterator[str]:
    if chosen.environment is None or chosen.project is None:
        return
    found = transitions.conflicting_job(chosen.environment.pk, chosen.project.pk, list(shas.values()))
    if found is not None:
        yield refusals.sentence(found, user)


def _dates(environment: Environment, data: Mapping[str, Any], now: datetime) -> planning.Dates | None:
    expiry = environment.expiry_urgent if data.get("urgent") else environment.expiry
    try:
        return planning.plan(data.get("scheduled_at"), data.get("max_start_at"), expiry=expiry, now=now)
    except (planning.MaxStartBeforeSchedule, planning.TooFarAhead):
        return None


def _there(chosen: Chosen, shas: Mapping[str, str], data: Mapping[str, Any]) -> There | None:
    if chosen.environment is None or chosen.project is None:
        return None
    found = deployments.deployed(chosen.environment.pk, chosen.project.pk)
    if found is None:
        return None
    commits: Commits | None = None
    problems: tuple[str, ...] = ()
    if shas and data.get("type") == "promote" and chosen.project.repository:
        commits, problems = drift.coming(
            chosen.project,
            chosen.environment,
            found,
            list(shas.values()),
            most=MOST_COMMITS,
            seconds=GIT_SECONDS,
        )
    has_job = Job.objects.filter(pk=found.job).exists()
    return There(found, has_job, commits, [translated(problem) for problem in problems])


def _rows(operations: Iterable[PlannedOperation], depth: int = 0, turn: int | None = None) -> list[Row]:
    found: list[Row] = []
    for each in operations:
        text = " ".join(_text_of(each).split())
        reasons = list(dict.fromkeys(sentence(reason) for reason in each.reasons))
        found.append(
            Row(
                each.path, min(depth, _DEEPEST), each.key, each.name or each.id,
                text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…",
                each.status.value, str(STATUS_LABELS[each.status]), reasons, each.waits, turn,
            )
        )  # fmt: skip
        for block in each.blocks:
            found += _rows(block.operations, depth + 1, block.turn)
    return found


def _text_of(operation: PlannedOperation) -> str:
    """Return the first argument; options say how it is done, not what."""
    return next((line.text for line in operation.lines if line.label not in _OPTIONS), "")


def _cut(rows: Sequence[tuple[Any, list[Row]]]) -> tuple[list[dict[str, Any]], int]:
    """Return the steps with as many operations as are shown, and how many are not."""
    left, shown = MOST_ROWS, []
    for step, each in rows:
        reason = sentence(step.not_reached) if step.not_reached else ""
        shown.append({"step": step.step, "rows": each[:left], "not_reached": reason})
        left -= len(each[:left])
    return shown, sum(len(each) for _step, each in rows) - (MOST_ROWS - left)


def _failure(plan: Iterable[PlannedOperation]) -> tuple[str, str] | None:
    """Return place and message of the first operation that is certain to fail and to end its step."""
    found = next((each for each in plan if each.status is Status.FAILS and each.error), None)
    return None if found is None else (found.path.partition("/")[0], translated(found.error))


def _gates(plan: Iterable[PlannedOperation], tree: RuleTree, environment: Environment) -> list[Gate]:
    planned = [each for each in plan if each.key == "approval" and each.status in _WILL]
    if not planned:
        return []
    written = {path: node.arguments for step in STEPS for path, node in walk(tree.operations(step), step)}
    found = []
    for each in planned:
        arguments = written.get(static_path(each.path))
        own = arguments if isinstance(arguments, Mapping) else {}
        names = [":".join(part.strip() for part in name.split(":", 1)) for name in _approvers(each, own)]
        gate = Gate(
            each.name or each.id, each.path.partition("/")[0], int(own.get("min", 1)), names, False,
            bool(own.get("exclude_creator", False)), each.status is Status.RUNS,
        )  # fmt: skip
        if gate not in found:
            found.append(gate)
    seeing = set(principals.seeing(dict.fromkeys(name for gate in found for name in gate.who), environment))
    return [_as_seen(gate, seeing) for gate in found]


def _as_seen(gate: Gate, seeing: set[str]) -> Gate:
    who = [name for name in dict.fromkeys(gate.who) if name in seeing]
    return replace(gate, who=who, hides_some=len(who) < len(set(gate.who)))


def _approvers(operation: PlannedOperation, arguments: Mapping[str, Any]) -> list[str]:
    """Return whose signatures are asked for, with everything filled in that is known."""
    for line in operation.lines:
        if line.label == "approvers":
            try:
                found = json.loads(line.text)
            except ValueError:
                break
            if isinstance(found, list):
                return [str(name) for name in found]
    return [str(name) for name in arguments.get("approvers", [])]


def _usual(chosen: Chosen, tree: RuleTree) -> Usual | None:
    """Return how long jobs of the rule take in the environment, ``None`` while too few have finished."""
    if chosen.environment is None or chosen.version is None:
        return None
    like = Job(rule_id=chosen.version.rule_id, environment_id=chosen.environment.pk)
    estimator = durations.estimator_of(like, tree)
    if estimator is None:
        return None
    found = range_of(estimator.stories(STEPS[0]))
    return Usual(times.between(found.p50, found.p90), len(estimator.samples))
