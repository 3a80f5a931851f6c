"""Variables and their origins."""

from __future__ import annotations

from jobs.variables import Variable, given, merge


def test_the_stronger_origin_wins_name_by_name() -> None:
    found = merge(
        {
            "job": {"a": 5},
            "project_environment": {"a": 4, "b": 4},
            "environment": {"b": 3, "c": 3},
            "project": {"c": 2, "d": 2},
            "rule": {"d": 1, "e": 1},
        }
    )
    assert found == {
        "a": Variable(5, "job"),
        "b": Variable(4, "project_environment"),
        "c": Variable(3, "environment"),
        "d": Variable(2, "project"),
        "e": Variable(1, "rule"),
    }


def test_what_is_overridden_stays_visible_the_strongest_first() -> None:
    found = given({"job": {"a": 5}, "rule": {"a": 1, "b": 1}, "project": {"a": 2}})
    assert found == {
        "a": (Variable(5, "job"), Variable(2, "project"), Variable(1, "rule")),
        "b": (Variable(1, "rule"),),
    }
