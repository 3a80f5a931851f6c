"""Several people publish rules at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Final

import pytest
from django.db import close_old_connections, connection

from rules.actions.publish_rule import publish_rule
from rules.exceptions import RuleInvalid
from rules.models import RuleVersion
from tests.api import Api
from tests.factories import UserFactory

NOW: Final = datetime(2026, 5, 4, tzinfo=UTC)


def at_once(*sources: str) -> list[bool | str]:
    """Publish each source in a thread of its own and return whether it made a version, or why not."""
    barrier = Barrier(len(sources))

    def one(source: str) -> bool | str:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            return publish_rule(source=source, author=None, comment="", now=NOW)[1]
        except RuleInvalid as error:
            return error.problems[0].code
        finally:
            connection.close()

    run: Callable[[str], bool | str] = one
    with ThreadPoolExecutor(len(sources)) as pool:
        return list(pool.map(run, sources))


def calling(name: str, called: str) -> str:
    return f"name: {name}\nsteps:\n  RUN:\n    - {called}\n"


@pytest.mark.django_db(transaction=True)
def test_versions_get_consecutive_numbers() -> None:
    assert at_once(*(calling("a", f"log: text {number}") for number in range(8))) == [True] * 8
    numbers = RuleVersion.objects.filter(rule__slug="a").order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, 9))


@pytest.mark.django_db(transaction=True)
def test_the_same_source_makes_one_version() -> None:
    assert sorted(map(str, at_once(*[calling("a", "log: text")] * 4))) == ["False", "False", "False", "True"]
    assert RuleVersion.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_rules_cannot_begin_to_call_each_other_at_the_same_moment() -> None:
    for name in ("a", "b"):
        publish_rule(source=calling(name, "log: text"), author=None, comment="", now=NOW)
    assert sorted(map(str, at_once(calling("a", "rule: b"), calling("b", "rule: a")))) == ["True", "circle"]


@pytest.mark.django_db(transaction=True)
def test_of_two_first_publications_of_one_name_the_second_is_refused() -> None:
    def first(source: str) -> int:
        close_old_connections()
        try:
            api = Api(UserFactory.create(is_superuser=True))
            barrier.wait(timeout=10)
            return api.post("rules/", {"source": source}).status
        finally:
            connection.close()

    for name in "abcd":
        barrier = Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(first, [calling(name, f"log: text {number}") for number in range(4)]))
        assert sorted(found) == [201, 409, 409, 409]
        assert RuleVersion.objects.filter(rule__slug=name).count() == 1
