"""Section 10 under fire: Schemathesis asks everything as an administrator, with few rights, and as nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from pytest_django.fixtures import Settings

from permissions import tokens
from permissions.models import Environment, User
from tests.factories import UserFactory, grant
from tests.known import known_world

pytestmark = pytest.mark.django_db

OF_NOBODY: Final = {
    *(("GET /api/schema/", status) for status in (200, 304, 400, 406)),
    ("GET /healthz", 200),
    ("GET /readyz", 503),
}
"""What is there for everybody; no worker is, in these tests."""


@pytest.fixture(autouse=True)
def quick(settings: Settings, broker: str) -> None:
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 0.05
    settings.CLARIVE_API_RATE = None


def asker_of(who: str) -> User:
    if who == "few rights":
        return UserFactory.create(username="vera")
    return UserFactory.create(username="root", is_superuser=True)


@pytest.mark.parametrize("who", ["administrator", "few rights", "nobody"])
def test_whatever_is_asked_is_answered_as_described(who: str) -> None:
    # Importing it takes longer than all tests of a usual file.
    from tests.fuzzing import Fuzz

    asker = asker_of(who)
    known = known_world(asker)
    if who == "few rights":
        grant(asker, "create", "restart", environments=[Environment.objects.get(code="DEV")])
    headers = {} if who == "nobody" else {"Authorization": f"Bearer {tokens.issue(asker)}"}
    fuzz = Fuzz(headers, known)
    fuzz.run()
    assert not fuzz.failures, "\n\n".join(f"{name}\n{text}" for name, text in fuzz.failures.items())
    answered = {status for _, status in fuzz.statuses}
    if who == "nobody":
        strange = {each for each in fuzz.statuses if each[1] not in {401, 404, 405}} - OF_NOBODY
        assert strange == set()
    else:
        assert {200, 400} <= answered
        # In one turn half of them are asked with what does not fit.
        assert fuzz.turns < 4 or not missed(fuzz.statuses), missed(fuzz.statuses)


def missed(statuses: Mapping[tuple[str, int], int]) -> set[str]:
    """Return what is about one thing that is there, and was never asked of it: all answers are 404 or 400."""
    return {
        name for name, _ in statuses if "{" in name and {s for n, s in statuses if n == name} <= {400, 404}
    }
