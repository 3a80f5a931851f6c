"""Workers as the database sees them: signs of life, draining, and strays of dead ones. Wired to Celery's signals here."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from celery.signals import beat_init, worker_init, worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Q

from jobs.execution import draining, naming
from jobs.models import CreationRequest, Job, WorkerSeen
from rules.processes.client import reap_strays

logger = logging.getLogger(__name__)

_LAST_WORDS: Final = timedelta(seconds=20)
_over: Final = threading.Event()


def process_name(hostname: str | None) -> str:
    """Return the name of this pool process, shown to people: the worker's name and the process number."""
    return f"{hostname or socket.gethostname()}/{os.getpid()}"


@worker_init.connect
def clean_up(**_: Any) -> None:
    """Before a worker takes work: it is not stopping, and what a dead one left on this machine goes."""
    draining.reset()
    end_strays()
    connections.close_all()


def end_strays() -> None:
    """End what runners that are gone left behind on this machine, when even their launcher and keepers were killed."""
    with contextlib.suppress(DatabaseError, InterfaceError):
        for stray in reap_strays(_claim_stands, scope=naming.scope()):
            # Not its command line, which may hold a secret.
            logger.warning(
                "Ended the stray process %d of a dead worker, started under %s", stray.pid, stray.claim
            )


def _claim_stands(claim: str) -> bool:
    """Return whether a process marked with ``claim``, of a job's runner or of a request that is being checked, has its runner.

    The runner of a cancelled job has it for as long as it needs to end its processes in order and to say how they ended.
    """
    # Of a job that was started again its next runner says when the time is over.
    in_time = Q(finished_at__isnull=True) | Q(finished_at__gt=datetime.now(UTC) - _LAST_WORDS)
    cancelled = Job.objects.filter(in_time, cancelled_claim=claim)
    checking = CreationRequest.objects.filter(
        pk=claim, state=CreationRequest.State.CHECKING, deadline__gt=datetime.now(UTC)
    )
    return Job.objects.filter(claim=claim).exists() or cancelled.exists() or checking.exists()


@worker_ready.connect
def begin_signs_of_life(sender: Any, **_: Any) -> None:
    """Say that the worker is there, and go on saying so until it stops."""
    _over.clear()
    worker = {"name": sender.hostname, "queues": sorted(sender.app.amqp.queues.consume_from)}
    threading.Thread(target=_signs_of_life, args=(worker,), name="signs of life", daemon=True).start()


def _signs_of_life(worker: dict[str, Any]) -> None:
    started_at = datetime.now(UTC)
    while True:
        # A connection for each sign: one kept open would be inherited by the processes that the pool forks later.
        with contextlib.suppress(DatabaseError, InterfaceError):
            WorkerSeen.objects.update_or_create(
                name=worker["name"],
                defaults={
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "queues": worker["queues"],
                    "started_at": started_at,
                    "seen_at": datetime.now(UTC),
                },
            )
        end_strays()
        connections.close_all()
        if _over.wait(settings.CLARIVE_LEASE_SECONDS / 3):
            return


@worker_shutting_down.connect
def begin_draining(**_: Any) -> None:
    """TERM: the pool's processes end the operation at hand and hand over."""
    draining.begin()


@worker_shutdown.connect
def say_goodbye(sender: Any, **_: Any) -> None:
    """The worker stopped in order, so nobody need wait for its sign of life to grow old."""
    _over.set()
    with contextlib.suppress(DatabaseError, InterfaceError):
        WorkerSeen.objects.filter(name=sender.hostname, pid=os.getpid()).delete()
    connections.close_all()


@beat_init.connect
def end_at_once(**_: Any) -> None:
    """TERM just ends the clock.

    Its own handler writes to the database, and waits for itself for ever when the signal comes in the middle of a query:
    there would be a clock, and no tick. It has nothing to lose, as a tick is right whenever it comes.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
