"""Changing one's password, and getting a new one when it was forgotten."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.password_validation import password_validators_help_texts
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from jobs.monitor.gate import reader, signed_in
from jobs.monitor.sign_in_forms import ChangePasswordForm, ForgottenForm, NewPasswordForm
from permissions import reset, throttle
from permissions.addresses import client_address

_METHODS = ["GET", "HEAD", "POST"]


@sensitive_post_parameters()
@signed_in
@require_http_methods(_METHODS)
def change(request: HttpRequest) -> HttpResponse:
    """Change the password of the signed-in user; all other sessions end with the old one.

    Raises:
        Http404: The user has none here: a directory or a provider keeps it.
    """
    user = reader(request)
    if not user.has_usable_password():
        raise Http404
    form = ChangePasswordForm(request, user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        messages.success(request, _("Your password is changed. You are signed out everywhere else."))
        return redirect("monitor:account")
    context = {"form": form, "section": "account", "rules": password_validators_help_texts()}
    return render(request, "monitor/password.html", context, status=400 if form.errors else 200)


@never_cache
@require_http_methods(_METHODS)
def forgotten(request: HttpRequest) -> HttpResponse:
    """Send a letter to whose e-mail it is; the answer is the same whether it is anybody's or not."""
    form = ForgottenForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "sends_mail": settings.CLARIVE_MAIL_IS_SENT}
    status = 400 if form.errors else 200
    if request.method == "POST" and settings.CLARIVE_MAIL_IS_SENT and form.is_valid():
        email = form.cleaned_data["email"]
        address_may, email_may = reset.may_ask(client_address(request), email, now=timezone.now())
        if email_may:
            form.save(request=request, use_https=request.is_secure())
        context |= {"is_sent": address_may, "is_too_often": not address_may}
        status = 200 if address_may else 429
    answer = render(request, "monitor/forgotten.html", context, status=status)
    if status == 429:
        answer["Retry-After"] = str(int(reset.SPAN.total_seconds()))
    return answer


class NewPassword(PasswordResetConfirmView):
    """Where the letter leads to: the new password, twice."""

    template_name = "monitor/new_password.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("monitor:login")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what a password has to be like."""
        return super().get_context_data(**kwargs) | {"rules": password_validators_help_texts()}

    def form_valid(self, form: Any) -> HttpResponse:
        """Keep the password, and let its owner try it at once."""
        answer = super().form_valid(form)
        throttle.forgive(self.request, form.user.get_username())
        messages.success(self.request, _("Your password is changed. Sign in with it."))
        return answer
