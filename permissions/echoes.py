"""What pages say of what they were sent: short, and with nothing in it that a screen would not show."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError

MOST_ECHOED: Final = 200
MOST_SAID: Final = 1000


def clipped(text: str, most: int = MOST_ECHOED) -> str:
    """Return ``text`` as a sentence may repeat it: at most so long, and control characters as escapes."""
    return _printable(text if len(text) <= most else f"{text[: most - 1]}…")


def _printable(text: str, but: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in but else each.encode("unicode_escape").decode() for each in text
    )


class EchoesLittle(forms.BaseForm):
    """A form whose errors repeat what was sent within bounds."""

    def add_error(self, field: str | None, error: Any) -> None:
        """Keep an error, shortened."""
        super().add_error(field, _bounded(error))


def _bounded(error: Any) -> ValidationError:
    found = error if isinstance(error, ValidationError) else ValidationError(error)
    lists = found.error_dict.values() if hasattr(found, "error_dict") else [found.error_list]
    for each in (each for errors in lists for each in errors):
        if each.params:
            each.params = {
                name: clipped(value) if isinstance(value, str) else value
                for name, value in each.params.items()
            }
        if isinstance(each.message, str):
            text = each.message
            each.message = _printable(text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}…", but="\n\t")
    return found
