"""A user's own API tokens on the account page: made, shown once, taken away."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs.monitor.forms import mark_invalid
from jobs.monitor.gate import reader, signed_in
from permissions.models import ApiToken, User
from permissions.token_forms import OwnTokenForm


def section(user: User, form: OwnTokenForm | None = None) -> dict[str, Any]:
    """Return what the section of the page needs.

    Args:
        user: Whose tokens.
        form: What was typed and did not fit; ``None`` for an empty one.
    """
    tokens = ApiToken.objects.filter(user=user).order_by("-created_at", "-pk")
    return {"tokens": list(tokens), "token_form": form or OwnTokenForm(user), "now": timezone.now()}


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def make(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once: it goes into no cookie, no session and no cache."""
    if request.method != "POST":
        return redirect("monitor:account")
    user = reader(request)
    form = OwnTokenForm(user, request.POST)
    if not form.is_valid():
        mark_invalid(form)
        context = {**section(user, form), "section": "account"}
        return render(request, "monitor/token_new.html", context, status=400)
    context = {"token": form.issue(), "name": form.cleaned_data["name"], "section": "account"}
    answer = render(request, "monitor/token_made.html", context)
    add_never_cache_headers(answer)
    return answer


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
