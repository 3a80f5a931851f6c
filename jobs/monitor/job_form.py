"""The form of a new job: what it offers follows from what has been chosen in it so far."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import selectors, variables
from jobs.actions.lookup import layers_of
from jobs.choices import JobType
from jobs.models import Project
from jobs.monitor import job_variables, times
from jobs.monitor.forms import MINUTES, MOST_TEXT, mark_invalid, read_variables
from jobs.monitor.job_variables import PREFIX, Declared
from jobs.secrets import vault
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User
from rules import selectors as rule_selectors
from rules.exceptions import RuleInvalid
from rules.models import RuleVersion
from rules.tree import RuleTree

MOST_VERSIONS: Final = 30
_MOST_KEPT: Final = 100


class EnvironmentField(forms.ChoiceField):
    """Offers the environments in which the reader may create jobs.

    Another one that they see is understood as well: that they lack the right there is for the action to say.
    """

    visible: frozenset[str] = frozenset()

    def valid_value(self, value: Any) -> bool:
        """Return whether it is one of those."""
        return super().valid_value(value) or str(value) in self.visible


@dataclass(frozen=True, slots=True)
class Chosen:
    """What has been chosen so far; ``None`` for what has not, and for what the reader may not choose.

    Attributes:
        environment: Where.
        project: Of what.
        version: Of the rule.
        newest: The newest version of that rule.
        tree: The rule as it reads, without those it calls; ``None`` for one that is not accepted any more.
    """

    environment: Environment | None = None
    project: Project | None = None
    version: RuleVersion | None = None
    newest: RuleVersion | None = None
    tree: RuleTree | None = None


class JobForm(forms.Form):
    """What a person wishes for in a new job."""

    environment = EnvironmentField(label=gettext_lazy("Environment"))
    rule = forms.ChoiceField(label=gettext_lazy("Rule"))
    rule_version = forms.ChoiceField(label=gettext_lazy("Version of the rule"), required=False)
    project = forms.ChoiceField(label=gettext_lazy("Project"), required=False)
    revisions = forms.CharField(
        label=gettext_lazy("Revision"),
        required=False,
        max_length=1000,
        help_text=gettext_lazy("A tag, branch or commit; several with a space between them."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    type = forms.ChoiceField(
        label=gettext_lazy("Type"), choices=JobType.choices, initial=JobType.PROMOTE.value
    )
    scheduled_at = forms.DateTimeField(
        label=gettext_lazy("scheduled date"),
        required=False,
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        help_text=gettext_lazy("When RUN may begin. Empty: now."),
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    max_start_at = forms.DateTimeField(
        label=gettext_lazy("max start date"),
        required=False,
        input_formats=[MINUTES, f"{MINUTES}:%S"],
        help_text=gettext_lazy("Past it, the job expires. Empty: what the environment says."),
        widget=forms.DateTimeInput(format=MINUTES, attrs={"type": "datetime-local"}),
    )
    urgent = forms.BooleanField(
        label=gettext_lazy("Urgent"),
        required=False,
        help_text=gettext_lazy("First in the queue of the workers, and it expires sooner."),
    )
    comment = forms.CharField(
        label=gettext_lazy("Comment"),
        required=False,
        max_length=MOST_TEXT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    variables = forms.CharField(
        label=gettext_lazy("More variables"),
        required=False,
        max_length=MOST_TEXT,
        help_text=gettext_lazy("One name=value a line, or a JSON object."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"}),
    )

    def __init__(
        self,
        user: User,
        data: Any = None,
        *,
        initial: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        is_final: bool = True,
    ) -> None:
        """Offer what ``user`` may choose.

        Args:
            user: Who reads.
            data: What was typed.
            initial: What to begin with, by field.
            given: Variables to begin with.
            is_final: The job is to be created; otherwise nothing is said of fields that are still empty.
        """
        super().__init__(data, initial=dict(initial or {}))
        self.is_final = is_final
        environments = list(policy.environments_for(user, Right.CREATE))
        self.has_environments = bool(environments)
        self._offer_names(user, environments)
        self._versions: list[RuleVersion] = []
        self.chosen = self._choose(user, environments)
        self._offer_versions()
        self._explain()
        self.declared = self._declare()
        self.left_out: list[str] = []
        self.kept = self._kept()
        self._begin_with(given or {})
        if self.is_bound:
            if not self.is_final:
                self._forgive()
            mark_invalid(self)

    def _offer_names(self, user: User, environments: Iterable[Environment]) -> None:
        field = self.fields["environment"]
        assert isinstance(field, EnvironmentField)
        field.visible = frozenset(policy.environments_for(user).values_list("code", flat=True))
        self._offer("environment", [(row.code, _named(row.code, row.name)) for row in environments])
        rules = selectors.visible_rules(user).values_list("slug", flat=True)
        self._offer("rule", [(slug, slug) for slug in rules])
        projects = selectors.visible_projects(user).values_list("code", "name")
        self._offer("project", [("", _("None")), *((code, _named(code, name)) for code, name in projects)])

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        only = field.required and len(choices) != 1
        field.choices = [("", "—"), *choices] if only else choices

    def typed(self, name: str) -> str:
        """Return what stands in a field: as typed, or what it begins with."""
        found = self.data.get(name, "") if self.is_bound else self.initial.get(name, "")
        field = self.fields.get(name)
        if not found and isinstance(field, forms.ChoiceField) and field.required:
            # A list of one is chosen without a choice.
            found = next((value for value, _label in _flat(field)), "")
        return str(found)

    def _is_offered(self, name: str) -> bool:
        field, found = self.fields[name], self.typed(name)
        assert isinstance(field, forms.ChoiceField)
        return bool(found) and field.valid_value(found)

    def _choose(self, user: User, environments: Iterable[Environment]) -> Chosen:
        code, slug = self.typed("environment"), self.typed("rule")
        environment = next((row for row in environments if row.code == code), None)
        project = None
        if self._is_offered("project"):
            project = selectors.visible_projects(user).filter(code=self.typed("project")).first()
        if not self._is_offered("rule"):
            return Chosen(environment, project)
        self._versions = list(
            RuleVersion.objects.filter(rule__slug=slug)
            .select_related("rule")
            .defer("source")
            .order_by("-number")[:MOST_VERSIONS]
        )
        if not self._versions:
            return Chosen(environment, project)
        newest = self._versions[0]
        named = {_version_key(version): version for version in self._versions}
        version = named.get(self.typed("rule_version"), newest)
        try:
            tree = rule_selectors.load_tree(version.pk)
        except RuleInvalid:
            tree = None
        return Chosen(environment, project, version, newest, tree)

    def _offer_versions(self) -> None:
        """Offer the newest versions; a choice names its rule, so that it means nothing for another one."""
        field = self.fields["rule_version"]
        assert isinstance(field, forms.ChoiceField)
        newest = self.chosen.newest
        first = _("Newest") if newest is None else _("Newest (%(number)d)") % {"number": newest.number}
        older = [(_version_key(version), _described(version)) for version in self._versions[1:]]
        field.choices = [("", first), *older]
        field.error_messages["invalid_choice"] = _("Choose the version again: it is one of another rule.")

    def _explain(self) -> None:
        if self.chosen.tree is not None:
            self.fields["rule"].help_text = self.chosen.tree.description
        where = self.chosen.environment
        if where is not None:
            self.fields["max_start_at"].help_text = _(
                "Past it, the job expires. Empty: %(expiry)s after the scheduled date, %(urgent)s when urgent."
            ) % {
                "expiry": times.rough(where.expiry.total_seconds()),
                "urgent": times.rough(where.expiry_urgent.total_seconds()),
            }

    def _declare(self) -> list[Declared]:
        """Add a field for each variable that the rule declares; secrets in what holds without the job's word are hidden."""
        tree, where, project = self.chosen.tree, self.chosen.environment, self.chosen.project
        if tree is None:
            return []
        layers = layers_of(project, where) if where is not None else {}
        mask = vault.open_for(where.pk if where else None, project.pk if project else None).mask
        merged = {
            name: variables.Variable(mask.value(one.value), one.origin)
            for name, one in variables.merge({"rule": tree.variables, **layers}).items()
        }
        found = job_variables.declared(tree.variables, merged)
        for each in found:
            self.fields[each.key] = each.field()
        return found

    def _kept(self) -> list[tuple[str, str]]:
        """Return what was typed for variables of another rule: it is there again when that one is chosen again."""
        source: Mapping[str, Any] = self.data if self.is_bound else self.initial
        return [
            (name, str(source[name])[:MOST_TEXT])
            for name in source
            if name.startswith(PREFIX) and name not in self.fields and source[name]
        ][:_MOST_KEPT]

    def _begin_with(self, given: Mapping[str, Any]) -> None:
        kinds = {each.name: each for each in self.declared}
        others = {}
        for name, value in given.items():
            if name in kinds and value not in (None, "") and job_variables.kind_of(value) == kinds[name].kind:
                self.initial[kinds[name].key] = job_variables.as_typed(value)
            else:
                others[name] = value
        if others:
            self.initial["variables"] = json.dumps(others, ensure_ascii=False, indent=2)

    def _forgive(self) -> None:
        """Say nothing of what has not been filled in yet, nor of a version of the rule that was chosen before."""
        for name in list(self.errors):
            if name == "rule_version" or not str(self.data.get(name, "")).strip():
                del self.errors[name]

    @property
    def rows(self) -> list[tuple[Declared, forms.BoundField]]:
        """The variables that the rule declares, each with its field."""
        return [(each, self[each.key]) for each in self.declared]

    @property
    def shape(self) -> str:
        """What decides which variables there are and what they are by themselves."""
        chosen = self.chosen
        parts = (
            chosen.version.rule.slug if chosen.version else "",
            str(chosen.version.number) if chosen.version else "",
            chosen.environment.code if chosen.environment else "",
            chosen.project.code if chosen.project else "",
        )
        return " ".join(part or "-" for part in parts)

    def clean_revisions(self) -> list[str]:
        """Return the refs in the order they were typed."""
        return list(dict.fromkeys(self.cleaned_data["revisions"].split()))

    def clean_variables(self) -> dict[str, Any]:
        """Return the variables as plain data."""
        return read_variables(self.cleaned_data["variables"])

    def _typed(self, more: dict[str, Any]) -> dict[str, Any]:
        """Return what was written in lines as the rule's variables of that name take it; JSON says itself what it is."""
        if str(self.data.get("variables", "")).lstrip().startswith("{"):
            return more
        found = dict(more)
        for each in self.declared:
            if each.name in more and each.kind != "text":
                try:
                    found[each.name] = each.field().clean(more[each.name])
                except ValidationError as error:
                    self.add_error("variables", [f"{each.name}: {message}" for message in error.messages])
        return found

    def clean(self) -> dict[str, Any]:
        """Put the variables together, and refuse what was typed for another rule."""
        data = super().clean() or self.cleaned_data
        more = self._typed(data.get("variables") or {})
        named = {each.name: data[each.key] for each in self.declared if data.get(each.key) is not None}
        if both := sorted(set(named) & set(more)):
            text = _("%(name)s has a field of its own; write it there or here.")
            self.add_error("variables", ValidationError(text, params={"name": both[0]}))
        data["given"] = {**more, **named}
        shown_for = self.data.get("shape", "").split(" ")[0]
        if self.is_final and self.kept and shown_for not in {"", "-", self.shape.split(" ")[0]}:
            self.add_error(
                "rule", _("The rule is another one now: look at its variables, then create the job.")
            )
        return data

    def refuse(self, errors: Mapping[str, list[str]]) -> None:
        """Show what the action refused beside the fields it is about."""
        for name, texts in errors.items():
            field = name.split(".")[0].split("[")[0]
            for text in texts:
                if field in self.fields:
                    self.add_error(field, text)
                else:
                    self.add_error(None, f"{name}: {text}")
        mark_invalid(self)


def _flat(field: forms.ChoiceField) -> list[tuple[str, Any]]:
    return [(str(value), label) for value, label in field.widget.choices]


def _named(code: str, name: str) -> str:
    return code if name == code else f"{code} · {name}"


def _version_key(version: RuleVersion) -> str:
    return f"{version.rule.slug}@{version.number}"


def _described(version: RuleVersion) -> str:
    said = " ".join(version.comment.split())[:60]
    parts = (str(version.number), times.short(version.created_at, timezone.now()), said)
    return " · ".join(part for part in parts if part)
