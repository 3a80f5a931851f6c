"""The administration's site: puts what the whole product asks of its pages before those of each app.

Apps at the bottom know no jobs, so their pages cannot ask what refers to a row. They are registered here as everywhere,
and get it on the way, as the API's views get their door.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import wraps
from typing import Any, Final, cast

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db import DataError
from django.db.models import Field, ForeignKey, ManyToManyField, Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from clarive_monitor.admin_input import TakesWhatFits, undoing_alone
from jobs.admin_references import KeepsReferenced
from permissions import policy

_LOG: Final = logging.getLogger(__name__)


class OfTheProduct(TakesWhatFits, KeepsReferenced):
    """What comes before each model's own pages."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the permission before looking, as the other pages do: whether there is such a thing is nobody's business."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field of a form; the admin writes words beside the two of a moment, and ties them to nothing."""
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(found, forms.SplitDateTimeField):
            for part, word in zip(found.widget.widgets, (gettext("date"), gettext("time")), strict=True):
                part.attrs["aria-label"] = f"{capfirst(found.label)}: {word}"
        return found


class Administration(admin.AdminSite):
    """Deletes nothing that something refers to, and tells nothing of what the reader may not see, whatever is registered."""

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register pages that ask what all of them must."""
        chosen = admin_class or admin.ModelAdmin
        if not issubclass(chosen, OfTheProduct):
            members = {"__doc__": chosen.__doc__, "__module__": chosen.__module__}
            chosen = type(chosen.__name__, (OfTheProduct, chosen), members)
        super().register(model_or_iterable, chosen, **options)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Answer what the database cannot hold with a sentence, whatever page it was sent to."""

        @wraps(view)
        def checked(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
            if any(isinstance(each, str) and "\0" in each for each in named.values()):
                raise Http404
            try:
                with undoing_alone(request):
                    return cast("HttpResponseBase", view(request, *arguments, **named))
            except (DisallowedModelAdminLookup, DisallowedModelAdminToField):
                return HttpResponseBadRequest(gettext("The list cannot be asked for that."))
            except DataError:
                _LOG.warning("%s was sent what the database cannot hold", request.path, exc_info=True)
                text = gettext("What was sent holds something that cannot be kept or looked for.")
                return HttpResponseBadRequest(text)

        return super().admin_view(checked, cacheable)

    @method_decorator(require_safe)
    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Offer rows only for fields that hold a row."""
        names = [request.GET.get(name, "") for name in ("app_label", "model_name", "field_name")]
        try:
            field: Any = apps.get_model(names[0], names[1])._meta.get_field(names[2])
        except (FieldDoesNotExist, LookupError, ValueError):
            raise PermissionDenied from None
        if not isinstance(field, (ForeignKey, ManyToManyField)):
            raise PermissionDenied
        return super().autocomplete_view(request)

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Leave out what was done to things that the reader may not see now, which may be less than once, or that are gone.

        Every page is given them and hardly any shows them, so they are looked for only then.
        """
        found = SimpleLazyObject(lambda: self._log_entries(request))
        return cast("QuerySet[LogEntry]", found)

    def _log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        entries: QuerySet[LogEntry] = super().get_log_entries(request)
        if policy.rights_of(request.user).sees_all:
            return entries
        seen = Q(pk=None)
        for model, model_admin in self._registry.items():
            # The others are for reading only, so nothing is noted of them.
            if model_admin.has_change_permission(request) or model_admin.has_delete_permission(request):
                visible = model_admin.get_queryset(request).order_by()
                keys = visible.annotate(as_text=Cast("pk", TextField())).values("as_text")
                seen |= Q(content_type=ContentType.objects.get_for_model(model), object_id__in=keys)
        return entries.filter(seen)
