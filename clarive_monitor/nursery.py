"""Starts several Celery processes for the price of one.

Loading Django and Celery costs each process one or two seconds of a core. This process loads them once, forks a
child for each command it is given, tells their process ids and ends; the supervisor, which has declared itself
the heir of orphans, is their parent from then on. A process that falls later is started alone, in the usual way.
"""

import ctypes
import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import django
from celery.__main__ import main as celery

from clarive_monitor.celery import app

PR_SET_PDEATHSIG = 1
# What the commands would import themselves, loaded before the fork.
SHARED = (
    "celery.apps.worker",
    "celery.beat",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "django_celery_beat.schedulers",
    "kombu.transport.redis",
)


def main(arguments: list[str]) -> None:
    """Load, fork, tell.

    Args:
        arguments: The supervisor's process id and a JSON list of processes, each with ``command`` (words after
            ``python -m celery``), ``log`` (path) and ``death_signal`` (number).
    """
    load()
    fork_each(json.loads(arguments[1]), heir=int(arguments[0]))


def load() -> None:
    """Load all that the commands have in common."""
    django.setup()
    for module in SHARED:
        importlib.import_module(module)
    app.loader.import_default_modules()
    # What is garbage goes now; what is left is shared by all, see ``clarive_monitor.celery.share_what_is_loaded``.
    gc.collect()
    gc.freeze()


def fork_each(wanted: list[dict[str, Any]], *, heir: int) -> NoReturn:
    """Fork a child for each process that is wanted, write their ids as JSON to the standard output, and end.

    Args:
        wanted: As ``main`` has them.
        heir: Process id of whoever becomes their parent.
    """
    nursery = os.getpid()
    pids = []
    for process in wanted:
        pid = os.fork()
        if pid == 0:
            _become(process, nursery, heir)
        pids.append(pid)
    sys.stdout.write(json.dumps(pids))
    sys.stdout.flush()
    os._exit(0)


def _become(process: dict[str, Any], nursery: int, heir: int) -> NoReturn:
    """Turn a fork into the process that was wanted; never returns."""
    os.setsid()
    with Path(process["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
        for stream, descriptor in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(stream.fileno(), descriptor)
    while os.getppid() == nursery:
        time.sleep(0.002)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, process["death_signal"])
    if os.getppid() != heir:
        os._exit(1)
    sys.argv = ["celery", *process["command"]]
    celery()
    sys.exit()


if __name__ == "__main__":
    main(sys.argv[1:])
