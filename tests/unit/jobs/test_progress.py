"""Percentages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.progress import percent

counts = st.integers(0, 10_000)


@given(counts, counts, st.integers(0, 99))
def test_a_job_under_way_never_falls_and_never_reaches_100(done: int, expected: int, reached: int) -> None:
    found = percent(done, expected, reached=reached, finished=False, ended=False)
    assert reached <= found <= 99


def test_the_whole_part_counts() -> None:
    assert percent(2, 3, reached=0, finished=False, ended=False) == 66


def test_finished_is_100_and_any_other_end_keeps_what_was_reached() -> None:
    assert percent(1, 3, reached=33, finished=True, ended=True) == 100
    assert percent(3, 3, reached=33, finished=False, ended=True) == 33


def test_nothing_expected_is_no_division_by_zero() -> None:
    assert percent(0, 0, reached=0, finished=False, ended=False) == 0
