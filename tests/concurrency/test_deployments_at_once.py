"""Two jobs of one place end at the same moment: the one that finishes later is what is there, whoever commits last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Flag
from typing import Any, Final

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from jobs import deployments
from jobs.lifecycle import Event
from jobs.models import Job
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, happen

LONGEST: Final = 10


@pytest.mark.django_db(transaction=True)
def test_who_commits_last_does_not_win_by_that_and_who_is_undone_meanwhile_is_gone() -> None:
    place: dict[str, Any] = {"environment": EnvironmentFactory.create(), "project": ProjectFactory.create()}
    undone = JobFactory.at("END", "finished", **place)
    first, second = (JobFactory.at("POST", "running", **place) for _ in range(2))
    has_finished, others_are_done = Flag(), Flag()
    now = timezone.now()

    def finish_first() -> None:
        close_old_connections()
        try:
            with transaction.atomic():
                happen(first, Event.STEP_OK, now=now)
                has_finished.set()
                assert others_are_done.wait(LONGEST)
        finally:
            connection.close()

    def there() -> Job | None:
        found = deployments.deployed(place["environment"].pk, place["project"].pk)
        return Job.objects.get(pk=found.job) if found else None

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(finish_first)
        assert has_finished.wait(LONGEST)
        # Nobody waits for a job that is about to have finished.
        happen(second, Event.STEP_OK, now=now + timedelta(seconds=1))
        assert there() == second
        happen(undone, Event.ASK_ROLLBACK)
        happen(undone, Event.ASKED_UNDONE)
        others_are_done.set()
        running.result(LONGEST)
    assert there() == second
    happen(second, Event.ASK_ROLLBACK)
    happen(second, Event.ASKED_UNDONE, now=now + timedelta(seconds=3))
    assert there() == first
