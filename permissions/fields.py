"""Fields of forms that take what people write and say what is wrong with it."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from permissions import durations
from permissions.variables import DEEPEST

LONGEST_EXPIRY: Final = timedelta(days=365)


class DurationField(forms.Field):
    """A duration such as ``90m`` or ``1d``."""

    widget = forms.TextInput

    def __init__(self, *args: Any, most: timedelta = LONGEST_EXPIRY, **kwargs: Any) -> None:
        """Remember the longest one that is allowed."""
        super().__init__(*args, **kwargs)
        self.most = most
        self.widget.attrs.update({"spellcheck": "false", "autocomplete": "off", "size": "10"})

    def prepare_value(self, value: Any) -> Any:
        """Write a duration as people write it."""
        return durations.text(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> Any:
        """Read it; empty is no duration, where that is allowed."""
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return durations.parse(text, self.most)
        except durations.NotADuration:
            raise ValidationError(
                _("%(text)s is no duration: write 90s, 15m, 2h or 1d, above 0 and up to %(most)s."),
                params={"text": text, "most": durations.text(self.most)},
            ) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether another duration was written."""
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class VariablesField(forms.Field):
    """Variables as a JSON object that the database and programs can keep."""

    widget = forms.Textarea

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make room, and let nothing be corrected."""
        kwargs["required"] = False
        super().__init__(*args, **kwargs)
        self.widget.attrs.update({"rows": "8", "cols": "60", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Write the variables, a line each; what somebody typed stays as it was typed."""
        return value if isinstance(value, str) else json.dumps(value or {}, indent=2, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        """Read them; nothing is no variables."""
        text = str(value or "").strip()
        return read_object(text) if text else {}

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other variables were written."""
        try:
            return bool(self.to_python(data) != (initial or {}))
        except ValidationError:
            return True


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object in ``text``.

    Raises:
        ValidationError: It is none, or one that cannot be kept; the message says what is wrong, and where.
    """
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValidationError(_("The variables are nested too deeply.")) from None
    except json.JSONDecodeError as error:
        raise ValidationError(
            _("Line %(number)d, column %(column)d: no valid JSON."),
            params={"number": error.lineno, "column": error.colno},
        ) from None
    except ValueError:
        raise ValidationError(_("Numbers must be finite and not too long.")) from None
    if not isinstance(found, dict):
        raise ValidationError(_("Write a JSON object."))
    _check(found, "", 0)
    return found


def _check(value: Any, path: str, depth: int) -> None:
    """Do nothing when the value can be kept.

    Raises:
        ValidationError: It cannot.
    """
    if depth > DEEPEST:
        raise ValidationError(_("The variables are nested too deeply."))
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationError(_("%(path)s: numbers must be finite."), params={"path": path})
    if isinstance(value, str):
        _check_text(value, path)
    if isinstance(value, list):
        for index, each in enumerate(value):
            _check(each, f"{path}[{index}]", depth + 1)
    if isinstance(value, dict):
        for name, each in value.items():
            inner = f"{path}.{name}" if path else name
            _check_text(name, path or _("a name"))
            _check(each, inner, depth + 1)


def _check_text(text: str, path: Any) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationError(
            _("%(path)s: the text holds a NUL or half a character, which cannot be kept."),
            params={"path": path},
        )


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
