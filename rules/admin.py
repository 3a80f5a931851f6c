"""Administration of rules: the editor, the versions as they were, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from rules import admin_check, admin_versions, guide
from rules.actions.publish_rule import publish_rule
from rules.engine.registry import registry
from rules.exceptions import RuleInvalid, VersionChanged
from rules.forms import PublishForm, changed
from rules.models import Rule, RuleVersion

MORE_PAGES: Final[list[Callable[[RuleAdmin], list[URLPattern]]]] = []
"""Makers of further pages under the address of rules: an app above may add what needs more than rules."""

BEGINNING = """\
name: my-rule
description: What it is for
steps:
  RUN:
    - run: echo Hello
"""


@admin.register(Rule)
class RuleAdmin(admin.ModelAdmin[Rule]):
    """Rules. A version is never edited: saving the editor publishes the next one."""

    list_display = ("slug", "current", "description", "published_at", "created_at")
    search_fields = ("slug",)
    ordering = ("slug",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        """Add what the list says of the current version."""
        newest = RuleVersion.objects.filter(rule=OuterRef("pk")).order_by("-number")
        return (
            super()
            .get_queryset(request)
            .annotate(
                newest_number=Subquery(newest.values("number")[:1]),
                newest_description=Subquery(newest.values("description")[:1]),
                newest_at=Subquery(newest.values("created_at")[:1]),
            )
        )

    @admin.display(description=_("version"), ordering="newest_number")
    def current(self, rule: Rule) -> int | None:
        """Show the number of the current version."""
        return getattr(rule, "newest_number", None)

    @admin.display(description=_("description"))
    def description(self, rule: Rule) -> str:
        """Show the first line of the description."""
        return (getattr(rule, "newest_description", "") or "").partition("\n")[0]

    @admin.display(description=_("published"), ordering="newest_at")
    def published_at(self, rule: Rule) -> Any:
        """Show when the current version was published."""
        return getattr(rule, "newest_at", None)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of versions."""
        view = self.admin_site.admin_view
        return [
            path("check/", view(require_POST(self.check_text)), name="rules_rule_check"),
            path(
                "<int:rule_id>/versions/<int:number>/",
                view(require_safe(self.version)),
                name="rules_rule_version",
            ),
            path(
                "<int:rule_id>/versions/<int:number>/restore/", view(self.restore), name="rules_rule_restore"
            ),
            path("<int:rule_id>/diff/", view(require_safe(self.diff)), name="rules_rule_diff"),
            *(pattern for make in MORE_PAGES for pattern in make(self)),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Publish the first version of a new rule."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._editor(request, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the versions of a rule, and publish the next one."""
        rule = self.get_object(request, object_id)
        if rule is None:
            raise Http404
        if not self.has_view_or_change_permission(request, rule):
            raise PermissionDenied
        return self._editor(request, rule)

    def _editor(self, request: HttpRequest, rule: Rule | None) -> HttpResponse:
        versions = (
            []
            if rule is None
            else list(rule.versions.select_related("author").defer("source").order_by("-number"))
        )
        newest = versions[0] if versions else None
        may_publish = rule is None or self.has_change_permission(request, rule)
        initial = {
            "source": newest.source if newest else BEGINNING,
            "seen": newest.number if newest else None,
        }
        form = PublishForm(request.POST or None, rule=rule, newest=newest, initial=initial)
        is_checked = False
        if request.method == "POST":
            if not may_publish:
                raise PermissionDenied
            if form.is_valid():
                is_checked = "check" in request.POST
                answer = None if is_checked else self._publish(request, form)
                if answer is not None:
                    return answer
        title = gettext("New rule") if rule is None else rule.slug
        context = {
            "form": form,
            "versions": list(pairwise([*versions, None])),
            "newest": newest,
            "may_publish": may_publish,
            "is_checked": is_checked,
            "problems": admin_check.worded(form.problems),
            "families": guide.families(registry) if may_publish else [],
            "keyboard": guide.KEYBOARD,
            "options": guide.OPTION_HELP.items(),
            "editor": admin_check.for_the_script(rule) if may_publish else {},
        }
        return self.page(request, "editor", rule, title, context, 422 if form.errors else 200)

    def _publish(self, request: HttpRequest, form: PublishForm) -> HttpResponse | None:
        """Publish what the form holds; ``None`` when something came in between, which the form then says."""
        source, comment = form.cleaned_data["source"], form.cleaned_data["comment"]
        try:
            version, is_new = publish_rule(
                source=source,
                author=request.user,
                comment=comment,
                now=timezone.now(),
                seen=form.cleaned_data["seen"],
            )
        except RuleInvalid as error:
            form.problems = error.problems
            form.add_error("source", gettext("The rule has mistakes; nothing was published."))
            return None
        except VersionChanged as error:
            form.add_error(None, changed(error.number))
            return None
        if is_new:
            self.note(request, version)
        else:
            messages.info(
                request, gettext("The source is that of the current version; nothing was published.")
            )
        if not self.has_view_or_change_permission(request, version.rule):
            return HttpResponseRedirect(reverse("admin:index"))  # who may only add may not look at it
        return HttpResponseRedirect(reverse("admin:rules_rule_change", args=[version.rule_id]))

    def check_text(self, request: HttpRequest) -> HttpResponse:
        """Answer, as JSON, what is wrong with a source, for the editor while somebody types."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        return admin_check.answer(request)

    def version(self, request: HttpRequest, rule_id: int, number: int) -> HttpResponse:
        """Show a version as it was published."""
        return admin_versions.version(self, request, self.visible(request, rule_id), number)

    def diff(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        """Show what changed from one version (``from``) to another (``to``)."""
        return admin_versions.diff(self, request, self.visible(request, rule_id))

    def restore(self, request: HttpRequest, rule_id: int, number: int) -> HttpResponse:
        """Ask, and publish an older version again."""
        rule = self.visible(request, rule_id)
        if not self.has_change_permission(request, rule):
            raise PermissionDenied
        return admin_versions.restore(self, request, rule, number)

    def visible(self, request: HttpRequest, rule_id: int) -> Rule:
        """Return a rule.

        Raises:
            Http404: There is none.
            PermissionDenied: It is not for this user to see.
        """
        rule = get_object_or_404(Rule, pk=rule_id)
        if not self.has_view_or_change_permission(request, rule):
            raise PermissionDenied
        return rule

    def note(self, request: HttpRequest, version: RuleVersion) -> None:
        """Tell the publisher and the admin's own history of a new version."""
        note = gettext("Published version %(number)d.") % {"number": version.number}
        (self.log_addition if version.number == 1 else self.log_change)(request, version.rule, note)
        messages.success(request, note)

    def page(
        self,
        request: HttpRequest,
        name: str,
        rule: Rule | None,
        title: str,
        context: dict[str, Any],
        status: int = 200,
    ) -> HttpResponse:
        """Return one of the pages of rules."""
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "rule": rule, "title": title}
        return TemplateResponse(request, f"admin/rules/rule/{name}.html", context, status=status)
