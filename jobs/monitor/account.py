"""What a user chooses for the pages, the password, and the sessions."""

from __future__ import annotations

from axes.models import AccessLog
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from jobs.monitor import account_tokens
from jobs.monitor.forms import AccountForm
from jobs.monitor.gate import reader, signed_in
from permissions import sessions, throttle
from permissions.models import User


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show and keep the language, zone and theme of the signed-in user."""
    user = reader(request)
    form = AccountForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        with translation.override(user.language or translation.get_language()):
            messages.success(request, _("Your choices are kept."))
        return redirect("monitor:account")
    if form.errors:
        user.refresh_from_db()
    context = {
        **account_tokens.section(request),
        "form": form,
        "section": "account",
        "has_password": user.has_usable_password(),
        "sign_ins": _last_sign_ins(user),
    }
    return render(request, "monitor/account.html", context, status=400 if form.errors else 200)


@signed_in
@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End all other sessions of the signed-in user."""
    sessions.end_others(request, reader(request))
    messages.success(request, _("You are signed out everywhere else."))
    return redirect("monitor:account")


def _last_sign_ins(user: User) -> list[AccessLog]:
    """Return the newest sign-ins; those of somebody who had the name before are not shown."""
    of_name = AccessLog.objects.filter(username=user.get_username(), attempt_time__gte=user.date_joined)
    entries = list(of_name.order_by("-pk")[:5])
    for entry in entries:
        entry.user_agent = throttle.browser_of(entry)
    return entries
