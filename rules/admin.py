"""Administration of rules: the editor, the versions as they were, and what changed between two of them."""

from __future__ import annotations

from difflib import unified_diff
from typing import Any

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

from rules.actions.publish_rule import publish_rule
from rules.exceptions import RuleInvalid
from rules.forms import PublishForm
from rules.models import Rule, RuleVersion
from rules.wording import hint_of, message_of

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
            path("<int:rule_id>/versions/<int:number>/", view(self.version), name="rules_rule_version"),
            path("<int:rule_id>/diff/", view(self.diff), name="rules_rule_diff"),
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
        if request.method == "POST":
            if not may_publish:
                raise PermissionDenied
            if form.is_valid():
                answer = self._publish(request, form)
                if answer is not None:
                    return answer
        title = gettext("New rule") if rule is None else rule.slug
        context = {"form": form, "versions": versions, "may_publish": may_publish, "problems": _worded(form)}
        return self._page(request, "editor", rule, title, context, 422 if form.errors else 200)

    def _publish(self, request: HttpRequest, form: PublishForm) -> HttpResponse | None:
        """Publish what the form holds; ``None`` when something came in between, which the form then says."""
        source, comment = form.cleaned_data["source"], form.cleaned_data["comment"]
        try:
            version, is_new = publish_rule(
                source=source, author=request.user, comment=comment, now=timezone.now()
            )
        except RuleInvalid as error:
            form.problems = error.problems
            form.add_error("source", gettext("The rule has mistakes; nothing was published."))
            return None
        if is_new:
            note = gettext("Published version %(number)d.") % {"number": version.number}
            (self.log_addition if version.number == 1 else self.log_change)(request, version.rule, note)
            messages.success(request, note)
        else:
            messages.info(
                request, gettext("The source is that of the current version; nothing was published.")
            )
        return HttpResponseRedirect(reverse("admin:rules_rule_change", args=[version.rule_id]))

    def version(self, request: HttpRequest, rule_id: int, number: int) -> HttpResponse:
        """Show a version as it was published."""
        rule = self._visible(request, rule_id)
        found = get_object_or_404(RuleVersion.objects.select_related("author"), rule=rule, number=number)
        title = gettext("%(rule)s, version %(number)d") % {"rule": rule.slug, "number": number}
        return self._page(
            request, "version", rule, title, {"version": found, "lines": found.source.split("\n")}
        )

    def diff(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        """Show what changed from one version (``from``) to another (``to``)."""
        rule = self._visible(request, rule_id)
        before, after = (self._asked(request, rule, name) for name in ("from", "to"))
        lines = unified_diff(
            before.source.split("\n"), after.source.split("\n"), lineterm="", n=4,
            fromfile=f"{rule.slug} {before.number}", tofile=f"{rule.slug} {after.number}",
        )  # fmt: skip
        title = gettext("%(rule)s, from version %(before)d to %(after)d") % {
            "rule": rule.slug,
            "before": before.number,
            "after": after.number,
        }
        context = {"before": before, "after": after, "lines": [(_kind(line), line) for line in lines]}
        return self._page(request, "diff", rule, title, context)

    def _visible(self, request: HttpRequest, rule_id: int) -> Rule:
        rule = get_object_or_404(Rule, pk=rule_id)
        if not self.has_view_or_change_permission(request, rule):
            raise PermissionDenied
        return rule

    def _asked(self, request: HttpRequest, rule: Rule, name: str) -> RuleVersion:
        number = request.GET.get(name, "")
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise Http404
        return get_object_or_404(RuleVersion, rule=rule, number=int(number))

    def _page(
        self,
        request: HttpRequest,
        name: str,
        rule: Rule | None,
        title: str,
        context: dict[str, Any],
        status: int = 200,
    ) -> HttpResponse:
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "rule": rule, "title": title}
        return TemplateResponse(request, f"admin/rules/rule/{name}.html", context, status=status)


def _worded(form: PublishForm) -> list[dict[str, Any]]:
    return [
        {"line": one.line, "column": one.column, "message": message_of(one), "hint": hint_of(one)}
        for one in form.problems
    ]


def _kind(line: str) -> str:
    """Return the class under which a line of a diff is drawn."""
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")
