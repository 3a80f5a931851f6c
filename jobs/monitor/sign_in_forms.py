"""Forms of signing in and of passwords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.forms import (
    AuthenticationForm,
    PasswordChangeForm,
    PasswordResetForm,
    SetPasswordForm,
)
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.forms import BaseForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs.monitor.forms import mark_invalid
from permissions import reset, throttle
from permissions.backends import LocalBackend
from permissions.models import User


class SignInForm(AuthenticationForm):
    """User name and password, with what browsers need to fill them in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Mark fields for password managers."""
        super().__init__(*args, **kwargs)
        mark_invalid(self)

    def confirm_login_allowed(self, user: User) -> None:
        """Count once more: of many guesses sent at once, only those up to the limit may tell that they were right."""
        super().confirm_login_allowed(user)
        name = self.cleaned_data["username"]
        if self.request is not None and not throttle.may_try(self.request, name):
            throttle.lock_out(self.request, name)
            raise self.get_invalid_login_error()


class ChangePasswordForm(PasswordChangeForm):
    """The old password and the new one, twice."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Keep the request, whose wrong old passwords are counted."""
        self.request = request
        super().__init__(*args, **kwargs)
        _describe_rules(self)
        mark_invalid(self)

    def clean_old_password(self) -> str:
        """Refuse a wrong password, and count it: whoever found a page open must not find the password too."""
        old: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=old) != self.user:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """The new password, twice, for who came by a link."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Tie rules and errors to their fields."""
        super().__init__(*args, **kwargs)
        _describe_rules(self)
        mark_invalid(self)


class ForgottenForm(PasswordResetForm):
    """Whose password was forgotten."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name the field as the pages do, and tie errors to it."""
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("E-mail")
        mark_invalid(self)

    def get_users(self, email: str) -> Iterator[User]:
        """Yield whose passwords are kept here and good for signing in."""
        for user in super().get_users(email):
            if isinstance(user, User) and LocalBackend().user_can_authenticate(user):
                yield user

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Send the letters; for nobody one is written as well and thrown away, or the time would tell."""
        self._letters = 0
        super().save(*args, **kwargs)
        if not self._letters:
            request: HttpRequest = kwargs["request"]
            nobody = User(pk=0, username="nobody", email=self.cleaned_data["email"])
            token = default_token_generator.make_token(nobody)
            self._letter(
                {
                    "user": nobody,
                    "uid": "MA",
                    "token": token,
                    "domain": request.get_host(),
                    "protocol": "https",
                }
            )

    def send_mail(
        self, subject_template_name: str, email_template_name: str, context: dict[str, Any],
        from_email: str | None, to_email: str, html_email_template_name: str | None = None,
    ) -> None:  # fmt: skip
        """Send one letter, without waiting for it."""
        self._letters += 1
        reset.post(self._letter(context))

    def _letter(self, context: dict[str, Any]) -> EmailMessage:
        user: User = context["user"]
        with translation.override(user.language or translation.get_language()):
            address = reverse("monitor:new_password", args=[context["uid"], context["token"]])
            text = "\n\n".join(
                (
                    gettext(
                        "Somebody, perhaps you, asked for a new password for %(name)s in Clarive Monitor."
                    )
                    % {"name": user.get_username()},
                    gettext("Choose it here; the link can be used once, within one hour:"),
                    f"{context['protocol']}://{context['domain']}{address}",
                    gettext("If it was not you, nothing needs to be done: your password stays as it is."),
                )
            )
            subject = gettext("New password for Clarive Monitor")
        return EmailMessage(subject, text, None, [user.email])


def _describe_rules(form: BaseForm) -> None:
    """Tie the list of what a password has to be like to the field for it."""
    form.fields["new_password1"].widget.attrs["aria-describedby"] = "password-rules"
    form.fields["new_password2"].help_text = ""
