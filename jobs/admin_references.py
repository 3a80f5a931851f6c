"""Deleting in the administration: what something refers to stays, and the page says what that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.apps import apps
from django.contrib import admin, messages
from django.db import IntegrityError, connection, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from jobs.actions.references import Reference, references, takes_hidden_along
from jobs.audit import together
from jobs.models import Job
from permissions import policy

MOST_REFUSED: Final = 20
"""Of how many chosen rows the page says why they stay."""


class KeepsReferenced(admin.ModelAdmin[Any]):
    """Mixed in before each model's own pages by the administration's site.

    Django reads all that refers to a row before it refuses, which may be a million jobs, and names rows of environments
    that the asker may not see. Here both are asked of ``references``.
    """

    delete_selected_confirmation_template = "admin/delete_selected_or_keep.html"

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        """Return what Django does, or, as protected, a line for each row that something refers to.

        What goes with a row is listed only to those who may see every environment: it may be about one of the others. Pages
        that make this list themselves answer for it.
        """
        rows = list(objs)
        if kept := _kept(rows, request.user):
            return [], {}, set(), kept
        shown = super().get_deleted_objects
        listed, counts, lacking, protected = shown(objs, request)
        by_django = getattr(shown, "__func__", None) is admin.ModelAdmin.get_deleted_objects
        if protected:  # something began to refer to it at this moment, or the page knows another reason
            return [], {}, set(), _kept(rows, request.user) or ([_("others")] if by_django else protected)
        if by_django and not policy.rights_of(request.user).sees_all:
            listed = [format_html("{} {}", row._meta.verbose_name, row) for row in rows]
            counts = {str(self.opts.verbose_name_plural): len(rows)}
        return listed, counts, lacking, protected

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        """Show a page of its own when the row stays."""
        if not context["protected"]:
            return super().render_delete_form(request, context)
        context["media"] = self.media
        return TemplateResponse(request, "admin/kept.html", context, status=409)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Come back when something began to refer to the row at that moment: then the page says what."""
        return self._checked(
            request, lambda: super(KeepsReferenced, self).delete_view(request, object_id, extra_context)
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, str] | None = None
    ) -> HttpResponse:
        """Do the same for several rows."""
        return self._checked(
            request, lambda: super(KeepsReferenced, self).changelist_view(request, extra_context)
        )

    def _checked(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        try:
            with transaction.atomic(), together():
                answer = view()
                # Otherwise the database would say so only when everything else is done.
                connection.check_constraints()
                return answer
        except (ProtectedError, IntegrityError):
            text = _("Nothing was deleted: something began to refer to it at this moment.")
            messages.error(request, text)
            return HttpResponseRedirect(request.get_full_path())


def _kept(rows: list[Any], user: Any) -> list[Any]:
    """Return a line for each row that stays, followed by a list of why: what refers to it, and what may not go with it."""
    lines: list[Any] = []
    for row in rows:
        found = references(row, user)
        inner: list[Any] = [_line(each) for each in found.named]
        if found.others:
            inner.append(_("and others") if inner else _("others"))
        if takes_hidden_along(row, user):
            inner.append(_("variables of environments that you may not see"))
        if inner:
            lines += [format_html("{} {}", row._meta.verbose_name, row), inner]
        if len(lines) >= 2 * MOST_REFUSED:
            break
    return lines


def _line(found: Reference) -> SafeString:
    """Return one line of the page; a job is a link to its own."""
    noun = str(_model(found.kind)._meta.verbose_name)
    if found.kind != Job._meta.model_name:
        return format_html("{} {}", noun, found.name)
    return format_html('{} <a href="{}">{}</a>', noun, reverse("monitor:job", args=[found.id]), found.name)


def _model(kind: str) -> type[Model]:
    return next(model for model in apps.get_models() if model._meta.model_name == kind)
