"""The page to create a job."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs import selectors
from jobs.actions.create import create_job
from jobs.audit import Actor
from jobs.exceptions import CheckFailed, InvalidInput, NoWorker, RevisionInActiveJob
from jobs.models import Job
from jobs.monitor import refusals
from jobs.monitor.forms import JobForm
from jobs.monitor.gate import actor, reader, signed_in
from jobs.wishes import Wish
from jobs.wording import translated
from permissions.exceptions import RightMissing

SUGGESTED_REFS = 30


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Show the form, or create the job and go to it; what is refused is said in place and nothing typed is lost."""
    user = reader(request)
    if request.method != "POST":
        known = {name: value for name, value in request.GET.items() if name in JobForm.base_fields}
        return _page(request, JobForm(user, initial=known))
    form = JobForm(user, request.POST)
    if not form.is_valid():
        return _page(request, form, status=400)
    job, status = _try(form, actor(request))
    if job is None:
        return _page(request, form, status=status)
    return redirect("monitor:job", job.pk)


def _try(form: JobForm, asker: Actor) -> tuple[Job | None, int]:
    """Return the new job, or none and the HTTP status of what the form now says."""
    try:
        return create_job(wish_of(form), actor=asker, now=timezone.now()), 201
    except InvalidInput as error:
        form.refuse({name: [translated(text) for text in texts] for name, texts in error.errors.items()})
        return None, 400
    except RightMissing as error:
        form.add_error("environment", refusals.sentence(error, asker.user))
        return None, 403
    except RevisionInActiveJob as error:
        form.add_error("revisions", refusals.sentence(error, asker.user))
        return None, 409
    except CheckFailed as error:
        form.check_message = translated(str(error))
        return None, 422
    except NoWorker as error:
        text = _("No worker answered within %(seconds)d seconds. No job was created; try again.")
        form.add_error(None, text % {"seconds": error.seconds})
        return None, 503


def wish_of(form: JobForm) -> Wish:
    """Return what a valid form asks for."""
    data = form.cleaned_data
    return Wish(
        rule=data["rule"],
        environment=data["environment"],
        project=data["project"] or None,
        type=data["type"],
        revisions=tuple(data["revisions"]),
        scheduled_at=data["scheduled_at"],
        max_start_at=data["max_start_at"],
        urgent=data["urgent"],
        comment=data["comment"],
        variables=data["variables"],
    )


def _page(request: HttpRequest, form: JobForm, status: int = 200) -> HttpResponse:
    recent = selectors.visible_jobs(reader(request)).filter(revisions__isnull=False).order_by("-id")
    refs = recent.values_list("revisions__ref", flat=True)[: 4 * SUGGESTED_REFS]
    context = {
        "form": form,
        "section": "create",
        "refs": list(dict.fromkeys(refs))[:SUGGESTED_REFS],
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "monitor/create.html", context, status=status)
