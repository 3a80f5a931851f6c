"""Signing in and out, and what a user chooses for the pages."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from jobs.monitor import account_tokens
from jobs.monitor.forms import AccountForm, SignInForm
from jobs.monitor.gate import reader, signed_in


class SignIn(LoginView):
    """The sign-in page; who is signed in already goes on."""

    template_name = "monitor/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


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
    context = {**account_tokens.section(user), "form": form, "section": "account"}
    return render(request, "monitor/account.html", context, status=400 if form.errors else 200)
