"""Section 9, "New job": it stands on pages, empty lists and the sheet of keys for those who may create one somewhere."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, GroupFactory, UserFactory, grant, user_with
from tests.pages import HTMX, Reader, text, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


def by_group(dev: Environment) -> User:
    team = GroupFactory.create()
    grant(team, "create", environments=[dev])
    user = user_with("view_monitor", environments=[dev])
    user.groups.add(team)
    return user


WHO: dict[str, tuple[Callable[[Environment], User], bool]] = {
    "reads": (lambda dev: user_with("view_monitor", "restart", environments=[dev]), False),
    "reads everywhere": (lambda dev: user_with("view_monitor"), False),
    "creates what they do not see": (lambda dev: user_with("create", environments=[dev]), False),
    "reads here, creates there": (
        lambda dev: user_with("view_monitor", environments=[dev], username="ana"),
        False,
    ),
    "creates": (lambda dev: user_with("view_monitor", "create", environments=[dev]), True),
    "creates by group": (by_group, True),
    "creates everywhere": (lambda dev: user_with("view_monitor", "create"), True),
    "superuser": (lambda dev: UserFactory.create(is_superuser=True), True),
}


@pytest.mark.parametrize("who", WHO)
def test_a_new_job_is_offered_to_whom_may_create_somewhere(dev: Environment, who: str) -> None:
    make, may = WHO[who]
    user = make(dev)
    if who == "reads here, creates there":
        grant(user, "create", environments=[EnvironmentFactory.create(code="QA")])
    reader = Reader(user, "en")
    page, inbox = reader.get("/"), reader.get("/inbox/")
    assert ("Create the first job" in words(page)) is may
    assert ("Create the first job" in words(reader.get("/", **HTMX))) is may
    for shown in (page, inbox):
        assert ('href="/jobs/new/"' in text(shown), 'data-new="/jobs/new/"' in text(shown)) == (may, may)
        assert ("<kbd>n</kbd>" in text(shown)) is may
    form = reader.get("/jobs/new/")
    assert form.status_code == 200
    assert ("You may not create jobs in any environment" in words(form)) is not may


def test_what_is_offered_costs_one_query_with_any_number_of_environments(dev: Environment) -> None:
    reads = user_with("view_monitor", environments=[dev])
    creates = user_with("view_monitor", "create", environments=[dev])
    many = user_with("view_monitor", "create", environments=[dev, *EnvironmentFactory.create_batch(5)])
    counts = []
    for user in (reads, creates, many):
        reader = Reader(user)
        with CaptureQueriesContext(connection) as found:
            reader.get("/inbox/")
        counts.append(len(found))
    assert counts == [counts[0], counts[0] + 1, counts[0] + 1]
