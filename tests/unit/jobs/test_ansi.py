"""Output as markup: what cannot be seen is written out, however much of it there is."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.monitor.ansi import Pen, overwritten, render, weight


def control(shown: str) -> str:
    return f'<span class="control">{shown}</span>'


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a\x07b", f"a{control('^G')}b"),
        ("\x07\x07\x07", control("^G^G^G")),
        ("\x00" * 4096, control("^@×4096")),
        ("\x00" * 5 + "\x01\x02" + "\u202e" * 4, control("^@×5^A^BU+202E×4")),
        ("\x00a\x00", f"{control('^@')}a{control('^@')}"),
        ("\n\n\n\n", control("^J×4")),
        ("a\x1b]0;no end", f"a{control('^[')}]0;no end"),
        ("a\x1b]0;a title\x07b\x1b_told\x1b\\c", "abc"),
        ("a\x1b e\x1b(B\x1b7c", f"a{control('^[')} ec"),
        ("a\u00ad\u061c\U000e0041b", f"a{control('U+00ADU+061CU+E0041')}b"),
        ("\x1b[31m" + "\x00" * 9 + "<", f'<span class="ansi-fg-red">{control("^@×9")}&lt;</span>'),
    ],
)
def test_control_characters_in_a_row_are_one_mark(text: str, markup: str) -> None:
    assert render(text) == markup


def styled(classes: str, shown: str) -> str:
    return f'<span class="{classes}">{shown}</span>'


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("\x1b[38;5;208morange", styled("ansi-fg-yellow", "orange")),
        ("\x1b[38;2;250;10;10mred", styled("ansi-fg-bright-red", "red")),
        ("\x1b[38:2::250:10:10mred", styled("ansi-fg-bright-red", "red")),
        ("\x1b[4:3mcurly\x1b[4:0m not", styled("ansi-underline", "curly") + " not"),
        ("\x1b[7mswapped", styled("ansi-inverse", "swapped")),
        ("\x1b[7;31mswapped", styled("ansi-bg-red", "swapped")),
        ("\x1b[31;42;7mswapped", styled("ansi-bg-red ansi-fg-green", "swapped")),
        ("\x1b[31;42;7m\x1b[27mback", styled("ansi-bg-green ansi-fg-red", "back")),
        ("\x1b[8mhidden", "hidden"),
        ("\x1b[999999999999999999999999mx", "x"),
    ],
)  # fmt: skip
def test_colours(text: str, markup: str) -> None:
    assert render(text) == markup


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10 %\r50 %\r100 %", "100 %"),
        ("downloading\rdone", "doneloading"),
        ("downloading\r\x1b[Kdone", "done"),
        ("<b>\r<i>", "&lt;i&gt;"),
        ("line\r", "line"),
        ("a\r\x1b[32mb\x1b[0m", styled("ansi-fg-green", "b")),
        ("abc\x1b[1K\rx", "x  "),
    ],
)
def test_a_line_that_is_written_over_shows_its_last_state(text: str, shown: str) -> None:
    assert render(text) == shown
    assert overwritten(text) == text.rstrip("\r").count("\r")


def test_colours_go_on_in_the_next_line_until_they_are_reset() -> None:
    pen = Pen()
    assert render("\x1b[1;31mone", pen) == styled("ansi-bold ansi-fg-red", "one")
    assert render("two\x1b[0m three", pen) == styled("ansi-bold ansi-fg-red", "two") + " three"
    assert render("four", pen) == "four"
    pen.pass_over("not shown \x1b[36m")
    assert render("five", pen) == styled("ansi-fg-cyan", "five")


def test_hits_are_marked_across_colours_and_never_inside_of_markup() -> None:
    mark = re.compile("amp|na<me", re.IGNORECASE)
    assert render("&AMP n\x1b[31ma<\x1b[0mme", None, mark) == (
        '&amp;<mark>AMP</mark> <mark>n</mark><mark class="ansi-fg-red">a&lt;</mark><mark>me</mark>'
    )


@given(st.text(alphabet="ab\r\x1b[0;1m31KG<>&\x00é", max_size=60))
def test_whatever_is_written_the_only_markup_is_ours(text: str) -> None:
    shown = render(text, Pen(), re.compile("a"))
    assert re.fullmatch(r'(?:[^<>]|</?mark>|</span>|<(?:span|mark) class="[a-z -]+">)*', shown)
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_a_line_that_is_cleared_again_and_again_shows_what_came_last() -> None:
    begun = time.process_time()
    shown = render("a" * 100_000 + "\r\x1b[31mx\x1b[2K" * 20_000 + "\r\x1b[1mlast")
    assert shown.strip() == '<span class="ansi-bold ansi-fg-red">last</span>'
    assert time.process_time() - begun < 10, "cells are cleared a bounded number of times"


def test_marks_side_by_side_are_one_and_no_line_has_too_many() -> None:
    assert render("xXxy x", None, re.compile("x", re.IGNORECASE)) == "<mark>xXx</mark>y <mark>x</mark>"
    assert render("xa" * 2000, None, re.compile("x")).count("<mark>") == 200


@pytest.mark.parametrize(
    "text", ["plain", "<&>" * 99, "\x1b[31mred\x1b[0m", "\x00a" * 50, "ñ漢" * 9, "\u202e" * 20]
)
def test_the_weight_of_a_line_is_near_that_of_its_markup(text: str) -> None:
    made = len(render(text).encode())
    assert made / 2 <= weight(text) <= max(3 * made, made + 200)
