"""Fields for the variables that a rule declares: of the kind of its own value, empty for what holds without the job's word."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from jobs.monitor.forms import MOST_TEXT, read_json
from jobs.variables import Variable
from jobs.wording import ORIGIN_LABELS

PREFIX: Final = "var_"
"""What the names of the fields begin with."""

_LONGEST_PLACEHOLDER: Final = 80
_MANY: Final = 60
_KINDS: Final[Mapping[str, Promise]] = {
    "text": pgettext_lazy("kind of value", "text"),
    "number": pgettext_lazy("kind of value", "number"),
    "choice": pgettext_lazy("kind of value", "yes or no"),
    "list": pgettext_lazy("kind of value", "list"),
    "mapping": pgettext_lazy("kind of value", "mapping"),
}


def kind_of(value: Any) -> str:
    """Return what kind of value a variable takes that a rule declares with ``value``."""
    if isinstance(value, bool):
        return "choice"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return "list"
    return "mapping" if isinstance(value, dict) else "text"


class _Text(forms.CharField):
    def clean(self, value: Any) -> Any:
        """Return the text, or ``None`` for an empty one: then the job says nothing of the variable."""
        text = super().clean(value)
        return text.replace("\r\n", "\n") if text else None


class _Number(_Text):
    def clean(self, value: Any) -> Any:
        """Return a whole number, or one with a decimal point."""
        text = super().clean(value)
        if text is None or not text.strip():
            return None
        try:
            return int(text)
        except ValueError:
            try:
                number = float(text)
            except ValueError:
                raise ValidationError(_("Write a number, such as 8080 or 0.5.")) from None
        if not math.isfinite(number):
            raise ValidationError(_("Write a number, such as 8080 or 0.5."))
        return number


class _Choice(forms.ChoiceField):
    def clean(self, value: Any) -> Any:
        """Return whether it is yes, ``None`` when nothing was chosen."""
        return {"true": True, "false": False}.get(super().clean(value))


class _Data(_Text):
    kind = "list"

    def clean(self, value: Any) -> Any:
        """Return a list or a mapping, whichever the rule declares."""
        text = super().clean(value)
        if text is None or not text.strip():
            return None
        found = read_json(text)
        if kind_of(found) != self.kind:
            example = '["a", "b"]' if self.kind == "list" else '{"port": 8080}'
            raise ValidationError(_("Write JSON such as %(example)s."), params={"example": example})
        return found


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable that a rule declares.

    Attributes:
        name: Its name.
        kind: See ``kind_of``.
        holds: What it is without the job's word, and where that comes from.
    """

    name: str
    kind: str
    holds: Variable

    @property
    def key(self) -> str:
        """Name of its field."""
        return f"{PREFIX}{self.name}"

    @property
    def kind_label(self) -> Promise:
        """What kind of value it takes, in words."""
        return _KINDS[self.kind]

    @property
    def origin(self) -> str:
        """Where its value comes from without the job's word, in words."""
        return str(ORIGIN_LABELS.get(self.holds.origin, self.holds.origin))

    @property
    def shown(self) -> str:
        """What it is without the job's word, as text of one line."""
        text = as_typed(self.holds.value)
        if self.kind == "choice" and isinstance(self.holds.value, bool):
            text = str(gettext_lazy("Yes") if self.holds.value else gettext_lazy("No"))
        line = " ".join(text.split())
        return line if len(line) <= _LONGEST_PLACEHOLDER else f"{line[: _LONGEST_PLACEHOLDER - 1]}…"

    def field(self) -> forms.Field:
        """Return the field to fill in."""
        attrs = {"placeholder": self.shown, "aria-describedby": f"id_{self.key}_help", "autocomplete": "off"}
        common: dict[str, Any] = {"label": self.name, "required": False}
        if self.kind == "choice":
            nothing = f"— {self.shown}"
            choices = [("", nothing), ("true", gettext_lazy("Yes")), ("false", gettext_lazy("No"))]
            del attrs["placeholder"]
            return _Choice(choices=choices, widget=forms.Select(attrs=attrs), **common)
        if self.kind == "number":
            widget = forms.NumberInput(attrs={**attrs, "step": "any"})
            return _Number(widget=widget, max_length=100, **common)
        attrs |= {"class": "mono", "spellcheck": "false"}
        if self.kind in {"list", "mapping"}:
            found = _Data(widget=forms.Textarea(attrs={**attrs, "rows": 2}), max_length=MOST_TEXT, **common)
            found.kind = self.kind
            return found
        text = as_typed(self.holds.value)
        many = "\n" in text or len(text) > _MANY
        area = forms.Textarea(attrs={**attrs, "rows": 3}) if many else forms.TextInput(attrs=attrs)
        return _Text(widget=area, max_length=MOST_TEXT, strip=False, **common)


def declared(own: Mapping[str, Any], merged: Mapping[str, Variable]) -> list[Declared]:
    """Return the variables that a rule declares, in its order.

    Args:
        own: Names and values in the rule.
        merged: All variables as they are without the job's word.
    """
    return [
        Declared(name, kind_of(value), merged.get(name, Variable(value, "rule")))
        for name, value in own.items()
    ]


def as_typed(value: Any) -> str:
    """Return a value as one types it into its field."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
