"""Versions of a rule in the admin: as they were, what changed between two of them, and one of them again."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from rules import admin_check
from rules.actions.publish_rule import publish_rule
from rules.exceptions import RuleInvalid, RuleProblem, VersionChanged
from rules.forms import RestoreForm, changed
from rules.models import Rule, RuleVersion
from rules.selectors import check_source, newest_version

if TYPE_CHECKING:
    from rules.admin import RuleAdmin


def version(pages: RuleAdmin, request: HttpRequest, rule: Rule, number: int) -> HttpResponse:
    """Show a version as it was published, with its neighbours."""
    found = _find(rule, number)
    numbers = rule.versions.order_by("number").values_list("number", flat=True)
    newest = numbers.last()
    context = {
        "version": found,
        "lines": found.source.split("\n"),
        "previous": numbers.filter(number__lt=number).last(),
        "next": numbers.filter(number__gt=number).first(),
        "newest": newest,
        "may_restore": number != newest and pages.has_change_permission(request, rule),
    }
    return pages.page(request, "version", rule, _title(rule, number), context)


def diff(pages: RuleAdmin, request: HttpRequest, rule: Rule) -> HttpResponse:
    """Show what changed from the version ``from`` to the version ``to``."""
    before, after = (_asked(request, rule, name) for name in ("from", "to"))
    title = gettext("%(rule)s, from version %(before)d to %(after)d") % {
        "rule": rule.slug,
        "before": before.number,
        "after": after.number,
    }
    context = {"before": before, "after": after, "lines": changes(before, after)}
    return pages.page(request, "diff", rule, title, context)


def restore(pages: RuleAdmin, request: HttpRequest, rule: Rule, number: int) -> HttpResponse:
    """Show what publishing an older version again would change, and do so when asked."""
    old, newest = _find(rule, number), newest_version(rule.slug)
    comment = gettext("Restored from version %(number)d") % {"number": number}
    form = RestoreForm(request.POST or None, initial={"comment": comment, "seen": newest.number})
    problems = check_source(old.source).problems
    is_same = old.source == newest.source
    if request.method == "POST" and form.is_valid() and not is_same and not problems:
        answer, problems = _restore(pages, request, form, old)
        if answer is not None:
            return answer
    context = {
        "version": old,
        "newest": newest,
        "form": form,
        "is_same": is_same,
        "problems": admin_check.worded(problems),
        "lines": changes(newest, old),
    }
    title = gettext("Restore %(rule)s, version %(number)d") % {"rule": rule.slug, "number": number}
    status = 422 if request.method == "POST" else 200
    return pages.page(request, "restore", rule, title, context, status)


def _restore(
    pages: RuleAdmin, request: HttpRequest, form: RestoreForm, old: RuleVersion
) -> tuple[HttpResponse | None, tuple[RuleProblem, ...]]:
    """Publish; return the answer, or ``None`` and the mistakes when it was refused."""
    try:
        made, is_new = publish_rule(
            source=old.source,
            author=request.user,
            comment=form.cleaned_data["comment"],
            now=timezone.now(),
            seen=form.cleaned_data["seen"],
        )
    except RuleInvalid as error:
        return None, error.problems
    except VersionChanged as error:
        form.add_error(None, changed(error.number))
        return None, ()
    if is_new:
        pages.note(request, made)
    else:
        messages.info(request, gettext("The source is that of the current version; nothing was published."))
    return HttpResponseRedirect(reverse("admin:rules_rule_change", args=[made.rule_id])), ()


def changes(before: RuleVersion, after: RuleVersion) -> list[tuple[str, str]]:
    """Return the lines of a diff, each with the class under which it is drawn; none when nothing changed."""
    lines = unified_diff(
        before.source.split("\n"), after.source.split("\n"), lineterm="", n=4,
        fromfile=f"{before.name} {before.number}", tofile=f"{after.name} {after.number}",
    )  # fmt: skip
    return [(_kind(line), line) for line in lines]


def _kind(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")


def _title(rule: Rule, number: int) -> str:
    return gettext("%(rule)s, version %(number)d") % {"rule": rule.slug, "number": number}


def _find(rule: Rule, number: int) -> RuleVersion:
    if number > 2**31 - 1:
        raise Http404
    found: Any = get_object_or_404(RuleVersion.objects.select_related("author"), rule=rule, number=number)
    assert isinstance(found, RuleVersion)
    return found


def _asked(request: HttpRequest, rule: Rule, name: str) -> RuleVersion:
    number = request.GET.get(name, "")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise Http404
    return _find(rule, int(number))
