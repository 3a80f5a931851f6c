"""Forms in which people say what an API token is for and what it is limited to."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy

from permissions import policy, tokens
from permissions.catalog import LABELS, Right
from permissions.exceptions import TokenRefused
from permissions.models import User

MINUTES: Final = "%Y-%m-%dT%H:%M"


class LimitsMixin(forms.BaseForm):
    """Reads the limits and has them checked with the rest."""

    def offer(self, asker: User) -> None:
        """Offer every right, and the environments that the asker may see."""
        codes = policy.environments_for(asker).values_list("code", flat=True)
        choices = {
            "rights": [(right.value, f"{right.value}: {LABELS[right]}") for right in Right],
            "environments": [(code, code) for code in codes],
        }
        for name, offered in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = offered

    def check(self, owner: User) -> None:
        """Note what the token cannot be made with."""
        found = self.cleaned_data
        try:
            tokens.check(owner, name=found.get("name", ""), **self.limits())
        except TokenRefused as error:
            self.add_error(error.field if error.field in self.fields else None, error.message)

    def limits(self) -> dict[str, list[str] | None]:
        """Return what it is limited to; nothing ticked is no limit."""
        return {name: self.cleaned_data.get(name) or None for name in ("rights", "environments")}


def future(moment: datetime | None) -> datetime | None:
    """Return when a token ends.

    Raises:
        ValidationError: That is past, or too far away.
    """
    try:
        tokens.check_expiry(moment, now=timezone.now())
    except TokenRefused as error:
        raise ValidationError(error.message) from error
    return moment


def rights_field() -> forms.MultipleChoiceField:
    """Return the field of the rights that a token is limited to."""
    return forms.MultipleChoiceField(
        label=gettext_lazy("Limit to rights"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all rights of the user, also those granted later."),
    )


def environments_field() -> forms.MultipleChoiceField:
    """Return the field of the environments that a token is limited to."""
    return forms.MultipleChoiceField(
        label=gettext_lazy("Limit to environments"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all environments of the user, also those created later."),
    )


class OwnTokenForm(LimitsMixin, forms.Form):
    """A token that somebody makes for themselves."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("What it is for, such as the program that uses it."),
    )
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Expires"),
        required=False,
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        help_text=gettext_lazy("Empty: never."),
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    rights = rights_field()
    environments = environments_field()

    def __init__(self, owner: User, *args: Any, **kwargs: Any) -> None:
        """Offer what the owner may limit it to."""
        super().__init__(*args, **kwargs)
        self.owner = owner
        self.offer(owner)

    def clean_expires_at(self) -> datetime | None:
        """Refuse what is past."""
        return future(self.cleaned_data["expires_at"])

    def clean(self) -> dict[str, Any]:
        """Have the limits checked."""
        super().clean()
        self.check(self.owner)
        return self.cleaned_data

    def issue(self) -> str:
        """Make the token and return it."""
        found = self.cleaned_data
        return tokens.issue(
            self.owner,
            name=found["name"],
            expires_at=found["expires_at"],
            **self.limits(),
        )
