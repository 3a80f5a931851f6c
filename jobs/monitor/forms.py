"""Forms of the pages. They read what was typed; what it means is decided by the actions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from jobs import selectors
from jobs.choices import JobType
from jobs.models import MailChoice
from permissions import policy
from permissions.catalog import Right
from permissions.middleware import known_zones
from permissions.models import User

MINUTES: Final = "%Y-%m-%dT%H:%M"
_MOST_TEXT: Final = 20_000


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


class EnvironmentField(forms.ChoiceField):
    """Offers the environments in which the reader may create jobs.

    Another one that they see is understood as well: that they lack the right there is for the action to say.
    """

    visible: frozenset[str] = frozenset()

    def valid_value(self, value: Any) -> bool:
        """Return whether it is one of those."""
        return super().valid_value(value) or str(value) in self.visible


class JobForm(forms.Form):
    """What a person wishes for in a new job. ``check_message`` is what CHECK said when it refused."""

    check_message = ""

    environment = EnvironmentField(label=_("Environment"))
    rule = forms.ChoiceField(label=_("Rule"))
    project = forms.ChoiceField(label=_("Project"), required=False)
    revisions = forms.CharField(
        label=_("Revision"),
        required=False,
        max_length=1000,
        help_text=_("A tag, branch or commit; several with a space between them."),
        widget=forms.TextInput(
            attrs={"list": "refs", "autocomplete": "off", "spellcheck": "false", "class": "mono"}
        ),
    )
    type = forms.ChoiceField(label=_("Type"), choices=JobType.choices, initial=JobType.PROMOTE)
    scheduled_at = forms.DateTimeField(
        label=_("scheduled date"),
        required=False,
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        help_text=_("When RUN may begin. Empty: now."),
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    max_start_at = forms.DateTimeField(
        label=_("max start date"),
        required=False,
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        help_text=_("Past it, the job expires. Empty: what the environment says."),
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    urgent = forms.BooleanField(label=_("Urgent"), required=False)
    comment = forms.CharField(
        label=_("Comment"), required=False, max_length=_MOST_TEXT, widget=forms.Textarea(attrs={"rows": 2})
    )
    variables = forms.CharField(
        label=_("Variables"),
        required=False,
        max_length=_MOST_TEXT,
        help_text=_("One name=value a line, or a JSON object."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        """Offer the environments in which ``user`` may create jobs, and the rules and projects there are."""
        super().__init__(*args, **kwargs)
        allowed = policy.environments_for(user, Right.CREATE)
        environments = [
            (row.code, row.code if row.name == row.code else f"{row.code} · {row.name}") for row in allowed
        ]
        self.has_environments = bool(environments)
        field = self.fields["environment"]
        assert isinstance(field, EnvironmentField)
        field.visible = frozenset(policy.environments_for(user).values_list("code", flat=True))
        self._offer("environment", environments)
        rules = selectors.visible_rules(user).values_list("slug", flat=True)
        self._offer("rule", [(slug, slug) for slug in rules])
        projects = selectors.visible_projects(user).values_list("code", "name")
        named = [(code, code if name == code else f"{code} · {name}") for code, name in projects]
        self._offer("project", [("", _("None")), *named])
        if self.is_bound:
            mark_invalid(self)

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        only = field.required and len(choices) != 1
        field.choices = [("", "—"), *choices] if only else choices

    def clean_revisions(self) -> list[str]:
        """Return the refs in the order they were typed."""
        return list(dict.fromkeys(self.cleaned_data["revisions"].split()))

    def clean_variables(self) -> dict[str, Any]:
        """Return the variables as plain data."""
        return read_variables(self.cleaned_data["variables"])

    def refuse(self, errors: Mapping[str, list[str]]) -> None:
        """Show what the action refused beside the fields it is about."""
        for name, texts in errors.items():
            field = name.split(".")[0].split("[")[0]
            for text in texts:
                if field in self.fields:
                    self.add_error(field, text)
                else:
                    self.add_error(None, f"{name}: {text}")
        mark_invalid(self)


def read_variables(text: str) -> dict[str, Any]:
    """Return the variables that a person typed: a JSON object, or ``name=value`` lines.

    Raises:
        ValidationError: It is neither; the message names the line.
    """
    if text.lstrip().startswith("{"):
        return _read_json(text)
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, sign, value = line.partition("=")
        name = name.strip()
        if not line.strip():
            continue
        if not sign or not name.isidentifier():
            raise ValidationError(_("Line %(number)d: write name=value."), params={"number": number})
        if name in found:
            raise ValidationError(
                _("Line %(number)d: %(name)s is there already."), params={"number": number, "name": name}
            )
        found[name] = value.strip()
    return found


def _read_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValidationError(_("The variables are nested too deeply.")) from None
    except json.JSONDecodeError as error:
        raise ValidationError(
            _("Line %(number)d, column %(column)d: no valid JSON."),
            params={"number": error.lineno, "column": error.colno},
        ) from None
    except ValueError:
        raise ValidationError(_("Numbers must be finite and not too long.")) from None
    if not isinstance(found, dict):
        raise ValidationError(_("Write a JSON object."))
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def mark_invalid(form: forms.BaseForm) -> None:
    """Tie each field with an error to its message, for readers who do not see the red."""
    if not form.is_bound:
        return
    for name in form.errors:
        if name in form.fields:
            attributes = form.fields[name].widget.attrs
            attributes.update({"aria-invalid": "true", "aria-describedby": f"id_{name}_error"})
