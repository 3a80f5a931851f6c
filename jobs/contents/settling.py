"""Settling what a job carries: when PRE begins in an attempt, by its runner, before the first operation.

What is found is written in one transaction with what the log says of it, under the runner's claim. A runner that died before
that leaves nothing, and the next one settles again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from jobs import deployments, natures, transitions
from jobs.contents import history, saying
from jobs.contents.base import Base, base_of
from jobs.contents.history import Commits, History, Relatives
from jobs.exceptions import StaleClaim
from jobs.execution import checkpoints, draining, naming
from jobs.execution.database import retrying
from jobs.execution.endings import is_undone
from jobs.execution.leases import LeaseKeeper
from jobs.execution.origins import repository_of
from jobs.lifecycle import Step
from jobs.log.writer import LogWriter
from jobs.models import Contents, Job, JobRevision, Nature
from jobs.repositories import GitRunner, RepositoryError
from jobs.secrets.masking import Mask
from rules.engine.outcomes import Failed, HandedOver, StepOutcome
from rules.processes.strays import marker_of

_FORGET_NATURES: Final = "DELETE FROM jobs_jobnature WHERE job_id = %s"
# A nature that is being deleted is waited for; one that is gone is left out.
_NOTE_NATURES: Final = """
INSERT INTO jobs_jobnature (job_id, nature_id)
SELECT %s, id FROM (SELECT id FROM jobs_nature WHERE code = ANY(%s) ORDER BY id FOR KEY SHARE) AS found
"""


@dataclass(frozen=True, slots=True)
class _Settled:
    """What was found: a row of ``Contents``, codes of natures, what the log says, and where the commits are in history."""

    contents: Contents
    natures: Sequence[str]
    entries: Sequence[saying.Entry]
    relatives: Mapping[str, Relatives] = field(default_factory=dict)


def settle(job: Job, keeper: LeaseKeeper, log: LogWriter, mask: Mask) -> StepOutcome | None:
    """Settle what ``job`` carries unless that was done in this attempt; a job without a repository costs nothing.

    Args:
        job: Claimed, at the beginning of a walk.
        keeper: Keeps the claim.
        log: The job's log.
        mask: Hides its secrets.

    Returns:
        How PRE ends when its contents cannot be settled, otherwise ``None``.

    Raises:
        StaleClaim: The claim is gone; git was stopped and nothing written.
    """
    if job.step != Step.PRE or is_undone(job) or job.project is None or not job.project.repository:
        return None
    revisions = retrying(lambda: _to_settle(job), keeper)
    if not revisions:
        return None
    base = retrying(lambda: base_of(job, [sha for _ref, sha in revisions]), keeper)
    try:
        found = _find(job, keeper, revisions, base)
    except RepositoryError as error:
        if keeper.lost:
            raise StaleClaim(job.pk) from None
        if draining.is_draining():
            return HandedOver()
        message = f"The contents cannot be settled: {error}"
        problem = checkpoints.clean(mask.text(str(error)))
        contents = Contents(state=Contents.State.FAILED, problem=problem, base_sha=base.sha)
        _write(job, keeper, log, base, _Settled(contents, (), ()))
        return Failed(message, "")
    _write(job, keeper, log, base, _as_stored(found, base, mask))
    return None


def _to_settle(job: Job) -> list[tuple[str, str]]:
    """Return ref and commit of the revisions, none when they are settled in this attempt."""
    done = Contents.objects.filter(job=job, attempt=job.attempt).exclude(state=Contents.State.FAILED)
    return [] if done.exists() else list(job.revisions.values_list("ref", "sha"))


@dataclass(frozen=True, slots=True)
class _Found:
    history: History
    natures: Sequence[str]
    unusable: Sequence[str]
    known_natures: int


def _find(job: Job, keeper: LeaseKeeper, revisions: Sequence[tuple[str, str]], base: Base) -> _Found:
    """Ask git, and match natures.

    Raises:
        RepositoryError: That cannot be done, was stopped, or took too long.
    """
    assert job.project is not None
    seconds = settings.CLARIVE_CONTENTS_TIMEOUT_SECONDS
    until = history.deadline(seconds)
    marker = marker_of(naming.scope(), str(job.claim))
    git = GitRunner(marker, lambda: keeper.lost or draining.is_draining())
    project = job.project
    repository = retrying(lambda: repository_of(project, git), keeper)
    others = retrying(lambda: deployments.present(project.pk), keeper)
    found = history.read(repository, base.shas, revisions, seconds=history.left(until), others=others)
    rows = retrying(lambda: list(Nature.objects.order_by("code")), keeper)
    matchers, unusable = _matchers(rows)
    try:
        codes = natures.found(matchers, found.paths, seconds=history.left(until))
    except natures.TookTooLong:
        raise RepositoryError(f"Looking for natures took longer than {seconds} seconds.") from None
    return _Found(found, sorted(codes), unusable, len(rows))


def _matchers(rows: Sequence[Nature]) -> tuple[dict[str, natures.Matcher], list[str]]:
    """Return matchers by code, and the codes of natures whose patterns cannot be used."""
    usable, unusable = {}, []
    for nature in rows:
        try:
            usable[nature.code] = natures.Matcher(nature.include, nature.exclude)
        except natures.PatternsInvalid:
            unusable.append(nature.code)
    return usable, unusable


def _as_stored(found: _Found, base: Base, mask: Mask) -> _Settled:
    """Return the row, and what is said of it."""
    brought, lacking = found.history.brought, found.history.lacking
    if base.takes_back:
        brought, lacking = lacking, brought
    problems = saying.problems(found.history, base)
    contents = Contents(
        state=Contents.State.PARTIAL if problems else Contents.State.SETTLED,
        problem=checkpoints.clean(mask.text("\n".join(text for _level, text in problems))),
        base_sha=base.sha,
        files=len(found.history.paths),
        are_all=found.history.are_all,
        commits=_listed(brought, mask),
        commits_count=None if brought is None else brought.count,
        backed_out=_listed(lacking, mask),
        backed_out_count=None if lacking is None else lacking.count,
        moved=[{"ref": each.ref, "pinned": each.pinned, "now": each.now} for each in found.history.moved],
    )
    entries = [
        *problems,
        *saying.moved(found.history.moved),
        *saying.unusable(found.unusable),
        saying.carried(contents, base),
        saying.natures(found.natures, found.known_natures),
    ]
    return _Settled(contents, found.natures, entries, found.history.relatives)


def _listed(commits: Commits | None, mask: Mask) -> list[dict[str, str | None]]:
    return [
        {
            "sha": commit.sha,
            "author": checkpoints.clean(mask.text(commit.author)),
            "at": commit.at.isoformat().replace("+00:00", "Z") if commit.at else None,
            "subject": checkpoints.clean(mask.text(commit.subject)),
        }
        for commit in (commits.listed if commits else ())
    ]


def _write(job: Job, keeper: LeaseKeeper, log: LogWriter, base: Base, settled: _Settled) -> None:
    """Write what was found and what the log says of it, under the claim; writing it twice is writing it once.

    Raises:
        StaleClaim: The claim is gone; nothing was written.
    """
    assert job.claim is not None
    claim, contents = job.claim, settled.contents
    for level, text in settled.entries:
        log.entry(job.step, "", "", level, text)

    def write() -> None:
        with log.pending() as batch, transaction.atomic():
            batch.write(connection, claim)
            locked = transitions.lock_claimed(job.pk, claim)
            fields = {name: getattr(contents, name) for name in _FIELDS}
            own = {"attempt": job.attempt, "settled_at": locked.clock, "base_job_id": _still_there(base)}
            Contents.objects.update_or_create(job=locked, defaults={**fields, **own})
            with connection.cursor() as cursor:
                # Those of an earlier attempt, too, when nothing could be settled this time.
                cursor.execute(_FORGET_NATURES, [job.pk])
                cursor.execute(_NOTE_NATURES, [job.pk, list(settled.natures)])
            for sha, (follows, precedes) in settled.relatives.items():
                place = {"follows": list(follows), "precedes": list(precedes)}
                JobRevision.objects.filter(job=locked, sha=sha).update(**place)

    retrying(write, keeper)


def _still_there(base: Base) -> int | None:
    """Return the job that brought what is there, which nobody deletes before the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM jobs_job WHERE id = %s FOR KEY SHARE", [base.job_id])
        row = cursor.fetchone()
    return None if row is None else int(row[0])


_FIELDS: Final = (
    "state", "problem", "base_sha", "files", "are_all", "commits", "commits_count", "backed_out", "backed_out_count",
    "moved",
)  # fmt: skip
