"""Checking a source for the editor of the admin: mistakes in the reader's language, and what its script needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext

from rules import guide
from rules.engine.registry import registry
from rules.exceptions import RuleProblem
from rules.forms import PublishForm
from rules.models import Rule
from rules.wording import hint_of, message_of


def worded(problems: Iterable[RuleProblem]) -> list[dict[str, Any]]:
    """Return mistakes in the reader's language, each with its place."""
    return [
        {"line": one.line, "column": one.column, "message": message_of(one), "hint": hint_of(one)}
        for one in problems
    ]


def answer(request: HttpRequest) -> HttpResponse:
    """Return what is wrong with the ``source`` that was sent, and how many operations it has.

    ``rule`` is the slug of the rule that is edited, empty for a new one.
    """
    if "source" not in request.POST:
        return JsonResponse({"errors": [gettext("Send the source.")]}, status=400)
    slug = request.POST.get("rule", "")
    rule = None if not slug or "\0" in slug else Rule.objects.filter(slug=slug).first()
    if slug and rule is None:
        return JsonResponse({"errors": [gettext("There is no such rule.")]}, status=400)
    form = PublishForm({"source": request.POST["source"]}, rule=rule)
    is_valid = form.is_valid()
    # With problems the form's own sentence says only that there are some.
    errors = [] if form.problems else [error for errors in form.errors.values() for error in errors]
    return JsonResponse(
        {
            "valid": is_valid,
            "operations": form.operations,
            "problems": worded(form.problems),
            "errors": errors,
        }
    )


def for_the_script(rule: Rule | None) -> dict[str, Any]:
    """Return what the script of the editor needs: where to check, what can be written where, and its words."""
    slugs = list(Rule.objects.order_by("slug").values_list("slug", flat=True)[:1000])
    return {
        "check": reverse("admin:rules_rule_check"),
        "rule": rule.slug if rule else "",
        "language": guide.completions(
            registry, [slug for slug in slugs if rule is None or slug != rule.slug]
        ),
        "words": _words(),
        "phrases": _phrases(),
    }


def _words() -> dict[str, str]:
    return {
        "source": gettext("Source"),
        "leaving": gettext("Tab indents; Esc, then Tab leaves the editor."),
        "place": gettext("Line %(line)s, column %(column)s"),
        "checking": gettext("Checking…"),
        "valid": gettext("No mistakes."),
        "operations": gettext("Operations: %(number)s."),
        "problems": gettext("Mistakes: %(number)s."),
        "lost": gettext("The check cannot be reached; publishing checks as well."),
        "signed_out": gettext("You are signed out. Copy your text before you sign in again."),
        "operation": gettext("operation"),
        "option": gettext("option"),
        "argument": gettext("argument"),
        "required": gettext("required"),
        "step": gettext("step"),
        "name": gettext("name"),
        "value": gettext("value"),
        "rule": gettext("rule"),
    }


def _phrases() -> dict[str, str]:
    """Return what the editor's library says, by its English."""
    return {
        "Find": gettext("Find"),
        "Replace": gettext("Replace with"),
        "next": gettext("next one"),
        "previous": gettext("previous one"),
        "all": gettext("all of them"),
        "match case": gettext("match case"),
        "regexp": gettext("regular expression"),
        "by word": gettext("whole words"),
        "replace": gettext("replace it"),
        "replace all": gettext("replace all"),
        "close": gettext("close"),
        "current match": gettext("current match"),
        "on line": gettext("in line"),
        "replaced match on line $": gettext("replaced in line $"),
        "replaced $ matches": gettext("replaced: $"),
        "Go to line": gettext("Go to line"),
        "go": gettext("go"),
        "Completions": gettext("Completions"),
        "Diagnostics": gettext("Mistakes"),
        "No diagnostics": gettext("No mistakes."),
    }
