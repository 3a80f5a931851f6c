"""What people write in forms: durations and variables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from permissions import durations
from permissions.fields import DurationField, VariablesField
from rules import durations as of_rules


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@given(st.integers(min_value=1, max_value=365 * 86400))
def test_a_duration_is_read_as_it_was_written_here_and_in_rules(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    text = durations.text(duration)
    assert text == of_rules.text(duration)
    assert durations.parse(text, of_rules.MOST) == of_rules.parse(text) == duration


@pytest.mark.parametrize(
    "text", ["", "0d", "1", "d", "-1d", "1w", "1.5h", "366d", "9999999999s", "1 d", "\u0661d"]
)
def test_what_is_no_duration_is_none(text: str) -> None:
    with pytest.raises(durations.NotADuration):
        durations.parse(text, timedelta(days=365))
    with pytest.raises(of_rules.NotADuration):
        of_rules.parse(text)


def test_the_field_says_how_to_write_one() -> None:
    field = DurationField()
    assert field.clean(" 90m ") == timedelta(minutes=90)
    assert field.prepare_value(timedelta(minutes=90)) == "90m"
    assert field.prepare_value("soon") == "soon"
    assert not field.has_changed(timedelta(days=1), "1d")
    assert field.has_changed(timedelta(days=1), "2d")
    with pytest.raises(ValidationError, match="soon is no duration: write 90s, 15m, 2h or 1d"):
        field.clean("soon")
    with pytest.raises(ValidationError, match="required"):
        field.clean("  ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", "Write a JSON object"),
        ("3", "Write a JSON object"),
        ("null", "Write a JSON object"),
        ('{"a": }', "Line 1, column 7: no valid JSON"),
        ('{"a": "\x00"}', "no valid JSON"),
        ('{"a": ["b\\u0000"]}', r"a\[0\]: the text holds a NUL"),
        ('{"a\\u0000": 1}', "the text holds a NUL"),
        ('{"a": {"b": "\\ud800"}}', r"a\.b: the text holds a NUL or half a character"),
        ('{"a": NaN}', "finite"),
        ('{"a": -Infinity}', "finite"),
        ('{"a": {"b": [1e999]}}', r"a\.b\[0\]: numbers must be finite"),
        ('{"a": ' + "9" * 5000 + "}", "finite and not too long"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "nested too deeply"),
        ('{"a": ' + "[" * 200_000 + "]" * 200_000 + "}", "nested too deeply"),
    ],
)
def test_variables_that_cannot_be_kept_are_refused_with_the_place(text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        VariablesField().clean(text)


def test_variables_are_an_object_or_nothing() -> None:
    field = VariablesField()
    assert field.clean("") == {}
    assert field.clean('{"a": [1, "ñ", null, true, 1.5]}') == {"a": [1, "ñ", None, True, 1.5]}
    assert field.prepare_value({"a": "ñ"}) == '{\n  "a": "ñ"\n}'
    assert field.prepare_value('{"a": ') == '{"a": '
    assert not field.has_changed({"a": 1}, '{"a":1}')
    assert field.has_changed({"a": 1}, '{"a":')
