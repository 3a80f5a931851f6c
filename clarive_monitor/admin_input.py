"""What is sent to the administration: what does not fit gets a sentence, and only what is declared can be asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, connection, transaction
from django.db.models import DateTimeField, Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from permissions.echoes import EchoesLittle, clipped

LONGEST_SEARCH: Final = 1000
_COMPARED: Final = frozenset(
    {"exact", "isnull", "in", "gt", "gte", "lt", "lte", "year", "month", "day", "id__exact", "pk__exact"}
)
"""How a declared field may be asked for: as Django's filters do, and by no pattern."""


class TakesWhatFits(admin.ModelAdmin[Any]):
    """Mixed in before each model's own pages by the administration's site.

    Django lets whoever may see a list ask for any field of its rows, letter by letter also for those that no page shows, and
    leaves it to the database to refuse what no field can hold. Here both are decided first. Pages that another one links to
    with a field that is no filter name it in ``linked_lookups``.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Say no to what the list does not offer."""
        if request is None or not super().lookup_allowed(lookup, value, request):
            return False
        return any(
            lookup == path
            or (lookup.startswith(f"{path}{LOOKUP_SEP}") and lookup[len(path) + 2 :] in _COMPARED)
            for path in self._offered(request)
        )

    def _offered(self, request: HttpRequest) -> list[str]:
        found: list[str] = [*getattr(self, "linked_lookups", ())]
        if self.date_hierarchy:
            found.append(self.date_hierarchy)
        for each in self.get_list_filter(request):
            name = each[0] if isinstance(each, (list, tuple)) else each
            found.append(str(getattr(name, "parameter_name", name)))
        return found

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Refuse what the database cannot look for as Django refuses an incorrect lookup."""
        if not request.GET:
            return super().get_changelist_instance(request)
        try:
            with undoing_alone(request):
                return super().get_changelist_instance(request)
        except (ArithmeticError, DataError, ValidationError, ValueError) as error:
            raise IncorrectLookupParameters from error

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say so when the list was asked for something that it cannot be asked."""
        if request.method == "GET" and list(request.GET) == [ERROR_FLAG]:
            messages.error(request, _("The list cannot be filtered like that: all of it is shown."))
        return super().changelist_view(request, extra_context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find nothing by what nothing can hold."""
        if "\0" in search_term or len(search_term) > LONGEST_SEARCH:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(  # type: ignore[override]  # what the stubs add, Django does not have
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Do nothing when one of the chosen rows cannot be there."""
        if all(_can_hold(self.opts.pk, key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            return super().response_action(request, queryset)
        messages.error(request, _("One of the chosen rows is not there. Nothing was done."))
        return None

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Find nothing by what no key can be."""
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        return super()._get_obj_does_not_exist_redirect(request, opts, clipped(object_id))  # type: ignore[misc]

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **options: Any
    ) -> type[forms.ModelForm[Any]]:
        """Return the form, with errors that repeat little of what was sent."""
        form: Any = super().get_form(request, obj, change=change, **options)
        return type(form.__name__, (EchoesLittle, form), {"__module__": form.__module__})

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField[Any] | None:
        """Show a refused form again also when what it chose cannot be a row."""
        if db_field.name in self.get_autocomplete_fields(request):
            options.setdefault("widget", _ChosenRow(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **options)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in what the address says and the fields can hold."""
        asked = request.GET
        fitting = asked.copy()
        for name in asked:
            if not self._can_begin(name, asked[name]):
                del fitting[name]
        request.GET = fitting  # type: ignore[assignment]
        try:
            found: dict[str, Any] = super().get_changeform_initial_data(request)
        finally:
            request.GET = asked
        for name in fitting:
            field = self._field(name)
            if isinstance(field, DateTimeField):
                # The two inputs of a moment are filled from a moment alone.
                found[name] = field.to_python(found[name])
        return found

    def _can_begin(self, name: str, text: str) -> bool:
        field = self._field(name)
        if field is None or "\0" in text:
            return "\0" not in text
        if isinstance(field, ManyToManyField):
            key = field.remote_field.model._meta.pk
            return all(_can_hold(key, part) for part in text.split(","))
        if isinstance(field, ForeignKey):
            return _can_hold(field.target_field, text)
        try:
            value = field.to_python(text)
            if isinstance(field, DateTimeField) and value is not None and timezone.is_aware(value):
                timezone.localtime(value)
        except (ArithmeticError, ValidationError, ValueError):
            return False
        return True

    def _field(self, name: str) -> Field[Any, Any] | None:
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return None
        return field if isinstance(field, Field) else None


class _ChosenRow(AutocompleteSelect):
    """Looks for the chosen row only when there can be one."""

    def optgroups(self, name: str, value: Any, attr: dict[str, Any] | None = None) -> Any:
        """Return the chosen row as the only one to choose from."""
        key = cast("ForeignKey[Any, Any]", self.field).target_field
        return super().optgroups(name, [each for each in value if _can_hold(key, str(each))], attr)


def _can_hold(field: Any, text: str) -> bool:
    """Return whether a key can be ``text``; that a row has it is another question."""
    if "\0" in text:
        return False
    try:
        field.run_validators(field.to_python(text))
    except (ArithmeticError, ValidationError, ValueError):
        return False
    return True


def undoing_alone(request: HttpRequest) -> AbstractContextManager[Any]:
    """Return what undoes a part of a form's transaction, so that the rest goes on; reading stands in none."""
    is_part = request.method == "POST" and connection.in_atomic_block
    return transaction.atomic() if is_part else nullcontext()
