"""The form of a subscription in the admin, checked by the function that the API uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.contrib.auth.models import Group
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs.actions import subscriptions
from jobs.choices import StatusChoice
from jobs.models import Project, Subscription
from jobs.notifications.events import NoticeEvent
from jobs.wording import translated
from permissions.models import Environment, User

EVENTS: Final = (
    (NoticeEvent.JOB_CREATED.value, _("Job created")),
    (NoticeEvent.STEP_STARTED.value, _("Step started")),
    (NoticeEvent.STEP_ENDED.value, _("Step ended")),
    (NoticeEvent.APPROVAL_REQUESTED.value, _("Approval requested")),
    (NoticeEvent.APPROVED.value, _("Approved")),
    (NoticeEvent.REJECTED.value, _("Rejected")),
    (NoticeEvent.TRAPPED.value, _("Trapped")),
    (NoticeEvent.TRAP_ANSWERED.value, _("Trap answered")),
    (NoticeEvent.CANCELLED.value, _("Cancelled")),
    (NoticeEvent.EXPIRED.value, _("Expired")),
    (NoticeEvent.ABEND.value, _("Abend")),
    (NoticeEvent.ENDED.value, _("Ended")),
)
_NAMED: Final[dict[str, tuple[Any, str]]] = {
    "environments": (Environment, "code"),
    "projects": (Project, "code"),
    "users": (User, "username"),
    "groups": (Group, "name"),
}


class Chosen(forms.MultipleChoiceField):
    """Some of several, in order."""

    def clean(self, value: Any) -> list[str]:
        """Return what was chosen."""
        return sorted(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare without regard to order."""
        return sorted(initial or []) != sorted(data or [])


class Lines(forms.CharField):
    """A list, each entry on a line of its own."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Return the text to show."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the entries."""
        return sorted({line.strip() for line in str(super().clean(value)).splitlines() if line.strip()})

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare texts."""
        return super().has_changed(self.prepare_value(initial), data)


def _boxes(label: Any, choices: Iterable[tuple[str, Any]] = ()) -> Chosen:
    return Chosen(label=label, choices=tuple(choices), required=False, widget=forms.CheckboxSelectMultiple)


def _list(label: Any) -> Chosen:
    return Chosen(label=label, required=False, widget=forms.SelectMultiple(attrs={"size": 6}))


class SubscriptionForm(forms.ModelForm[Subscription]):
    """Who is told what."""

    events = _boxes(_("events"), EVENTS)
    statuses = _boxes(_("statuses"), StatusChoice.choices)
    environments = _list(_("environments"))
    projects = _list(_("projects"))
    users = _list(_("users"))
    groups = _list(_("groups"))
    addresses = Lines(
        label=_("mail addresses"),
        required=False,
        help_text=_("One on each line. They are told of every job that fits, whoever reads them."),
    )

    class Meta:
        model = Subscription
        fields = ("name", "enabled", "webhook_url", *subscriptions.LISTS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what there is, and what was chosen when it was still there."""
        super().__init__(*args, **kwargs)
        for each in self.fields.values():
            each.label = capfirst(each.label)
        for name, (model, column) in _NAMED.items():
            field = self.fields.get(name)
            if isinstance(field, Chosen):
                there = model._default_manager.order_by(column).values_list(column, flat=True)
                known = dict.fromkeys([*there, *getattr(self.instance, name)])
                field.choices = [(each, each) for each in known]
        for declared in self.fields.values():
            declared.label = capfirst(declared.label)
        if "webhook_url" in self.fields:
            self.fields["webhook_url"].help_text = _(
                "An address that gets signed messages. Its secret is made here and shown once."
            )

    def clean(self) -> dict[str, Any]:
        """Refuse what cannot be told or reached."""
        values = dict(super().clean() or {})
        there = {name: getattr(self.instance, name) for name in _NAMED}
        found = subscriptions.mistakes(values, declared=there)
        for name, texts in found.items():
            field = "webhook_url" if name == "webhook.url" else name
            for text in texts:
                self.add_error(field, translated(text))
        receivers = ("users", "groups", "addresses", "webhook_url")
        if not self.errors and not any(values.get(name) for name in receivers):
            self.add_error(None, gettext("Name users, groups, addresses or a webhook to tell."))
        return values
