"""Who gets through the door of a page: signed-in people, to jobs that they may see."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.vary import vary_on_headers

from jobs import selectors
from jobs.audit import Actor
from jobs.exceptions import JobNotFound
from jobs.models import AuditRecord, Job
from permissions.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(view: View[P]) -> View[P]:
    """Let signed-in people through and send others to sign in.

    A fragment asked for by a page whose session has ended makes that page load again, so that a sign-in form never lands in the
    middle of a table. One address gives page and fragment, so caches must look at htmx's header, and nothing is kept.
    """

    @never_cache
    @vary_on_headers("HX-Request", "Cookie")
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if is_htmx(request):
            return HttpResponse(headers={"HX-Refresh": "true"})
        return redirect_to_login(request.get_full_path())

    return guarded


def is_htmx(request: HttpRequest) -> bool:
    """Return whether a fragment is asked for; going back in the history wants the page."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def reader(request: HttpRequest) -> User:
    """Return the signed-in user of a request that passed ``signed_in``."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("The view lacks signed_in.")
    return user


def actor(request: HttpRequest) -> Actor:
    """Return who acts through a page, and from which address."""
    return Actor(reader(request), AuditRecord.Source.PAGE.value, request.META.get("REMOTE_ADDR", ""))


def visible_job(request: HttpRequest, job_id: int) -> Job:
    """Return the job.

    Raises:
        Http404: There is none, or the user may not know of it.
    """
    try:
        return selectors.visible_job(reader(request), job_id)
    except JobNotFound:
        raise Http404 from None
