"""Why something was refused, in a sentence for the reader, and the HTTP status that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import selectors
from jobs.choices import StatusChoice
from jobs.exceptions import (
    AlreadySigned,
    CreatorExcluded,
    InvalidInput,
    JobChanged,
    LaterJobs,
    NoRetriesLeft,
    RevisionInActiveJob,
    TransitionNotAllowed,
)
from jobs.wording import ACTION_LABELS, translated
from permissions.catalog import Right
from permissions.exceptions import RightMissing
from permissions.models import User

STATUSES: Final[Mapping[type[Exception], int]] = {
    InvalidInput: 400,
    RightMissing: 403,
    CreatorExcluded: 403,
    TransitionNotAllowed: 409,
    JobChanged: 409,
    AlreadySigned: 409,
    NoRetriesLeft: 409,
    LaterJobs: 409,
    RevisionInActiveJob: 409,
}
"""What an action may refuse, and how HTTP calls it."""

REFUSALS: Final = tuple(STATUSES)


def status_of(error: Exception) -> int:
    """Return the HTTP status of a refusal."""
    return STATUSES[type(error)]


def is_forbidden(error: Exception | None) -> bool:
    """Return whether it is the person, and not the job, that it may not be done."""
    return error is not None and status_of(error) == 403


def sentence(error: Exception, user: User) -> SafeString | str:
    """Return why ``user`` was refused, in the active language."""
    for kind, say in _SENTENCES.items():
        if isinstance(error, kind):
            return say(error, user)
    return translated(str(error))


def _right_missing(error: RightMissing, user: User) -> str:
    if error.right is Right.APPROVE_ALL:
        text = _("You are none of the approvers, and you do not have the right %(right)s in %(environment)s.")
    else:
        text = _("You need the right %(right)s in %(environment)s.")
    return text % {"right": error.right.codename, "environment": error.environment}


def _not_allowed(error: TransitionNotAllowed, user: User) -> str:
    text = _("The job %(job)s is at %(step)s / %(status)s; “%(action)s” is not possible there.")
    return text % {
        "job": error.job_name,
        "step": error.step,
        "status": StatusChoice(error.status).label,
        "action": ACTION_LABELS.get(error.event, error.event),
    }


def _changed(error: JobChanged, user: User) -> str:
    text = _("The job %(job)s has changed: it is %(status)s in attempt %(attempt)d now.")
    return text % {
        "job": error.job_name,
        "status": StatusChoice(error.status).label,
        "attempt": error.attempt,
    }


def _already_signed(error: AlreadySigned, user: User) -> str:
    return _("You have signed this approval already; a person counts once.")


def _creator_excluded(error: CreatorExcluded, user: User) -> str:
    return _("You created this job, and its rule wants this approval to be signed by others.")


def _no_retries_left(error: NoRetriesLeft, user: User) -> str:
    text = ngettext(
        "It was retried %(n)d time, which is all that the rule allows.",
        "It was retried %(n)d times, which is all that the rule allows.",
        error.most,
    )
    return text % {"n": error.most}


def _later_jobs(error: LaterJobs, user: User) -> SafeString:
    text = _("Later jobs stand on what {job} did: {jobs}. Undo them first, or force it.")
    links = format_html_join(
        ", ", '<a href="{}">{}</a>', ((reverse("monitor:job", args=[pk]), name) for pk, name in error.jobs)
    )
    return format_html(text, job=error.job_name, jobs=links)


def _active_job(error: RevisionInActiveJob, user: User) -> SafeString:
    """Return the message about the other job, with a link for those who may see it."""
    seen = error.job_id is not None and selectors.visible_jobs(user).filter(pk=error.job_id).exists()
    name = (
        format_html('<a href="{}">{}</a>', reverse("monitor:job", args=[error.job_id]), error.job_name)
        if seen
        else error.job_name
    )
    text = _("The revision {sha} is in the active job {job} already.")
    return format_html(text, sha=error.sha[:12], job=name)


_SENTENCES: Final[Mapping[type[Exception], Callable[[Any, User], SafeString | str]]] = {
    RightMissing: _right_missing,
    TransitionNotAllowed: _not_allowed,
    JobChanged: _changed,
    AlreadySigned: _already_signed,
    CreatorExcluded: _creator_excluded,
    NoRetriesLeft: _no_retries_left,
    LaterJobs: _later_jobs,
    RevisionInActiveJob: _active_job,
}
