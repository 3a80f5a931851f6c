"""The real code against a model of the product's table, with random sequences of events, people and clocks."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from jobs import dispatch
from jobs.actions.base import actions
from permissions import policy
from tests.model import driver, world
from tests.model.machine import JobMachine

pytestmark = pytest.mark.django_db(transaction=True)

ENOUGH: Final = 5000
STEPS: Final = int(os.environ.get("MODEL_STEPS", ENOUGH))
"""``make nightly`` makes many more, with a seed of its own."""
SEED: Final = int(os.environ.get("MODEL_SEED", "0"))
STEPS_OF_AN_EXAMPLE: Final = 50
EXAMPLES_OF_A_RUN: Final = 9
HAPPENS: Final = (
    *("INIT / running", "INIT / cancelled", "INIT / abend", "END / error", "END / finished"),
    *("PRE / ready", "PRE / running", "PRE / rollback", "PRE / pending_approval", "PRE / trapped"),
    *("PRE / rejected", "PRE / expired", "PRE / abend", "PRE / cancelled"),
    *("RUN / ready", "RUN / running", "RUN / rollback", "RUN / pending_approval", "RUN / trapped"),
    *("RUN / trap_paused", "RUN / rejected", "RUN / expired", "RUN / abend", "RUN / cancelled"),
    *("POST / ready", "POST / running", "POST / pending_approval", "POST / trapped"),
)
REFUSED: Final = (
    "not_found",
    "job_changed",
    "right_missing",
    "transition_not_allowed",
    "invalid",
    "later_jobs",
)


@pytest.fixture(autouse=True)
def scene(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A scene for the machine; hints go nowhere, and no job may need one."""
    monkeypatch.setattr(dispatch, "_send", lambda *_, **__: None)
    monkeypatch.setattr(dispatch, "waiting_hints", lambda: 0)
    # Nobody's rights change here, and people are asked about after each step.
    monkeypatch.setattr(policy, "rights_of", functools.cache(policy.rights_of))
    with world.registered() as probes:
        JobMachine.probes, JobMachine.scene, JobMachine.seen = probes, driver.set_scene(), Counter()
        yield


def run(steps: int, *phases: Phase) -> Counter[str]:
    """Run the machine until it has made enough steps, and return what happened, how often.

    Hypothesis runs it a few examples at a time: from the tenth on it would spend most of them on variations of one.
    """
    wanted = settings(
        max_examples=EXAMPLES_OF_A_RUN,
        stateful_step_count=STEPS_OF_AN_EXAMPLE,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=phases or (Phase.generate, Phase.shrink),
    )
    for salt in count():
        if JobMachine.seen["steps"] >= steps:
            break
        JobMachine.salt = salt
        run_state_machine_as_test(seed(SEED + salt)(JobMachine), settings=wanted)
    return JobMachine.seen


def test_the_real_jobs_live_as_the_model_says() -> None:
    seen = run(STEPS)
    assert seen["steps"] >= STEPS
    if STEPS < ENOUGH:
        return
    # So that the steps are about something.
    missing = [place for place in HAPPENS if not seen[f"at: {place}"]]
    missing += [action for action in actions() if not seen[f"accepted: {action}"]]
    missing += [code for code in REFUSED if not seen[f"refused: {code}"]]
    assert not missing, f"never happened: {missing}; happened: {seen}"
