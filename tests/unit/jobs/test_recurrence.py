"""When schedules come: clocks that change, leap days, intervals, and what is made of a time when nobody looked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.recurrence import MOST_MADE_UP, NotACron, Timing, choose, due, fields_of, next_runs

MADRID = ZoneInfo("Europe/Madrid")


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def by_cron(cron: str, zone: str = "Europe/Madrid", **more: datetime) -> Timing:
    return Timing(cron, None, zone, at("2026-01-01"), **more)


def every(interval: timedelta, **more: datetime) -> Timing:
    return Timing("", interval, "Europe/Madrid", at("2026-01-01T00:07"), **more)


def local(timing: Timing, after: datetime, count: int = 3) -> list[str]:
    return [
        f"{each.astimezone(ZoneInfo(timing.zone)):%d %H:%M%z}" for each in next_runs(timing, after, count)
    ]


def test_a_fixed_hour_that_is_left_out_comes_as_soon_as_the_clocks_have_moved() -> None:
    timing = by_cron("30 2 * * *")
    assert local(timing, at("2026-03-28T12:00")) == ["29 03:00+0200", "30 02:30+0200", "31 02:30+0200"]


def test_a_fixed_hour_that_comes_twice_comes_once() -> None:
    timing = by_cron("30 2 * * *")
    assert local(timing, at("2026-10-24T12:00")) == ["25 02:30+0200", "26 02:30+0100", "27 02:30+0100"]


@pytest.mark.parametrize("minute", [10, 30, 50])
def test_asked_in_the_second_pass_of_the_hour_it_comes_the_next_day(minute: int) -> None:
    after = at(f"2026-10-25T02:{minute}", "Europe/Madrid", fold=1)
    assert local(by_cron("30 2 * * *"), after, 1) == ["26 02:30+0100"]


def test_what_comes_each_hour_comes_in_both_passes() -> None:
    found = local(by_cron("0 * * * *"), at("2026-10-24T23:30"))
    assert found == ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]


def test_several_times_that_fall_together_in_the_gap_come_once() -> None:
    found = next_runs(by_cron("0,30 2-3 * * *"), at("2026-03-29T00:00"), 20)
    assert all(before < after for before, after in pairwise(found))
    assert local(by_cron("0,30 2-3 * * *"), at("2026-03-29T00:00"), 2) == ["29 03:00+0200", "29 03:30+0200"]


def test_leap_days() -> None:
    found = next_runs(by_cron("0 12 29 2 *", "UTC"), at("2026-01-01"), 2)
    assert found == [at("2028-02-29T12:00"), at("2032-02-29T12:00")]


def test_day_of_the_month_and_of_the_week_are_either() -> None:
    found = next_runs(by_cron("0 0 1 * 1", "UTC"), at("2026-01-30"), 3)
    assert [f"{each:%d %a}" for each in found] == ["01 Sun", "02 Mon", "09 Mon"]


def test_intervals_keep_to_their_anchor_over_a_change_of_clocks() -> None:
    found = next_runs(every(timedelta(hours=24)), at("2026-03-27T12:00"), 3)
    assert found == [at(f"2026-03-{day}T00:07") for day in (28, 29, 30)]
    late = next_runs(every(timedelta(minutes=7)), at("2026-03-27T12:03:21"), 2)
    assert [(each - at("2026-01-01T00:07")) % timedelta(minutes=7) for each in late] == [timedelta(0)] * 2


@pytest.mark.parametrize("zone", ["Europe/Madrid", "UTC"])
def test_intervals_count_real_time_in_whatever_zone_the_moments_are_told(zone: str) -> None:
    begin = at("2026-10-20T03:00", "Europe/Madrid").astimezone(ZoneInfo(zone))
    end = begin.astimezone(UTC) + timedelta(days=8)
    timing = every(timedelta(hours=24), starts_at=begin, ends_at=end.astimezone(ZoneInfo(zone)))
    expected = [at("2026-10-20T01:00") + timedelta(days=day) for day in range(9)]
    assert next_runs(timing, at("2026-10-19T12:00").astimezone(ZoneInfo(zone)), 20) == expected
    for after, following in pairwise(expected):
        assert next_runs(timing, after.astimezone(ZoneInfo(zone)), 1) == [following]
    twice = every(timedelta(minutes=30), starts_at=at("2026-10-25T01:30", "Europe/Madrid"))
    assert local(twice, at("2026-10-25T02:30", "Europe/Madrid"), 2) == ["25 02:00+0100", "25 02:30+0100"]


def test_the_first_run_of_an_interval_is_its_beginning_or_one_interval_after_the_schedule_was_made() -> None:
    long_ago = at("2020-01-01")
    assert next_runs(every(timedelta(hours=1)), long_ago, 1) == [at("2026-01-01T01:07")]
    start = at("2026-05-01T09:00")
    assert next_runs(every(timedelta(hours=1), starts_at=start), long_ago, 1) == [start]
    assert next_runs(by_cron("0 9 * * *", "UTC", starts_at=start), long_ago, 1) == [start]


def test_nothing_comes_after_the_end() -> None:
    timing = by_cron("0 9 * * *", "UTC", ends_at=at("2026-05-02T09:00"))
    assert next_runs(timing, at("2026-04-30T12:00")) == [at("2026-05-01T09:00"), at("2026-05-02T09:00")]
    assert due(timing, at("2026-05-02T09:00"), at("2026-06-01")).next_at is None


@pytest.mark.parametrize(("alias", "first"), [("@daily", "2026-01-02"), (" @Monthly ", "2026-02-01")])
def test_aliases(alias: str, first: str) -> None:
    assert next_runs(by_cron(alias, "UTC"), at("2026-01-01T05:00"), 1) == [at(first)]


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@reboot", "alias"),
        ("61 * * * *", "minute"),
        ("* * * * mon-", "day-of-week"),
        ("0 0 32 2 *", "day-of-month"),
        ("0 0 31 2 *", "It never comes."),
        ("0 0 30-31 2 *", "It never comes."),
        ("0 0 31 4,6 *", "It never comes."),
        ("0 0 31 13 *", "month"),
    ],
)
def test_what_is_no_cron_is_refused_with_the_reason(cron: str, said: str) -> None:
    with pytest.raises(NotACron, match=said):
        fields_of(cron)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="0123456789*/-,L#W MONFRI@", max_size=30))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        found = next_runs(by_cron(text), at("2026-01-01"), 3)
    except NotACron:
        return
    assert all(before < after for before, after in pairwise(found))


def test_what_is_due() -> None:
    found = due(by_cron("0 * * * *", "UTC"), at("2026-01-01T01:00"), at("2026-01-01T03:10"))
    assert (found.count, found.next_at) == (3, at("2026-01-01T04:00"))
    assert found.newest == tuple(at(f"2026-01-01T0{hour}:00") for hour in (1, 2, 3))


def test_years_without_a_look_are_looked_through_quickly() -> None:
    found = due(every(timedelta(minutes=1)), at("2026-01-01T00:08"), at("2029-01-01T00:07:30"))
    assert (found.count, found.newest[-1]) == (None, at("2029-01-01T00:07"))
    assert found.next_at == at("2029-01-01T00:08")


@pytest.mark.parametrize(
    ("policy", "late", "runs", "missed"),
    [
        ("none", timedelta(seconds=5), 1, 19),
        ("none", timedelta(minutes=5), 0, 20),
        ("latest", timedelta(minutes=5), 1, 19),
        ("all", timedelta(minutes=5), MOST_MADE_UP, 10),
    ],
)
def test_what_is_made_of_it(policy: str, late: timedelta, runs: int, missed: int) -> None:
    now = at("2026-01-01T20:00") + late
    found = due(by_cron("0 * * * *", "UTC"), at("2026-01-01T01:00"), now)
    choice = choose(found, policy, now)
    assert (len(choice.runs), choice.missed_count) == (runs, missed)
    assert choice.missed == at(f"2026-01-01T{20 - runs}:00")
    if runs:
        assert choice.runs[-1] == at("2026-01-01T20:00")


def test_one_that_is_on_time_leaves_nothing_missed() -> None:
    now = at("2026-01-01T01:00:01")
    found = due(by_cron("0 * * * *", "UTC"), at("2026-01-01T01:00"), now)
    for policy in ("none", "latest", "all"):
        assert choose(found, policy, now).missed is None
    assert found.newest[0].tzinfo is not None
    assert found.next_at is not None
    assert found.next_at.astimezone(UTC) == at("2026-01-01T02:00")
