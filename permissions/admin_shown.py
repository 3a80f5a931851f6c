"""Forms that do not take back what somebody else changed since they were shown.

A page carries a digest of each field as it was shown. When something is different by the time it comes back, nothing is saved,
and the page comes again: what its sender did not touch shows what is there now, what the sender wrote stays as written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from permissions import locks

SHOWN: Final = "_shown"
_CHANGED: Final = "_clarive_changed_meanwhile"
_LONGEST: Final = 500
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

Thing = TypeVar("Thing", bound=Model)


class KeepsWhatOthersChanged(admin.ModelAdmin[Thing]):
    """Refuses a form whose fields somebody changed since it was shown. What carries no digests, as programs, is not asked."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Read and save under the locks, so that nothing changes between looking and saving."""
        if request.method in _READING or object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        with transaction.atomic():
            locks.hold()
            present = self.get_object(request, unquote(object_id))
            if present is not None:
                row = self.model._base_manager.filter(pk=present.pk).select_for_update(no_key=True)
                row.values("pk").first()
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Thing | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Thing]]:
        """Let the form compare what it showed with what is there."""
        found = super().get_form(request, obj, change=change, **kwargs)
        if obj is None or SHOWN not in request.POST:
            return found
        members = {"shown": _read(request.POST[SHOWN]), "request": request}
        return type(found.__name__, (_Compares, found), members)

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Thing | None = None) -> Iterator[Any]:
        """Let the rows below compare, too."""
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            chosen: Any = formset
            if obj is not None and SHOWN in request.POST:
                members = {"shown": _read(request.POST[SHOWN]), "request": request}
                chosen = type(formset.__name__, (_ComparesRows, formset), members)
            yield chosen, inline

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the digests; a form that comes back carries on those with which it was shown first."""
        is_changed = getattr(request, _CHANGED, False)
        if kwargs.get("obj") is not None and context.get("object_id"):
            if SHOWN in request.POST and not is_changed:
                context[SHOWN[1:]] = request.POST[SHOWN]
            else:
                formsets = [each.formset for each in context["inline_admin_formsets"]]
                context[SHOWN[1:]] = json.dumps(_all_digests(context["adminform"].form, formsets))
        answer = super().render_change_form(request, context, *args, **kwargs)
        if is_changed:
            answer.status_code = 409
        return answer


class _Compares(forms.ModelForm[Any]):
    """A form that knows what it showed: ``shown`` has the digests by the names of the fields."""

    shown: dict[str, str]
    request: HttpRequest

    def full_clean(self) -> None:
        """Refuse when a field is not what it was when it was shown."""
        super().full_clean()
        names = _take_present(self, self.shown)
        if names:
            setattr(self.request, _CHANGED, True)
            labels = ", ".join(str(self.fields[name].label or name) for name in names)
            self.add_error(None, _refusal(labels))


class _ComparesRows(forms.BaseModelFormSet[Any, Any]):
    """The same for the rows below a form."""

    shown: dict[str, str]
    request: HttpRequest

    def full_clean(self) -> None:
        """Refuse when a row is not what it was, or is gone."""
        super().full_clean()
        changed, there = [], set()
        for form in self.initial_forms:
            there |= {form.add_prefix(name) for name in _editable(form)}
            if _take_present(form, self.shown):
                changed.append(str(form.instance))
        own = f"{self.prefix}-"
        gone = {name for name in self.shown if name.startswith(own) and name not in there}
        if changed or gone:
            setattr(self.request, _CHANGED, True)
            model: Any = self.model
            label = capfirst(str(model._meta.verbose_name_plural))
            named = f"{label} ({', '.join(changed)})" if changed else label
            self._non_form_errors.append(_refusal(named))  # type: ignore[attr-defined]


def _refusal(names: str) -> str:
    return _(
        "Changed meanwhile: %(names)s. Nothing was saved. What you had not touched now shows what is there; "
        "what you wrote is still here. Look at it, then save again."
    ) % {"names": names}


def _take_present(form: forms.ModelForm[Any], shown: dict[str, str]) -> list[str]:
    """Return which fields are not what they were, and let those show what is there that the sender did not touch."""
    found = []
    for name, digest in _digests(form).items():
        before = shown.get(form.add_prefix(name))
        if before == digest:
            continue
        found.append(name)
        field, present = form.fields[name], form.initial.get(name)
        cleaned = form.cleaned_data
        untouched = before is None or (name in cleaned and _digest(form, name, cleaned[name]) == before)
        if untouched:
            # Only this form's own copy of the field: it shows what is there instead of what was sent.
            field.bound_data = _present  # type: ignore[method-assign]
            form.add_error(name, _("Changed meanwhile; this is what it is now."))
        else:
            words = {"value": _in_words(field, present)}
            form.add_error(name, _("Changed meanwhile to: %(value)s") % words)
    return found


def _present(data: Any, initial: Any) -> Any:
    """Return what a field shows that does not look at what was sent."""
    return initial


def _all_digests(form: forms.ModelForm[Any], formsets: Iterable[Any]) -> dict[str, str]:
    rows = (row for formset in formsets for row in formset.initial_forms)
    return {
        each.add_prefix(name): digest for each in (form, *rows) for name, digest in _digests(each).items()
    }


def _digests(form: forms.ModelForm[Any]) -> dict[str, str]:
    """Return a digest of each field as it is in the database now; ``initial`` was read from there."""
    return {name: _digest(form, name, form.initial.get(name)) for name in _editable(form)}


def _editable(form: forms.ModelForm[Any]) -> list[str]:
    """Return the fields of the row that the form can change."""
    if form.instance.pk is None:
        return []
    model: Any = form._meta.model
    columns = {field.name for field in (*model._meta.fields, *model._meta.many_to_many)}
    return [
        name
        for name, field in form.fields.items()
        if name in columns
        and not field.disabled
        and not isinstance(field, forms.models.InlineForeignKeyField)
        and name != model._meta.pk.name
    ]


def _digest(form: forms.ModelForm[Any], name: str, value: Any) -> str:
    """Return what tells a value from others; it tells nobody what the value is."""
    row = form.instance
    plain = json.dumps(
        [row._meta.label, row.pk, name, _plain(form.fields[name], value)], sort_keys=True, default=str
    )
    return salted_hmac("permissions.admin_shown", plain, algorithm="sha256").hexdigest()[:32]


def _plain(field: Any, value: Any) -> Any:
    """Return a value as it compares: of what was read and what was sent alike."""
    if isinstance(field, forms.ModelMultipleChoiceField):
        return sorted(_offered(field, value).values_list("pk", flat=True))
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0).isoformat()
    return None if value in ("", [], {}) else value


def _offered(field: Any, value: Any) -> QuerySet[Any]:
    """Return the chosen rows: what the form does not offer, it does not show either."""
    keys = [each.pk if isinstance(each, Model) else each for each in value or ()]
    found: QuerySet[Any] = field.queryset.filter(pk__in=keys)
    return found


def _in_words(field: Any, value: Any) -> str:
    """Return a value as the page names it."""
    if isinstance(field, forms.ModelMultipleChoiceField):
        said = ", ".join(map(str, _offered(field, value)))
    elif isinstance(field, forms.ModelChoiceField):
        said = str(_offered(field, [value]).first() or "")
    elif isinstance(value, bool):
        said = _("Yes") if value else _("No")
    else:
        shown = field.prepare_value(value)
        said = "" if shown is None else str(shown)
    said = said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
    return said or _("nothing")


def _read(text: str) -> dict[str, str]:
    """Return the digests that a form carries; of a mangled one none, so that it is refused."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
