"""The real code against a model of the product's table, with random sequences of events, people and clocks."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator
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

ENOUGH: Final = 2000
"""After so many everything has to have happened once."""
STEPS: Final = int(os.environ.get("MODEL_STEPS", "700"))
"""At least so many; ``make nightly`` makes many more, with a seed of its own. Fewer than enough need not have seen everything."""
TOO_MANY: Final = 10_000
"""What has not happened after so many steps does not happen any more."""
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
    """Run the machine until it has made enough steps, and return what happened, how often."""
    return run_until(lambda seen: seen["steps"] >= steps, *phases)


def run_until(is_enough: Callable[[Counter[str]], bool], *phases: Phase) -> Counter[str]:
    """Run the machine until what it has seen is enough, and return what happened, how often.

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
        if is_enough(JobMachine.seen):
            break
        JobMachine.salt = salt
        run_state_machine_as_test(seed(SEED + salt)(JobMachine), settings=wanted)
    return JobMachine.seen


def missing(seen: Counter[str]) -> list[str]:
    """Return what has to happen, so that the steps are about something, and did not."""
    return [
        *(place for place in HAPPENS if not seen[f"at: {place}"]),
        *(action for action in actions() if not seen[f"accepted: {action}"]),
        *(code for code in REFUSED if not seen[f"refused: {code}"]),
    ]


def test_the_real_jobs_live_as_the_model_says() -> None:
    def is_enough(seen: Counter[str]) -> bool:
        is_all_seen = STEPS < ENOUGH or not missing(seen) or seen["steps"] >= TOO_MANY
        return seen["steps"] >= STEPS and is_all_seen

    seen = run_until(is_enough)
    assert STEPS < ENOUGH or not missing(seen), f"never happened: {missing(seen)}; happened: {seen}"
