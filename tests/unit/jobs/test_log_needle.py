"""Searching a block of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.log.needle import Needle, without_colours

ESCAPE = "\x1b"


@pytest.mark.parametrize(
    ("needle", "text", "lines"),
    [
        ("error", b"no\nan ERROR, error\n\nerror", {1, 3}),
        ("ERROR", b"an error", {0}),
        ("a\nb", b"a\nb", set()),
        ("año", "AÑO nuevo\nano".encode(), {0}),
        ("straße", b"STRASSE", {0}),
        ("fatal", b"\x1b[31mfa\x1b[1mtal\x1b[0m", {0}),
        ("31m", b"\x1b[31mred\x1b[0m", set()),
        ("x", b"\xff\xfeX\xff", {0}),
        ("é", b"\xff\n\xc3\xa9", {1}),
        ("zzz", b"", set()),
    ],
)
def test_lines_with_a_text(needle: str, text: bytes, lines: set[int]) -> None:
    assert Needle(needle).lines_of(text) == lines


alphabet = st.text(alphabet="abAé\n", max_size=40)


@given(alphabet, st.text(alphabet="abAé", min_size=1, max_size=3))
def test_it_finds_what_looking_line_by_line_finds(text: str, needle: str) -> None:
    expected = {index for index, line in enumerate(text.split("\n")) if needle.casefold() in line.casefold()}
    assert Needle(needle).lines_of(text.encode()) == expected


@given(st.lists(st.sampled_from([ESCAPE, "[", "]", "31", ";", "m", "(", "B", "\n", "\x07", "a", "é", "\\"])))
def test_taking_colours_out_keeps_the_lines(parts: list[str]) -> None:
    text = "".join(parts)
    assert without_colours(text.encode()).count(b"\n") == text.count("\n")


def test_an_empty_text_is_no_needle() -> None:
    assert not Needle("")
    assert Needle("x")
