"""Forms of the pages. They read what was typed; what it means is decided by the actions."""

from __future__ import annotations

import json
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from jobs.models import MailChoice
from permissions.middleware import known_zones
from permissions.models import User

MINUTES: Final = "%Y-%m-%dT%H:%M"
MOST_TEXT: Final = 20_000


class AccountForm(forms.ModelForm[User]):
    """Language, time zone and theme of the signed-in user."""

    time_zone = forms.ChoiceField(label=_("Time zone"), required=False)
    own_mail = forms.ChoiceField(
        label=_("Mail about jobs that I created or may approve"),
        choices=(("yes", _("Yes")), ("no", _("No"))),
        required=False,
        help_text=_("What subscriptions send comes in any case."),
    )

    class Meta:
        model = User
        fields = ("language", "time_zone", "theme")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer every zone of the tz database."""
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in known_zones() if "/" in zone or zone == "UTC")
        zone_field, language_field = self.fields["time_zone"], self.fields["language"]
        assert isinstance(zone_field, forms.ChoiceField)
        assert isinstance(language_field, forms.ChoiceField)
        zone_field.choices = [("", _("As the browser")), *((zone, zone.replace("_", " ")) for zone in zones)]
        language_field.choices = [("", _("As the browser")), *settings.LANGUAGES]
        off = MailChoice.objects.filter(user=self.instance, own=False).exists()
        self.initial["own_mail"] = "no" if off else "yes"

    def save(self, commit: bool = True) -> User:
        """Keep the choices; one that was not sent stays as it is."""
        user = super().save(commit)
        if chosen := self.cleaned_data["own_mail"]:
            MailChoice.objects.update_or_create(user=user, defaults={"own": chosen == "yes"})
        return user


def read_variables(text: str) -> dict[str, Any]:
    """Return the variables that a person typed: a JSON object, or ``name=value`` lines.

    Raises:
        ValidationError: It is neither; the message names the line.
    """
    if text.lstrip().startswith("{"):
        found = read_json(text)
        if not isinstance(found, dict):
            raise ValidationError(_("Write a JSON object."))
        return found
    given: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, sign, value = line.partition("=")
        name = name.strip()
        if not line.strip():
            continue
        if not sign or not name.isidentifier():
            raise ValidationError(_("Line %(number)d: write name=value."), params={"number": number})
        if name in given:
            raise ValidationError(
                _("Line %(number)d: %(name)s is there already."), params={"number": number, "name": name}
            )
        given[name] = value.strip()
    return given


def read_json(text: str) -> Any:
    """Return the plain data that a person typed as JSON.

    Raises:
        ValidationError: It is none; the message names the place.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValidationError(_("The variables are nested too deeply.")) from None
    except json.JSONDecodeError as error:
        raise ValidationError(
            _("Line %(number)d, column %(column)d: no valid JSON."),
            params={"number": error.lineno, "column": error.colno},
        ) from None
    except ValueError:
        raise ValidationError(_("Numbers must be finite and not too long.")) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def mark_invalid(form: forms.BaseForm) -> None:
    """Tie each field with an error to its message, for readers who do not see the red."""
    if not form.is_bound:
        return
    for name in form.errors:
        if name in form.fields:
            attributes = form.fields[name].widget.attrs
            described = dict.fromkeys([*attributes.get("aria-describedby", "").split(), f"id_{name}_error"])
            attributes.update({"aria-invalid": "true", "aria-describedby": " ".join(described)})
