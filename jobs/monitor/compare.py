"""The page that compares a job with another one of the same rule."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs import selectors
from jobs.lifecycle import Status
from jobs.models import Job
from jobs.monitor import comparison
from jobs.monitor.gate import reader, signed_in, visible_job
from permissions.models import User

MOST_OFFERED: Final = 25
"""So many jobs of the same environment are offered, and as many of others."""


@signed_in
@require_safe
def compare(request: HttpRequest, job_id: int) -> HttpResponse:
    """Compare a job with the one that the address names, or with the last finished one of its rule and environment."""
    job = visible_job(request, job_id)
    offered = _offered(job, reader(request))
    given = request.GET.get("with", "").strip()
    context: dict[str, Any] = {"job": job, "offered": offered, "section": "monitor", "given": given}
    other = _named(request, given) if given else _usual(job, reader(request))
    if other is None or other.pk == job.pk or other.rule_id != job.rule_id:
        problem = _problem(given, other, job)
        return render(
            request, "monitor/compare.html", {**context, "problem": problem}, status=400 if problem else 200
        )
    context |= _compared(job, other)
    return render(request, "monitor/compare.html", context)


def _named(request: HttpRequest, given: str) -> Job | None:
    """Return the job of a number, ``None`` for what is no number.

    Raises:
        Http404: There is no such job, or the reader may not know of it.
    """
    if not (given.isascii() and given.isdecimal()):
        return None
    if len(given) > len(str(selectors.LARGEST_ID)):
        raise Http404
    return visible_job(request, int(given))


def _problem(given: str, other: Job | None, job: Job) -> str:
    """Return why there is nothing to compare with what the address names; empty when it names nothing."""
    if not given:
        return ""
    if other is None:
        return _("with: write the number of a job, not %(word)s.") % {"word": given[:100]}
    if other.pk == job.pk:
        return _("with: a job is not compared with itself.")
    return _("with: %(name)s is a job of the rule %(rule)s, not of %(own)s.") % {
        "name": other.name,
        "rule": other.rule.slug,
        "own": job.rule.slug,
    }


def _usual(job: Job, user: User) -> Job | None:
    """Return the last finished job of the same rule and environment: before this one, else any other."""
    finished = selectors.visible_jobs(user).filter(
        rule=job.rule_id, environment=job.environment_id, status=Status.FINISHED.value
    )
    newest = finished.exclude(pk=job.pk).order_by("-id")
    return newest.filter(pk__lt=job.pk).first() or newest.first()


def _offered(job: Job, user: User) -> list[tuple[str, list[Job]]]:
    """Return jobs of the same rule to choose from, those of the same environment first; two queries."""
    same: QuerySet[Job] = (
        selectors.lean_jobs(user).filter(rule=job.rule_id).exclude(pk=job.pk).order_by("-id")
    )
    here = list(same.filter(environment=job.environment_id)[:MOST_OFFERED])
    elsewhere = list(same.exclude(environment=job.environment_id)[:MOST_OFFERED])
    return [
        (label, jobs)
        for label, jobs in ((job.environment.code, here), (_("Other environments"), elsewhere))
        if jobs
    ]


def _compared(job: Job, other: Job) -> dict[str, Any]:
    variables, same = comparison.variables(job, other)
    timings, has_more = comparison.timings(job, other)
    return {
        "other": other,
        "sides": [(job, list(job.revisions.all())), (other, list(other.revisions.all()))],
        "contents": comparison.contents(job, other),
        "variables": variables,
        "same_variables": same,
        "rule": comparison.rule(job, other),
        "timings": timings,
        "has_more_timings": has_more,
    }
