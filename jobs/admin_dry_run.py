"""The dry run of a rule in the admin: what would run in an environment, and where each variable comes from.

Nothing is executed and nothing is written: the rule is walked over what is known before a job exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from jobs import selectors
from jobs.actions.lookup import mistakes_in_variables
from jobs.choices import JobType
from jobs.dry_run import (
    Imagined,
    Subject,
    counts_of,
    imagine,
    operations_of,
    published,
    sentence,
    variables_of,
)
from jobs.models import Project
from jobs.wording import translated
from permissions import policy
from permissions.echoes import EchoesLittle
from permissions.models import Environment, User
from rules.admin import RuleAdmin
from rules.admin_check import worded
from rules.models import Rule, RuleVersion
from rules.parser import draft
from rules.parser.nodes import is_broken, is_null, plain
from rules.parser.problems import Problems
from rules.parser.source import read
from rules.selectors import linked_draft
from rules.tree import RuleTree
from rules.wording import message_of

_MOST_TEXT: Final = 20_000


class DryRunForm(EchoesLittle, forms.Form):
    """The job that is imagined."""

    environment = forms.ModelChoiceField(
        Environment.objects.none(), label=_("Environment"), to_field_name="code"
    )
    project = forms.ModelChoiceField(
        Project.objects.none(), label=_("Project"), required=False, to_field_name="code"
    )
    revision = forms.CharField(
        label=_("Revision"),
        required=False,
        max_length=255,
        help_text=_("A tag or branch, as the job would name it."),
    )
    type = forms.ChoiceField(label=_("Type"), choices=JobType.choices, initial=JobType.PROMOTE)
    variables = forms.CharField(
        label=_("Variables"),
        required=False,
        max_length=_MOST_TEXT,
        help_text=_("What the job itself would be given: a YAML or JSON mapping."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "rule-source rule-wide"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        """Offer the environments and projects that ``user`` may see."""
        super().__init__(*args, **kwargs)
        for name, rows in (
            ("environment", policy.environments_for(user)),
            ("project", selectors.visible_projects(user)),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows

    def clean_variables(self) -> dict[str, Any]:
        """Return the variables as plain data."""
        text = self.cleaned_data["variables"].replace("\r\n", "\n")
        if not text.strip():
            return {}
        problems = Problems()
        node = read(text, problems)
        if found := problems.sorted():
            place = {"line": found[0].line, "column": found[0].column, "message": message_of(found[0])}
            raise forms.ValidationError(_("Line %(line)d, column %(column)d: %(message)s"), params=place)
        value = {} if node is None or is_null(node) or is_broken(node) else plain(node)
        if not isinstance(value, dict):
            raise forms.ValidationError(_("Write names and values, such as service: shop."))
        if mistakes := mistakes_in_variables(value):
            raise forms.ValidationError([translated(mistake) for mistake in mistakes])
        return value


def pages(rules: RuleAdmin) -> list[URLPattern]:
    """Return the addresses of the dry run, below that of rules."""
    view = rules.admin_site.admin_view
    return [
        path("dry-run/", view(require_POST(partial(of_source, rules))), name="rules_rule_dry_run_source"),
        path(
            "<int:rule_id>/versions/<int:number>/dry-run/",
            view(partial(of_version, rules)),
            name="rules_rule_dry_run",
        ),
    ]


def of_version(rules: RuleAdmin, request: HttpRequest, rule_id: int, number: int) -> HttpResponse:
    """Try a version that was published."""
    rule = rules.visible(request, rule_id)
    if number > 2**31 - 1:
        raise Http404
    version = get_object_or_404(RuleVersion, rule=rule, number=number)
    title = gettext("Dry run of %(rule)s, version %(number)d") % {"rule": rule.slug, "number": number}
    back = reverse("admin:rules_rule_version", args=[rule.pk, number])
    return _page(rules, request, rule, partial(published, rule, version), {"title": title, "back": back})


def of_source(rules: RuleAdmin, request: HttpRequest) -> HttpResponse:
    """Try the text in the editor; it is not published."""
    if not (rules.has_add_permission(request) or rules.has_change_permission(request)):
        raise PermissionDenied
    source = request.POST.get("source", "").replace("\r\n", "\n")
    slug = request.POST.get("rule", "")
    rule = None if not slug or "\0" in slug else Rule.objects.filter(slug=slug).first()
    editor = (
        reverse("admin:rules_rule_add")
        if rule is None
        else reverse("admin:rules_rule_change", args=[rule.pk])
    )
    title = gettext("Dry run of the text in the editor")
    context = {"title": title, "source": source, "editor": editor, "newest": _newest_number(rule)}
    return _page(rules, request, rule, partial(_unpublished, source), context)


def _newest_number(rule: Rule | None) -> int | None:
    return (
        None if rule is None else rule.versions.order_by("-number").values_list("number", flat=True).first()
    )


def _unpublished(source: str) -> Subject:
    result, pinned = linked_draft(draft(source))
    slug = "" if result.tree is None else result.tree.name
    return Subject(slug, result.tree, pinned, None, result.problems)


def _page(
    rules: RuleAdmin,
    request: HttpRequest,
    rule: Rule | None,
    subject_of: Callable[[], Subject],
    context: dict[str, Any],
) -> HttpResponse:
    if not isinstance(request.user, User):
        raise PermissionDenied
    # The editor sends its text only; the question comes next.
    asked = "environment" in request.POST
    form = DryRunForm(request.user, request.POST if asked else None)
    subject = subject_of()
    context |= {"form": form, "problems": worded(subject.problems), "with_rules": dict(subject.pins)}
    status = 422 if subject.problems else 200
    if asked and not form.is_valid():
        status = 422
    elif asked and subject.tree is not None:
        context |= _answer(subject, subject.tree, form.cleaned_data, request.user)
    return rules.page(request, "dry_run", rule, str(context.pop("title")), context, status)


def _answer(subject: Subject, tree: RuleTree, asked: Mapping[str, Any], user: User) -> dict[str, Any]:
    ref = asked["revision"].strip()
    imagined = Imagined(
        asked["environment"], asked["project"], asked["type"], (ref,) if ref else (), asked["variables"]
    )
    found = imagine(subject, tree, imagined, user)
    return {
        "steps": [
            {
                "step": step.step,
                "operations": operations_of(step.operations),
                "not_reached": sentence(step.not_reached) if step.not_reached else "",
                "fails_at": step.fails_at,
            }
            for step in found.plan.steps
        ],
        "counts": counts_of(found.plan),
        "is_cut": found.plan.is_cut,
        "variables": variables_of(found.layers),
        "secrets": found.secrets,
        "has_answer": True,
    }
