"""A nursery that stays: Django and Celery are loaded once for all the workers that tests start in one environment.

Loading them costs each worker two seconds of a core, and a run of all tests starts a hundred of them. They are real
processes with their own session, signals and log, born as those are that the supervisor starts together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from signal import SIGKILL
from typing import Final

from clarive_monitor.supervisor.births import heir_of_orphans, wanted
from clarive_monitor.supervisor.processes import Child, die_with_parent
from clarive_monitor.supervisor.services import BASE_DIR

NO_MATTER: Final = ("PYTEST_CURRENT_TEST", "CELERY_SKIP_CHECKS")
"""Variables that differ and change nothing; workers skip the checks, which a run of tests has made."""


class Zygotes:
    """One nursery for each environment that was asked for."""

    def __init__(self) -> None:
        self._processes: dict[frozenset[tuple[str, str]], subprocess.Popen[str]] = {}

    def bear(self, children: Sequence[Child]) -> None:
        """Start some children whose environments are the same.

        Args:
            children: Workers and clocks, not started yet.
        """
        environment = dict(children[0].service.environment)
        for name in NO_MATTER:
            environment.pop(name, None)
        for child in children:
            child.make_room()
        process = self._process(environment)
        began = time.monotonic()
        assert process.stdin is not None
        assert process.stdout is not None
        with heir_of_orphans():
            print(wanted(children), file=process.stdin, flush=True)
            told = process.stdout.readline()
            # Said when the one that has forked them has ended, so that they are ours by now.
            assert process.stdout.readline() == "gone\n", (
                "the nursery of the tests has fallen: look at its errors"
            )
        for child, pid in zip(children, json.loads(told), strict=True):
            child.adopt(pid, began)

    def stop(self) -> None:
        """Let all of them go."""
        for process in self._processes.values():
            process.kill()
            process.communicate()
        self._processes.clear()

    def _process(self, environment: dict[str, str]) -> subprocess.Popen[str]:
        key = frozenset(environment.items())
        found = self._processes.get(key)
        if found is None or found.poll() is not None:
            found = self._processes[key] = subprocess.Popen(
                [sys.executable, "-m", "tests.zygote", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**environment, "CELERY_SKIP_CHECKS": "1"},
                cwd=BASE_DIR,
                text=True,
                start_new_session=True,
                preexec_fn=die_with_parent(SIGKILL),
            )
        return found


def main(heir: int) -> None:
    """Load, and fork whatever a line of the standard input asks for, until it ends.

    Args:
        heir: Process id of the tests.
    """
    from clarive_monitor import nursery

    nursery.load()
    for line in sys.stdin:
        middle = os.fork()
        if middle == 0:
            nursery.fork_each(json.loads(line), heir=heir)
        os.waitpid(middle, 0)
        sys.stdout.write("\ngone\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
