"""Two people do the same to the same jobs at the same moment: to each job it is done once, and each is told the truth."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Final

import pytest
from django.db import close_old_connections, connection

from jobs.models import AuditRecord, Job
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)

JOBS: Final = 12


def at_once(bodies: list[dict[str, Any]]) -> list[Any]:
    """Send each body as another person, all at the same moment, and return the answers."""
    people = [
        Api(user_with("view_monitor", "restart", "cancel", username=f"p{n}")) for n in range(len(bodies))
    ]
    barrier = Barrier(len(bodies))

    def one(turn: int) -> Any:
        close_old_connections()
        try:
            barrier.wait(10)
            answer = people[turn].post("jobs/bulk/", bodies[turn])
            assert answer.status == 200
            return answer.json
        finally:
            connection.close()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(one, range(len(bodies))))


@pytest.mark.parametrize(
    ("state", "more", "refusal", "after"),
    [
        (("RUN", "ready"), {"action": "cancel"}, "transition_not_allowed", ("cancelled", 1)),
        (("END", "error"), {"action": "rerun", "step": "RUN"}, "job_changed", ("ready", 2)),
    ],
)
def test_each_job_is_done_once_and_both_are_told_which(
    state: tuple[str, str], more: dict[str, Any], refusal: str, after: tuple[str, int], broker: str
) -> None:
    dev = EnvironmentFactory.create(code="DEV")
    ids = [JobFactory.at(*state, environment=dev, project=None).pk for _ in range(JOBS)]
    seen = {str(number): {"attempt": 1, "status": state[1]} for number in ids}
    if more["action"] == "cancel":
        seen = {}
    # From both ends, so that they meet, and neither waits for what the other holds.
    answers = at_once([{**more, "ids": ids, "seen": seen}, {**more, "ids": ids[::-1], "seen": seen}])
    done = Counter(each["id"] for answer in answers for each in answer["done"])
    assert done == dict.fromkeys(ids, 1)
    refused = [each for answer in answers for each in answer["refused"]]
    assert sorted(each["id"] for each in refused) == ids
    assert {each["code"] for each in refused} == {refusal}
    assert set(Job.objects.values_list("status", "attempt")) == {after}
    records = AuditRecord.objects.filter(action=more["action"])
    for turn, answer in enumerate(answers):
        theirs = records.filter(user=f"p{turn}").order_by("job_id").values_list("job_id", flat=True)
        assert list(theirs) == sorted(each["id"] for each in answer["done"])
