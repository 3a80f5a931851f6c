"""The page to create a job: a form that refreshes itself, what the job would do, and every refusal in its place."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs import selectors
from jobs.actions.create import create_job_once
from jobs.exceptions import CheckFailed, InvalidInput, JobNotFound, NoWorker, RevisionInActiveJob
from jobs.models import Job
from jobs.monitor import preview, refusals, revisions
from jobs.monitor.gate import actor, is_htmx, reader, signed_in
from jobs.monitor.job_form import JobForm
from jobs.monitor.job_variables import PREFIX
from jobs.representation import given_variables
from jobs.secrets import vault
from jobs.wishes import Wish
from jobs.wording import translated
from permissions.exceptions import RightMissing
from permissions.models import User

UPDATE, PREVIEW, LOOK = "update", "preview", "look"
"""What the form may be sent for besides creating the job (``do``)."""

_KEYS: Final = uuid.UUID("6a1d2f52-6a0e-4f0e-9f1b-0f0f4f7d1c11")
_LONGEST_KEY: Final = 100


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Show the form, or create the job and go to it; what is refused is said in place and nothing typed is lost.

    Raises:
        Http404: The job that this one is to be like is none that the reader may see.
    """
    user = reader(request)
    if request.method != "POST":
        return _page(request, _first(request, user), {})
    data, do = _picked(request.POST), request.POST.get("do", "")
    if do in {UPDATE, PREVIEW, LOOK} or "pick" in request.POST:
        form = JobForm(user, data, is_final=False)
        return _parts(request, form) if is_htmx(request) else _page(request, form, _asked_for(form, user, do))
    form = JobForm(user, data)
    if not form.is_valid():
        return _page(request, form, {}, status=400)
    return _create(request, form)


def _first(request: HttpRequest, user: User) -> JobForm:
    """Return the form as it begins: like another job, or with what the address says."""
    if "like" in request.GET:
        return _like(user, request.GET["like"])
    known = {
        name: value
        for name, value in request.GET.items()
        if name in JobForm.base_fields or name.startswith(PREFIX)
    }
    return JobForm(user, initial=known)


def _like(user: User, number: str) -> JobForm:
    """Return the form filled in as for a job that the reader may see; dates are not the same again."""
    if not (number.isascii() and number.isdecimal()) or len(number) > 19:
        raise Http404
    try:
        job = selectors.visible_job(user, int(number))
    except JobNotFound:
        raise Http404 from None
    initial = {
        "environment": job.environment.code,
        "rule": job.rule.slug,
        "project": job.project.code if job.project else "",
        "revisions": " ".join(job.revisions.values_list("ref", flat=True)),
        "type": job.type,
        "urgent": job.urgent,
        "comment": job.comment,
    }
    mask = vault.open_for(job.environment_id, job.project_id).mask
    shown = given_variables(job)
    # What cannot be shown is not in the form, so that its mask is not taken for the value.
    given = {name: job.variables[name]["value"] for name in shown}
    copied = {name: value for name, value in given.items() if mask.value(value) == value == shown[name]}
    form = JobForm(user, initial=initial, given=copied)
    form.left_out = sorted(given.keys() - copied.keys())
    return form


def _picked(sent: QueryDict) -> QueryDict:
    """Return what was sent, with the revision that was picked from the list in its place."""
    if "pick" not in sent:
        return sent
    data = sent.copy()
    refs = data.get("revisions", "").split()
    if refs and refs[-1] == data.get("looked"):
        refs.pop()
    data["revisions"] = " ".join(dict.fromkeys([*refs, str(data["pick"])]))
    return data


def _asked_for(form: JobForm, user: User, do: str) -> dict[str, Any]:
    """Return what the page shows besides the form for readers without scripts."""
    if do == PREVIEW:
        return {"panel": preview.panel(form, user, timezone.now()), "is_asked": True}
    if do != LOOK:
        return {}
    project = form.chosen.project
    if project is None:
        return {"found": revisions.Found(problem=_("Choose a project first: it has the revisions."))}
    looked = (form.typed("revisions").split() or [""])[-1]
    return {"found": revisions.look_up(project, looked), "looked": looked}


def _parts(request: HttpRequest, form: JobForm) -> HttpResponse:
    """Give the panel, and the parts of the form that follow from what was chosen when that has changed."""
    context = {
        "form": form,
        "panel": preview.panel(form, reader(request), timezone.now()),
        "is_asked": True,
        "has_changed": form.shape != request.POST.get("shape"),
        "is_part": True,
    }
    return render(request, "monitor/_create_parts.html", context)


def _create(request: HttpRequest, form: JobForm) -> HttpResponse:
    """Create the job, once for a form however often it is sent, and go to it; or say why not."""
    asker, wish = actor(request), wish_of(form)
    key = _key(asker.user, request.POST.get("key", ""), wish)
    check: CheckFailed | None = None
    try:
        job: Job = create_job_once(wish, actor=asker, now=timezone.now(), key=key)
        return redirect("monitor:job", job.pk)
    except InvalidInput as error:
        form.refuse({name: [translated(text) for text in texts] for name, texts in error.errors.items()})
        status = 400
    except RightMissing as error:
        form.add_error("environment", refusals.sentence(error, asker.user))
        status = 403
    except RevisionInActiveJob as error:
        form.add_error("revisions", refusals.sentence(error, asker.user))
        status = 409
    except CheckFailed as error:
        check, status = error, 422
    except NoWorker as error:
        text = _("No worker answered within %(seconds)d seconds. No job was created; try again.")
        form.add_error(None, text % {"seconds": error.seconds})
        status = 503
    return _page(request, form, {"check": check}, status=status)


def _key(user: User, text: str, wish: Wish) -> uuid.UUID:
    """Return what stands for one wish of one form of one person; a form that was changed and sent again is another wish."""
    if not text or len(text) > _LONGEST_KEY:
        return uuid.uuid4()
    said = json.dumps(asdict(wish), sort_keys=True, default=str)
    return uuid.uuid5(_KEYS, f"{user.pk} {text!r} {hashlib.sha256(said.encode()).hexdigest()}")


def wish_of(form: JobForm) -> Wish:
    """Return what a valid form asks for."""
    data = form.cleaned_data
    number = data["rule_version"].rpartition("@")[2]
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
        variables=data["given"],
        rule_version=int(number) if number else None,
    )


def _page(request: HttpRequest, form: JobForm, more: dict[str, Any], status: int = 200) -> HttpResponse:
    check: CheckFailed | None = more.get("check")
    context = {
        "form": form,
        "section": "create",
        "key": uuid.uuid4().hex,
        "zone": timezone.get_current_timezone_name(),
        "is_refused": status >= 400,
        **more,
        "check_message": translated(str(check)) if check else "",
        "check_log": [line for line in check.log if line[1] != str(check)] if check else [],
    }
    return render(request, "monitor/create.html", context, status=status)
