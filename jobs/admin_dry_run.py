"""The dry run of a rule in the admin: what would run in an environment, and where each variable comes from.

Nothing is executed and nothing is written: the rule is walked over what is known before a job exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from jobs import selectors, variables
from jobs.actions.create import layers_of, mistakes_in_variables
from jobs.choices import JobType
from jobs.models import Project
from jobs.secrets import vault
from jobs.wording import ORIGIN_LABELS, translated
from permissions import policy
from permissions.echoes import EchoesLittle
from permissions.models import Environment, User
from rules.admin import RuleAdmin
from rules.admin_check import worded
from rules.dry_run import Partial, Plan, PlannedBlock, PlannedOperation, Reason, Status, Unknown, plan
from rules.dry_run.texts import shown
from rules.dry_run.values import OF_A_SECRET, OF_THE_RUN
from rules.exceptions import RuleInvalid, RuleNotFound, RuleProblem
from rules.models import Rule, RuleVersion
from rules.parser import draft
from rules.parser.nodes import is_broken, is_null, plain
from rules.parser.problems import Problems
from rules.parser.source import read
from rules.selectors import linked_draft, linked_tree, pins
from rules.tree import RuleTree
from rules.wording import message_of

STATUS_LABELS: Final[Mapping[Status, Promise]] = {
    Status.RUNS: _("runs"),
    Status.MAYBE: _("known at run time"),
    Status.SKIPPED: _("skipped"),
    Status.FAILS: _("fails"),
    Status.NOT_REACHED: _("not reached"),
}
_MOST_TEXT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Subject:
    """The rule that is tried: its tree linked with the rules it calls, or why there is none.

    Attributes:
        slug: Of the rule.
        tree: The linked rule.
        pins: Versions of the called rules.
        number: Its own version, ``None`` for a source that is not published.
        problems: What is wrong with it.
    """

    slug: str
    tree: RuleTree | None
    pins: Mapping[str, int]
    number: int | None
    problems: tuple[RuleProblem, ...] = ()


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
    return _page(rules, request, rule, partial(_published, rule, version), {"title": title, "back": back})


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


def _published(rule: Rule, version: RuleVersion) -> Subject:
    try:
        pinned = pins(version.pk)
        return Subject(rule.slug, linked_tree(version.pk, pinned), pinned, version.number)
    except RuleInvalid as error:
        return Subject(rule.slug, None, {}, version.number, error.problems)
    except RuleNotFound as error:
        problem = RuleProblem(1, 1, "unknown_rule", "There is no rule %(name)s.", {"name": error.slug})
        return Subject(rule.slug, None, {}, version.number, (problem,))


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
    environment, project = asked["environment"], asked["project"]
    layers = {"rule": tree.variables, **layers_of(project, environment), "job": asked["variables"]}
    merged = {name: one.value for name, one in variables.merge(layers).items()}
    secrets = vault.names_for(environment.pk, project.pk if project else None)
    found = plan(tree, partial(_facts, subject, asked, user, secrets), merged, pins=subject.pins)
    return {
        "steps": [
            {
                "step": step.step,
                "operations": _operations(step.operations),
                "not_reached": _sentence(step.not_reached) if step.not_reached else "",
                "fails_at": step.fails_at,
            }
            for step in found.steps
        ],
        "counts": _counts(found),
        "is_cut": found.is_cut,
        "variables": _variables(layers),
        "secrets": secrets,
        "has_answer": True,
    }


def _facts(
    subject: Subject, asked: Mapping[str, Any], user: User, secrets: Iterable[str], step: str
) -> dict[str, Any]:
    """Return the fixed names as ``jobs.execution.naming`` has them, with holes for what only the job will know."""
    project, ref = asked["project"], asked["revision"].strip()
    job: dict[str, Any] = {
        name: _later(f"job.{name}")
        for name in ("comment", "urgent", "created_at", "scheduled_at", "max_start_at")
    }
    job |= {
        "id": None if step == "CHECK" else _later("job.id"),
        "name": "" if step == "CHECK" else _later("job.name"),
        "type": asked["type"],
        "rule": subject.slug,
        "rule_version": _later("job.rule_version") if subject.number is None else subject.number,
        "environment": asked["environment"].code,
        "project": project.code if project else None,
        "attempt": 1,
        "created_by": user.get_username(),
    }
    return {
        "job": Partial(job),
        "environment": asked["environment"].code,
        "project": project.code if project else None,
        **_contents(project, ref, step),
        "step": step,
        "attempt": 1,
        "outcome": _later("outcome") if step == "POST" else None,
        "secrets": Partial({name: Unknown(Reason(OF_A_SECRET, {"name": name})) for name in secrets}),
    }


def _contents(project: Project | None, ref: str, step: str) -> dict[str, Any]:
    if project is None:
        return {"revision": {"ref": "", "sha": ""}, "revisions": [], "natures": []}
    natures: Any = [] if step in {"CHECK", "INIT"} else _later("natures")
    if not ref:
        return {"revision": _later("revision"), "revisions": _later("revisions"), "natures": natures}
    revision = Partial({"ref": ref, "sha": _later("revision.sha")})
    return {"revision": revision, "revisions": [revision], "natures": natures}


def _later(name: str) -> Unknown:
    return Unknown(Reason(OF_THE_RUN, {"name": name}))


# --- for the page ---------------------------------------------------------------------------------------------------


def _sentence(reason: Reason) -> str:
    return gettext(reason.template) % reason.params


def _operations(operations: Iterable[PlannedOperation]) -> list[dict[str, Any]]:
    return [
        {
            "path": one.path,
            "key": one.key,
            "title": one.name or one.id,
            "line": one.position.line,
            "rule": one.rule,
            "status": one.status.value,
            "label": STATUS_LABELS[one.status],
            "reasons": list(dict.fromkeys(_sentence(reason) for reason in one.reasons)),
            "error": translated(one.error) if one.error else "",
            "lines": [
                (line.label, line.text, line.result, _sentence(line.reason) if line.reason else "")
                for line in one.lines
            ],
            "waits": one.waits,
            "blocks": [_block(block) for block in one.blocks],
        }
        for one in operations
    ]


def _block(block: PlannedBlock) -> dict[str, Any]:
    return {
        "name": block.name,
        "turn": block.turn,
        "item": block.item,
        "more": block.more,
        "version": block.version,
        "operations": _operations(block.operations),
    }


def _counts(found: Plan) -> list[tuple[str, Promise, int]]:
    statuses = [operation.status for operation in found]
    return [
        (status.value, label, statuses.count(status))
        for status, label in STATUS_LABELS.items()
        if status in statuses
    ]


def _variables(layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": shown(first.value),
            "origin": ORIGIN_LABELS[first.origin],
            "overridden": [(ORIGIN_LABELS[one.origin], shown(one.value)) for one in others],
        }
        for name, (first, *others) in sorted(variables.given(layers).items())
    ]
