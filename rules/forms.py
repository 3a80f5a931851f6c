"""The form behind the rule editor."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from rules.exceptions import RuleProblem
from rules.models import Rule, RuleVersion
from rules.selectors import check_source


class PublishForm(forms.Form):
    """A source to publish as the next version; its mistakes are in ``problems``, line by line."""

    source = forms.CharField(
        label=_("Source"),
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 32, "class": "rule-source", "spellcheck": "false", "wrap": "off"}
        ),
    )
    comment = forms.CharField(label=_("Comment"), required=False, max_length=2000)
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, rule: Rule | None = None, newest: RuleVersion | None = None, **kwargs: Any
    ) -> None:
        """Edit ``rule``, whose current version is ``newest``; without them make a new rule."""
        super().__init__(*args, **kwargs)
        self.rule = rule
        self.newest = newest
        self.problems: tuple[RuleProblem, ...] = ()
        self.operations = 0

    def clean_source(self) -> str:
        """Refuse a source with mistakes, or of another rule. Browsers end lines with CR LF, rules with LF."""
        source: str = self.cleaned_data["source"].replace("\r\n", "\n")
        result = check_source(source)
        self.problems = result.problems
        self.operations = result.operations
        if result.tree is None:
            raise forms.ValidationError(_("The rule has mistakes; nothing was published."), code="invalid")
        if self.rule is not None and result.tree.name != self.rule.slug:
            raise forms.ValidationError(
                _("The name in the source is %(name)s, but this rule is %(slug)s."),
                code="name",
                params={"name": result.tree.name, "slug": self.rule.slug},
            )
        if self.rule is None and Rule.objects.filter(slug=result.tree.name, versions__isnull=False).exists():
            raise forms.ValidationError(
                _("The rule %(name)s exists already; open it to publish a new version."),
                code="exists",
                params={"name": result.tree.name},
            )
        return source

    def clean(self) -> dict[str, Any]:
        """Refuse to write over a version that the editor has not seen."""
        cleaned: dict[str, Any] = super().clean() or {}
        seen = cleaned.get("seen")
        if self.newest is not None and seen is not None and seen != self.newest.number:
            raise changed(self.newest.number)
        return cleaned


def changed(number: int) -> forms.ValidationError:
    """Return what is said when version ``number`` was published since the page was made."""
    message = _("Version %(number)d was published meanwhile. Compare it with yours, then publish again.")
    return forms.ValidationError(message, code="changed", params={"number": number})


class RestoreForm(forms.Form):
    """The comment under which an older version is published again, and the newest one that the page showed."""

    comment = forms.CharField(label=_("Comment"), required=False, max_length=2000)
    seen = forms.IntegerField(widget=forms.HiddenInput)
