"""The jobs of an action on several of them: what will happen to each, and what was done to each.

The same behind the monitor's page and the administration's list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString
from django.utils.translation import gettext

from jobs.actions.base import Asker, Seen, every_action
from jobs.bulk import Outcome, proposed_step
from jobs.choices import StatusChoice
from jobs.exceptions import InvalidInput, JobNotFound
from jobs.models import Job
from jobs.monitor import refusals
from jobs.monitor.consequences import Listing
from jobs.monitor.dialogs import DIALOGS
from jobs.monitor.situation import Situation
from jobs.wording import translated
from permissions import policy
from permissions.models import User


@dataclass(frozen=True, slots=True)
class Row:
    """A job of the selection.

    Attributes:
        job: As it is; ``None`` when it is gone.
        name: Its name, or its number when it is gone.
        seen: What the form carries: number, attempt and status.
        refusal: Why it is not done; empty when it is.
        sentences: What will happen, or what was done.
        warnings: What one might believe that happens, and does not.
        lists: What it happens to.
    """

    job: Job | None
    name: str
    seen: str
    refusal: SafeString | str
    sentences: Sequence[str]
    warnings: Sequence[str] = ()
    lists: Sequence[Listing] = ()


def read_seen(carried: Iterable[str], most: int) -> dict[int, Seen]:
    """Return what the page that asked showed, by number; nothing when that cannot be read, or is more than ``most``."""
    found: dict[int, Seen] = {}
    for text in carried:
        pk, _sign, rest = text.partition(":")
        attempt, _sign, status = rest.partition(":")
        if not (is_number(pk) and is_number(attempt) and len(attempt) < 10):
            return {}
        if status not in StatusChoice.values:
            return {}
        found[int(pk)] = Seen(int(attempt), status)
    return found if len(found) <= most else {}


def is_number(text: str) -> bool:
    """Return whether ``text`` can be the number of a job."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def expected(jobs: Iterable[Job], key: str, user: User, now: datetime) -> list[Row]:
    """Return what the action would do to each job as it is now. The rights of ``user`` are read once."""
    rights = policy.rights_of(user)
    return [_expected(job, key, Asker(user, rights.on(job.environment_id)), now) for job in jobs]


def _expected(job: Job, key: str, asker: Asker, now: datetime) -> Row:
    refusal = every_action()[key].refusal(job, asker, now=now)
    carried = f"{job.pk}:{job.attempt}:{job.status}"
    if refusal is not None:
        return Row(job, job.name, carried, refusals.sentence(refusal, asker.user), [])
    found = DIALOGS[key].consequences(Situation(job, asker.user, now))
    step = (
        [gettext("It begins at %(step)s unless you choose another step.") % {"step": proposed_step(job)}]
        if key == "rerun"
        else []
    )
    return Row(job, job.name, carried, "", [*step, *found.sentences], found.warnings, found.lists)


def done(outcome: Outcome, key: str, user: User) -> Row:
    """Return what came of one job.

    Raises:
        Exception: A defect.
    """
    error = outcome.error
    if error is None:
        return Row(None if key == "delete" else outcome.job, outcome.name, "", "", [str(DIALOGS[key].done)])
    if isinstance(error, JobNotFound):
        return missing(outcome.name or str(outcome.job_id))
    if isinstance(error, InvalidInput):
        said = " ".join(translated(text) for texts in error.errors.values() for text in texts)
        return Row(outcome.job, outcome.name, "", said, [])
    if isinstance(error, refusals.REFUSALS):
        return Row(outcome.job, outcome.name, "", refusals.sentence(error, user), [])
    raise error


def missing(name: str) -> Row:
    """Return the row of a job that is not there, or that the asker may not know of."""
    return Row(None, name, "", gettext("There is no such job any more."), [])
