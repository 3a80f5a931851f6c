"""How growth is said in words, and drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench.curves import Curve, curves, draw


def curve(*costs: float) -> Curve:
    return Curve("x", tuple((1000 * 10**power, cost) for power, cost in enumerate(costs)))


@pytest.mark.parametrize(
    ("costs", "word"),
    [
        ((10, 10.5, 12.9), "constant"),
        ((10, 9, 8), "constant"),
        ((10, 15, 20), "logarithmic"),
        ((10, 30, 90), "less than linear"),
        ((100, 110, 200), "logarithmic"),
        ((100, 190, 1_800), "linear"),
        ((1, 10, 100), "linear"),
        ((1, 100, 10_000), "more than linear"),
    ],
)
def test_growth_in_words(costs: tuple[float, ...], word: str) -> None:
    assert curve(*costs).word == word


def test_only_what_has_several_sizes_is_a_curve() -> None:
    lines = [
        {"name": "b", "size": 100, "median_ms": 2.0},
        {"name": "a", "size": 0, "median_ms": 2.0},
        {"name": "b", "size": 10, "median_ms": 1.0},
        {"name": "c", "size": 10, "median_ms": 1.0},
    ]
    assert curves(lines) == [Curve("b", ((10, 1.0), (100, 2.0)))]


def test_the_picture_is_well_formed_and_names_are_escaped() -> None:
    picture = draw([Curve("a <b> & c [MiB]", ((10, 0.0), (1000, 5.0))), curve(1, 2)])
    texts = [element.text for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "a <b> & c"
    assert "1,000" in texts
    assert "prefers-color-scheme: dark" in picture


@pytest.mark.parametrize(
    ("name", "unit"), [("a: page [KiB]", "KiB"), ("a: web [MiB]", "MiB"), ("a: page", "ms")]
)
def test_what_is_no_time_says_its_unit(name: str, unit: str) -> None:
    assert Curve(name, ((10, 1.0), (100, 1.0))).unit == unit
    assert f"1.0 → 1.0 {unit}" in draw([Curve(name, ((10, 1.0), (100, 1.0)))])
