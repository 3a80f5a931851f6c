"""Whether the parts that jobs need are there: database, broker, a worker and the daemon; never waits long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from celery import current_app
from django.db import DatabaseError, connection
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from jobs import dispatch, selectors, workers

BROKER_SECONDS: Final = 1
"""How long the broker may take; a broker that hangs is as good as none."""

_BROKER_OPTIONS: Final = {"socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
_askers: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="broker-check")


@dataclass(frozen=True, slots=True)
class Check:
    """How one part is; ``detail`` is a sentence."""

    ok: bool
    detail: str


def readiness(now: datetime) -> dict[str, Check]:
    """Return how each part is."""
    database = check_database()
    broker = check_broker()
    if not database.ok:
        unknown = Check(False, "Unknown while the database does not answer.")
        return {"database": database, "broker": broker, "worker": unknown, "daemon": unknown}
    return {
        "database": database,
        "broker": broker,
        "worker": _check_worker(now),
        "daemon": _check_sign("daemon", selectors.last_tick, now),
    }


def check_database() -> Check:
    """Ask the database for nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Check(False, "The database does not answer.")
    return Check(True, "The database answers.")


def check_broker() -> Check:
    """Ask the broker for a sign of life, for at most ``BROKER_SECONDS``."""
    asked: Future[None] = _askers.submit(_ping_broker)
    try:
        asked.result(timeout=BROKER_SECONDS)
    except NoAnswer:
        asked.cancel()
        return Check(False, f"The broker did not answer within {BROKER_SECONDS} s.")
    except (KombuError, OperationalError, RedisError, OSError):
        return Check(False, "The broker cannot be reached. Jobs go on, but more slowly.")
    return Check(True, "The broker answers.")


def _ping_broker() -> None:
    with current_app.connection_for_read(transport_options=_BROKER_OPTIONS) as broker:
        broker.ensure_connection(max_retries=0, timeout=BROKER_SECONDS)
        channel: Any = broker.default_channel
        channel.client.ping()


def _check_worker(now: datetime) -> Check:
    """Return whether workers are there that take jobs and that create them; which may be the same one."""
    jobs = _check_queue(dispatch.JOBS_QUEUE, "worker", "All workers are drained: none takes new work.", now)
    if not jobs.ok:
        return jobs
    creation = _check_queue(
        dispatch.CREATE_QUEUE,
        "worker that creates jobs",
        "All workers that create jobs are drained: no job is created.",
        now,
    )
    return jobs if creation.ok else creation


def _check_queue(queue: str, part: str, drained: str, now: datetime) -> Check:
    seen = _check_sign(part, lambda: selectors.last_worker_sign(queue), now)
    try:
        if seen.ok and workers.all_drained(queue, now) is not None:
            return Check(False, drained)
    except DatabaseError:
        return Check(False, "The database does not answer.")
    return seen


def _check_sign(part: str, read: Callable[[], datetime | None], now: datetime) -> Check:
    try:
        sign = read()
    except DatabaseError:
        return Check(False, "The database does not answer.")
    if sign is None:
        return Check(False, f"No {part} was ever seen.")
    seconds = max(0.0, (now - sign).total_seconds())
    return Check(selectors.is_recent(sign, now), f"The {part} was last seen {seconds:.0f} s ago.")
