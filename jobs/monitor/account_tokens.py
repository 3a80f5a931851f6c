"""A user's own API tokens on the account page: made, shown once, taken away."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs.monitor.forms import mark_invalid
from jobs.monitor.gate import reader, signed_in
from permissions import once
from permissions.models import ApiToken
from permissions.token_forms import OwnTokenForm


def section(request: HttpRequest, form: OwnTokenForm | None = None) -> dict[str, Any]:
    """Return what the section of the page needs.

    Args:
        request: Of the reader, whose tokens they are.
        form: What was typed and did not fit; ``None`` for an empty one.
    """
    user = reader(request)
    tokens = ApiToken.objects.filter(user=user).order_by("-created_at", "-pk")
    return {
        "tokens": list(tokens),
        "token_form": form or OwnTokenForm(user),
        "form_key": once.key_for(request),
        "now": timezone.now(),
    }


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def make(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once: it goes into no cookie, no session and no cache. Loading that again makes no other."""
    if request.method != "POST":
        return redirect("monitor:account")
    form = OwnTokenForm(reader(request), request.POST)
    if not form.is_valid():
        mark_invalid(form)
        context = {**section(request, form), "section": "account"}
        return render(request, "monitor/token_new.html", context, status=400)
    token = _issue(request, form)
    context = {"token": token, "name": form.cleaned_data["name"], "section": "account"}
    answer = render(request, "monitor/token_made.html", context, status=200 if token else 409)
    add_never_cache_headers(answer)
    return answer


@transaction.atomic
def _issue(request: HttpRequest, form: OwnTokenForm) -> str:
    """Make the token and return it; an empty text when the form has made it before."""
    if once.is_used_up(request):
        return ""
    token = form.issue()
    once.use_up(request)
    return token


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Ask, then take a token away; from then on it opens nothing. Tokens of others do not exist here."""
    token = get_object_or_404(ApiToken, pk=token_id, user=reader(request))
    if request.method == "POST":
        token.delete()
        messages.success(request, _("The token is revoked: it opens nothing any more."))
        return redirect("monitor:account")
    return render(request, "monitor/token_revoke.html", {"token": token, "section": "account"})
