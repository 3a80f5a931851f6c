"""A whole installation in which anything may die at any time: no job is lost, none is stuck, nothing happens twice.

``CHAOS_SECONDS`` says how long, ``CHAOS_SEED`` repeats the choices of a run that failed.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from clarive_monitor.supervisor.layout import Layout
from tests.chaos.asking import Asker
from tests.chaos.monkey import Monkey
from tests.chaos.verdict import OPERATIONS, STEPS, abend_of, explanations, faults_of_effects
from tests.engine import lines
from tests.installation import Running, free_port, installed, manage
from tests.waiting import until

pytestmark = pytest.mark.workers

SECONDS: Final = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED: Final = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
JOBS: Final = int(5 * SECONDS)
LEASE_SECONDS: Final = 9
QUIET_SECONDS: Final = 180.0
"""At most, on a machine that does much else; ten are usual."""

SITE: Final = """
environments: [{code: DEV, name: Development, order: 1}]
rules: [{file: chaos.yaml}]
"""


def _write_site(folder: Path, effects: Path) -> Path:
    """Write the configuration, with a rule whose operations leave a line each and then take a moment."""
    line = "$CLARIVE_JOB_ID $CLARIVE_ATTEMPT $CLARIVE_STEP"
    rule = ["name: chaos", "steps:"]
    for step in STEPS:
        rule.append(f"  {step}:")
        rule += [f"    - run: echo {line} {name} >> {effects}; sleep 0.1" for name in OPERATIONS]
    (folder / "chaos.yaml").write_text("\n".join(rule))
    site = folder / "site.yaml"
    site.write_text(SITE)
    return site


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    home = tmp_path / "home"
    running = Running(
        installed(home),
        free_port(),
        CLARIVE_WORKERS="4",
        CLARIVE_LEASE_SECONDS=str(LEASE_SECONDS),
        CLARIVE_STATIC_COLLECTED="0",
    )
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()
    shutil.rmtree(Layout.at(home).sockets, ignore_errors=True)


def _tell(monkey: Monkey, asker: Asker, running: Running) -> None:
    """Print what somebody needs who looks into a failure; pytest shows it only then."""
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}")  # noqa: T201
    print(*monkey.done, sep="\n")  # noqa: T201
    print(running.output)  # noqa: T201
    print(f"answers {dict(asker.answers)}, keys given up {len(asker.given_up)}")  # noqa: T201
    print(Counter(f"{injection.action} {injection.kind}" for injection in monkey.done))  # noqa: T201


def _is_quiet(asker: Asker) -> bool:
    statuses = asker.statuses()
    return bool(statuses) and sum(statuses.values()) == statuses.get("finished", 0) + statuses.get("abend", 0)


def test_whatever_dies_no_job_is_lost_or_stuck_and_nothing_happens_twice(
    running: Running, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    running.wait_ready()
    manage(running.home, "apply", str(_write_site(tmp_path, effects)))
    asker = Asker(running.address, manage(running.home, "create_token", "admin"), "chaos")
    monkey = Monkey(running.home, running.process.pid, running.is_up, SEED, LEASE_SECONDS)
    try:
        give_up_at = time.monotonic() + SECONDS + QUIET_SECONDS
        asking = threading.Thread(target=asker.ask, args=(JOBS, SECONDS * 0.9, give_up_at), daemon=True)
        asking.start()
        monkey.break_for(SECONDS)
        asking.join()
        until(lambda: _is_quiet(asker), QUIET_SECONDS, "the end of all jobs")
        assert list(_faults(asker, monkey, lines(effects))) == []
        asker.ask(1, 0, time.monotonic() + 60)
        until(lambda: _is_quiet(asker), 60, "the end of one more job")
        assert (len(asker.created), asker.surprises) == (JOBS + 1, [])
        monkey.look()
    finally:
        _tell(monkey, asker, running)
    assert running.process.poll() is None
    assert running.end() == 0
    assert monkey.left() == []


def _faults(asker: Asker, monkey: Monkey, effects: list[str]) -> Iterator[str]:
    """Yield whatever is not as it must be, held against what was asked for and what was done."""
    yield from asker.surprises
    jobs = asker.jobs()
    known = {job["id"] for job in jobs}
    yield from (f"job {job_id} is lost" for job_id in asker.created.values() if job_id not in known)
    keys = Counter(job["comment"] for job in jobs)
    yield from (f"{count} jobs were made of {key}" for key, count in keys.items() if count > 1)
    yield from (f"nobody asked for {key}" for key in {*keys} - {*asker.created, *asker.given_up})
    yield from faults_of_effects(jobs, effects)
    told = {job["name"]: asker.last_error(job["id"]) for job in jobs if job["status"] == "abend"}
    abends = [abend_of(job, told[job["name"]]) for job in jobs if job["name"] in told]
    why = explanations([abend for abend in abends if abend is not None], monkey)
    for name, reason in told.items():
        print(f"{name}: {reason} <- {why.get(name)}")  # noqa: T201
        if name not in why:
            yield f"nothing explains the Abend of {name}: {reason}"
