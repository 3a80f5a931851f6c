"""The scale of time: monotonic, from edge to edge, work at one rate, long waits narrow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.monitor import scale

DAY = 86_400.0


def test_without_waits_a_moment_stands_at_its_share() -> None:
    drawn = scale.scale_of((100.0, 200.0), [])
    assert [drawn.place(moment) for moment in (100, 125, 200)] == [0, 25, 100]


def test_a_long_wait_is_folded_and_work_on_both_sides_has_the_same_rate() -> None:
    # 10 s of work, a day of waiting, 30 s of work.
    drawn = scale.scale_of((0.0, DAY + 40), [(10.0, DAY + 10)])
    assert [piece.is_folded for piece in drawn.pieces] == [False, True, False]
    assert drawn.place(10) == pytest.approx(24)
    assert drawn.place(DAY + 10) == pytest.approx(28)
    assert drawn.place(DAY + 40) == pytest.approx(100)
    assert drawn.rate == pytest.approx(2.4)


def test_a_short_wait_is_drawn_at_its_length() -> None:
    drawn = scale.scale_of((0.0, 100.0), [(50.0, 59.0)])
    assert not any(piece.is_folded for piece in drawn.pieces)
    assert drawn.place(59) == pytest.approx(59)


def test_nothing_but_a_wait_fills_the_line() -> None:
    drawn = scale.scale_of((0.0, DAY), [(0.0, DAY)])
    assert (drawn.place(0), drawn.place(DAY)) == (0, 100)


def test_no_time_at_all_is_no_error() -> None:
    drawn = scale.scale_of((5.0, 5.0), [])
    assert drawn.place(5) == 0
    assert drawn.rate == 0


def test_gaps_are_what_nothing_covers_and_that_lasts() -> None:
    # Two that overlap, one apart; the gap of a second is none.
    work = [(4.0, 6.0), (0.0, 5.0), (7.0, 8.0), (20.0, 21.0)]
    assert scale.gaps((0.0, 30.0), work) == [(8.0, 20.0), (21.0, 30.0)]
    assert scale.gaps((0.0, 30.0), []) == [(0.0, 30.0)]


def test_what_is_left_without_holes() -> None:
    assert scale.without((0.0, 10.0), [(2.0, 3.0), (8.0, 20.0)]) == [(0.0, 2.0), (3.0, 8.0)]
    assert scale.without((0.0, 10.0), [(0.0, 10.0)]) == []
    assert scale.without((4.0, 4.0), []) == [(4.0, 4.0)], "what took no time stays"


moments = st.lists(st.integers(0, 10**6), min_size=2, max_size=40, unique=True).map(sorted)


@given(moments)
def test_later_is_never_further_left(found: list[int]) -> None:
    spans = [(float(one), float(other)) for one, other in zip(found[1:-1:2], found[2:-1:2], strict=False)]
    drawn = scale.scale_of((float(found[0]), float(found[-1])), spans)
    places = [drawn.place(float(moment)) for moment in found]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == pytest.approx(100)
