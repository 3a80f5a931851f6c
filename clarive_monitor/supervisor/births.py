"""Several Celery processes started together by a nursery, whose orphans become the supervisor's own children."""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from signal import SIGKILL
from typing import Final

from clarive_monitor.supervisor.console import Requests
from clarive_monitor.supervisor.processes import Child, die_with_parent
from clarive_monitor.supervisor.services import BASE_DIR, CELERY_PROGRAM

PR_SET_CHILD_SUBREAPER: Final = 36


def bear(children: Sequence[Child], requests: Requests) -> bool:
    """Start some children that differ only in their Celery command.

    Args:
        children: Not started yet; they share one environment.
        requests: Ends the waiting when the end of everything is asked for.

    Returns:
        False when they have to be started one by one instead, which also shows what is wrong.

    Raises:
        Interrupted: The end was asked for.
    """
    if not sys.platform.startswith("linux"):
        return False
    for child in children:
        child.make_room()
    began = time.monotonic()
    with heir_of_orphans(), children[0].service.log.open("ab") as log:
        nursery = subprocess.Popen(
            [sys.executable, "-m", "clarive_monitor.nursery", str(os.getpid()), wanted(children)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(children[0].service.environment),
            cwd=BASE_DIR,
            start_new_session=True,
            preexec_fn=die_with_parent(SIGKILL),
        )
        try:
            while nursery.poll() is None:
                requests.wait_unless_asked(0.03)
        finally:
            nursery.kill()
            told, _ = nursery.communicate()
    if nursery.returncode != 0:
        return False
    for child, pid in zip(children, json.loads(told), strict=True):
        child.adopt(pid, began)
    return True


def wanted(children: Sequence[Child]) -> str:
    """Return what the nursery is told about its children, on one line."""
    return json.dumps(
        [
            {
                "command": child.service.command[len(CELERY_PROGRAM) :],
                "log": str(child.service.log),
                "death_signal": int(child.service.death_signal),
            }
            for child in children
        ]
    )


@contextlib.contextmanager
def heir_of_orphans() -> Iterator[None]:
    """Be the parent of what our children leave, for as long as the nursery works and no longer."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
