"""Signing in and out: with a password, through a provider, and not at all for a while."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.monitor.sign_in_forms import SignInForm
from permissions import external, throttle
from permissions.backends import OIDC
from permissions.exceptions import SignInRefused
from permissions.oidc import flow
from permissions.oidc.provider import Provider

logger = logging.getLogger(__name__)

ID_TOKEN: Final = "clarive_id_token"
"""Where a session keeps the provider's token, to end the session there too."""


class SignIn(LoginView):
    """The sign-in page; who is signed in already goes on."""

    template_name = "monitor/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the provider's button."""
        following = self.get_redirect_url()
        return super().get_context_data(**kwargs) | _ways(following)


class SignOut(LogoutView):
    """Signs out here and, when the provider offers it and it is wished for, there."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End the session."""
        id_token = request.session.get(ID_TOKEN)
        answer = super().post(request, *args, **kwargs)
        provider = Provider.configured()
        if id_token and provider is not None:
            back = request.build_absolute_uri(reverse("monitor:login"))
            there = provider.sign_out_address(id_token=id_token, redirect_uri=back)
            if there:
                return redirect(there)
        return HttpResponse(status=answer.status_code, headers=dict(answer.items()))


@never_cache
@require_safe
def oidc_start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider."""
    provider = Provider.configured()
    following = _following(request)
    if provider is None:
        return redirect("monitor:login")
    departure = flow.Departure.new(following)
    try:
        there = provider.sign_in_address(
            state=departure.state,
            nonce=departure.nonce,
            verifier=departure.verifier,
            redirect_uri=_callback(request),
        )
    except SignInRefused as refusal:
        return _refused(request, refusal, following)
    response = redirect(there)
    departure.keep(response, reverse("monitor:oidc"))
    return response


@never_cache
@require_safe
def oidc_callback(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider vouches for; whatever goes wrong is said on the sign-in page."""
    following = ""
    try:
        departure = flow.Departure.of(request)
        following = departure.next
        response = _arrive(request, departure)
    except SignInRefused as refusal:
        response = _refused(request, refusal, following)
    flow.forget(request, response, reverse("monitor:oidc"))
    return response


def _arrive(request: HttpRequest, departure: flow.Departure) -> HttpResponse:
    provider = Provider.configured()
    if provider is None:
        raise SignInRefused("state")
    if request.GET.get("error"):
        raise SignInRefused("denied", request.GET["error"][:100])
    person, id_token = provider.redeem(
        request.GET.get("code", ""),
        nonce=departure.nonce,
        verifier=departure.verifier,
        redirect_uri=_callback(request),
    )
    user = external.account_of(person, provider.rules, now=timezone.now())
    login(request, user, backend=OIDC)
    if provider.signs_out:
        request.session[ID_TOKEN] = id_token
    return redirect(departure.next or settings.LOGIN_REDIRECT_URL)


def locked_out(request: HttpRequest, original: HttpResponse | None, credentials: Any) -> HttpResponse:
    """Return the page for who failed too often; it is the same for names that exist and for those that do not."""
    now = timezone.now()
    wait = throttle.seconds_to_wait(request, credentials, now=now)
    context = {
        "until": now + timedelta(seconds=wait),
        "minutes": -(-wait // 60),
        **_ways(_following(request)),
    }
    answer = render(request, "monitor/locked.html", context, status=429)
    answer["Retry-After"] = str(wait)
    return answer


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Send who wants into the administration through the one door; who may not go there is told so.

    Raises:
        PermissionDenied: Somebody is signed in who is no staff.
    """
    following = _following(request) or reverse("admin:index")
    if request.user.is_authenticated:
        if not request.user.is_staff:
            raise PermissionDenied
        return redirect(following)
    return redirect(f"{reverse('monitor:login')}?{urlencode({REDIRECT_FIELD_NAME: following})}")


def _ways(following: str) -> dict[str, Any]:
    """Return what the sign-in page offers."""
    provider = Provider.configured()
    query = f"?{urlencode({REDIRECT_FIELD_NAME: following})}" if following else ""
    return {
        "provider": provider,
        "provider_address": reverse("monitor:oidc") + query if provider else "",
        # Passwords of a directory are typed into the same form.
        "form_is_for_few": settings.CLARIVE_LOCAL_PASSWORDS != "everybody" and settings.CLARIVE_LDAP is None,
        "forgets": settings.CLARIVE_LOCAL_PASSWORDS == "everybody",
    }


def _refused(request: HttpRequest, refusal: SignInRefused, following: str) -> HttpResponse:
    """Say on the sign-in page why the provider's word did not let somebody in; what went wrong in detail is logged."""
    logger.warning("A sign-in through the provider was refused (%s): %s", refusal.reason, refusal)
    messages.error(request, _sentence(refusal.reason))
    query = f"?{urlencode({REDIRECT_FIELD_NAME: following})}" if following else ""
    return redirect(reverse("monitor:login") + query)


def _sentence(reason: str) -> str:
    return {
        "denied": _("The provider did not let you in, or you went back."),
        "state": _("This sign-in took too long or was begun elsewhere. Please try again."),
        "provider": _("The provider cannot be reached or does not answer as it should. Try again later."),
        "untrusted": _(
            "The provider's answer could not be verified. Try again; if it stays, tell an administrator."
        ),
        "inactive": _("Your account here is inactive. An administrator can activate it."),
        "taken": _(
            "An account of this name is here already and not connected with yours. An administrator can connect them."
        ),
        "unknown": _("There is no account here for you. An administrator can make one."),
        "name": _("The provider gave no user name that can be used here. Tell an administrator."),
    }[reason]


def _callback(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("monitor:oidc_callback"))


def _following(request: HttpRequest) -> str:
    """Return the page that was asked for, when it is one of ours."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME, ""))
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else ""
