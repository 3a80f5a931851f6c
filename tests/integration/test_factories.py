"""Factories make what the database accepts, and every state is reached along the table."""

import pytest

from jobs.lifecycle import State, Status
from tests.factories import PATHS, JobFactory, NatureFactory


@pytest.mark.django_db
@pytest.mark.parametrize("state", PATHS, ids=lambda state: f"{state.step}-{state.status}")
def test_a_job_reaches_every_state_by_its_path(state: State) -> None:
    job = JobFactory.at(state.step, state.status)
    assert (job.step, job.status) == (state.step, state.status)


def test_every_status_has_a_path() -> None:
    assert {state.status for state in PATHS} == set(Status)


@pytest.mark.django_db
def test_revisions_and_natures() -> None:
    nature = NatureFactory.create()
    job = JobFactory.create(revisions=["v1", "v2"], natures=[nature])
    assert [revision.ref for revision in job.revisions.all()] == ["v1", "v2"]
    assert list(job.natures.all()) == [nature]
