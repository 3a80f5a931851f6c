"""What the bench calls growth."""

from __future__ import annotations

import pytest

from bench.suites.memory import _slope

FLAT = [(count, 100.0) for count in range(0, 10_001, 500)]


@pytest.mark.parametrize(
    ("points", "growth"),
    [
        (FLAT, 0.0),
        ([(count, 100 + count / 2000) for count, _ in FLAT], 0.5),
        # What the first jobs take is none, nor is what is taken once.
        ([(count, size - 20 * (count < 5000)) for count, size in FLAT], 0.0),
        ([(count, size + 2 * (count > 8000)) for count, size in FLAT], 0.0),
        # What comes in small steps again and again is.
        ([(count, size + count // 1000) for count, size in FLAT], 0.9),
        ([(1, 100.0)], 0.0),
    ],
)
def test_growth_is_what_goes_on(points: list[tuple[int, float]], growth: float) -> None:
    assert _slope(points) == pytest.approx(growth, abs=0.15)
