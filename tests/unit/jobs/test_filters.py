"""Reading the query parameters of lists of jobs."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.exceptions import InvalidInput
from jobs.filters import (
    NEWEST_FIRST,
    ORDERINGS,
    PAGE_ORDERINGS,
    parse_filter,
    parse_ordering,
    parse_time,
    unknown,
)
from jobs.search_words import quoted, split

MADRID = ZoneInfo("Europe/Madrid")


def test_nothing_asked_for_is_no_filter() -> None:
    found = parse_filter({"status": [""], "q": [" "], "limit": ["5"]})
    assert (found.values, found.text, found.after, found.before) == ({}, "", {}, {})


def test_values_dates_and_text() -> None:
    found = parse_filter(
        {
            "status": ["ready", "error"],
            "nature": ["python"],
            "q": [" shop "],
            "created_after": ["2026-03-01T00:00:00Z"],
        }
    )
    assert found.values == {"status": ("ready", "error"), "nature": ("python",)}
    assert found.text == "shop"
    assert found.after == {"created": datetime(2026, 3, 1, tzinfo=UTC)}


def test_what_is_not_wanted() -> None:
    found = parse_filter({"exclude_status": ["ready", "error"], "exclude_rule": ["web"]})
    assert (found.values, found.without) == ({}, {"status": ("ready", "error"), "rule": ("web",)})
    with pytest.raises(InvalidInput) as refused:
        parse_filter({"exclude_step": ["RUM"], "exclude_rule": ["anything"]})
    assert refused.value.errors == {"exclude_step": ["Unknown value: RUM. Did you mean RUN?"]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("ana", ("ana",)),
        ('ana  "two words" x', ("ana", "two words", "x")),
        (r'"a \"b\" \\"', ('a "b" \\',)),
        ('5" pipe', ('5"', "pipe")),
        ('"open end', ('"open', "end")),
        ('""', ()),
        ("1 2 3 4 5 6 7 8 9", ("1", "2", "3", "4", "5", "6", "7", "8 9")),
        ('1 2 3 4 5 6 7 "8 9"', ("1", "2", "3", "4", "5", "6", "7", "8 9")),
    ],
)
def test_words_of_a_search(text: str, found: tuple[str, ...]) -> None:
    assert split(text) == found


@given(st.text(min_size=1))
def test_a_quoted_word_is_one_word(word: str) -> None:
    assert split(quoted(word)) == (word,)


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filter(
            {"status": ["redy", "running"], "step": ["END", "x"], "q": ["a", "b"], "started_before": ["x"]}
        )
    assert set(refused.value.errors) == {"status", "step", "q", "started_before"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00"),
        ("2026-07-01T12:00:00 02:00", "2026-07-01T10:00:00"),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00"),
        ("2026-07-01", "2026-06-30T22:00:00"),
    ],
)
def test_times_with_the_readers_zone(text: str, moment: str) -> None:
    assert parse_time(text, zone=MADRID) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_a_time_without_a_zone_is_refused_where_there_is_no_reader() -> None:
    with pytest.raises(ValueError, match="time zone"):
        parse_time("2026-07-01T12:00")


def test_orderings() -> None:
    columns = ("id", "created_at", "scheduled_at", "max_start_at", "started_at", "finished_at")
    assert set(ORDERINGS) == {f"{sign}{column}" for sign in ("", "-") for column in columns}
    assert {name for name, ordering in ORDERINGS.items() if ordering.nullable} == {
        "started_at", "-started_at", "finished_at", "-finished_at",
    }  # fmt: skip
    assert parse_ordering([]) is NEWEST_FIRST
    for refused in (["name"], ["id", "id"], [""]):
        with pytest.raises(InvalidInput):
            parse_ordering(refused)
    assert parse_ordering(["-name"], PAGE_ORDERINGS).column == "name"


def test_the_nearest_value_is_offered() -> None:
    assert unknown("READY", ["ready", "error"]) == "Unknown value: READY. Did you mean ready?"
    assert unknown("zzz", ["ready", "error"]) == "Unknown value: zzz. Use one of: ready, error."
