"""The machine can fail: it finds a wrong transition within the steps that are enough."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import Phase

from jobs import transitions
from jobs.lifecycle import Event, State
from jobs.models import Job
from jobs.transitions import Change
from tests.model.test_model import ENOUGH, STEPS, run, scene
from tests.turns import due

__all__ = ["scene"]

pytestmark = pytest.mark.django_db(transaction=True)


def _rejected_is_cancelled(job: Job, event: Event) -> None:
    if event is Event.REJECT:
        job.status = "cancelled"


def _rerun_is_the_same_attempt(job: Job, event: Event) -> None:
    if event is Event.RERUN:
        job.attempt -= 1


def _failed_rollback_counts_as_done(job: Job, event: Event) -> None:
    if event is Event.UNDO_FAILED:
        job.rollback = "succeeded"


def _expired_forgets_its_end(job: Job, event: Event) -> None:
    if event is Event.EXPIRE:
        job.finished_at = job.max_start_at


MUTANTS = due([_rerun_is_the_same_attempt, _failed_rollback_counts_as_done], every=2)
if "MODEL_STEPS" in os.environ:  # at night: these take minutes to be found
    MUTANTS += [_rejected_is_cancelled, _expired_forgets_its_end]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_a_wrong_transition_is_found(
    mutate: Callable[[Job, Event], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = transitions._set_dates

    def mutated(job: Job, change: Change, before: State, after: State) -> None:
        original(job, change, before, after)
        mutate(job, change.event)

    monkeypatch.setattr(transitions, "_set_dates", mutated)
    with pytest.raises(AssertionError):
        run(max(STEPS, ENOUGH), Phase.generate)
