"""Workers as the database sees them: signs of life, draining, and strays of dead ones. Wired to Celery's signals here."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from celery.signals import beat_init, worker_init, worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Q

from jobs import dispatch, workers
from jobs.execution import draining, naming
from jobs.models import CreationRequest, Job, WorkerSeen
from jobs.retention import files
from rules.processes.client import reap_strays

logger = logging.getLogger(__name__)

_LAST_WORDS: Final = timedelta(seconds=20)
_LOOK_SECONDS: Final = 1.5
"""How often a worker looks whether it is drained."""
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
    threading.Thread(target=_live, args=(worker, sender), name="signs of life", daemon=True).start()


def _live(worker: dict[str, Any], consumer: Any) -> None:
    """Give signs of life at a third of the lease, and look more often whether the worker is drained."""
    started_at = datetime.now(UTC)
    sign_every = settings.CLARIVE_LEASE_SECONDS / 3
    sign_at = 0.0
    drained = False
    sweep = files.Sweep()
    while True:
        # A connection for each look: one kept open would be inherited by the processes that the pool forks later.
        with contextlib.suppress(DatabaseError, InterfaceError):
            wanted = workers.is_drained(worker["name"])
            if wanted != drained:
                _drain(worker, consumer, wanted)
                drained = wanted
        if time.monotonic() >= sign_at:
            sign_at = time.monotonic() + sign_every
            _give_sign(worker, started_at)
            end_strays()
            _clear(worker, sweep)
        connections.close_all()
        if _over.wait(min(sign_every, _LOOK_SECONDS)):
            return


def _give_sign(worker: dict[str, Any], started_at: datetime) -> None:
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


def _clear(worker: dict[str, Any], sweep: files.Sweep) -> None:
    """Let a worker that runs jobs remove directories that nobody wants any more."""
    if dispatch.JOBS_QUEUE in worker["queues"]:
        with contextlib.suppress(DatabaseError, InterfaceError, OSError):
            sweep.step()


def _drain(worker: dict[str, Any], consumer: Any, drained: bool) -> None:
    """Let the pool hand over what it runs, and leave hints to other workers; or let it take work again.

    What it may take is decided when it takes it; this only spares others a hint that would do nothing here. The tick is no work:
    somebody must go on keeping order.
    """
    logger.warning("This worker %s.", "was drained" if drained else "takes work again")
    draining.set_drained(drained)
    for queue in {dispatch.JOBS_QUEUE, dispatch.CREATE_QUEUE} & {*worker["queues"]}:
        consumer.call_soon(_turn, consumer, queue, drained)


def _turn(consumer: Any, queue: str, drained: bool) -> None:
    """Let the worker stop taking messages from a queue, or take them again."""
    try:
        if drained:
            consumer.cancel_task_queue(queue)
        else:
            consumer.add_task_queue(queue)
    except Exception:
        # The broker is away, in one of the many ways in which it can be. Which queues are meant is noted before it is asked,
        # and they are taken up when it is back; an error would end the worker.
        logger.warning("The queue %s could not be turned to now.", queue, exc_info=True)


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
