"""The only module that sends Celery work.

A message is a hint and names no job: it says "look", and the worker that gets it takes from the database
whatever is due. So nothing is
lost when the broker is emptied, nothing runs twice when a message comes twice, and the order of work is the database's.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Final

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

WORK: Final = "jobs.work"
CREATE: Final = "jobs.create_job"
RUN_SCHEDULES: Final = "jobs.run_schedules"
TICK: Final = "jobs.tick"
NOTIFY: Final = "jobs.notify"
RETAIN: Final = "jobs.retain"
JOBS_QUEUE: Final = "jobs"
CREATE_QUEUE: Final = "create"
DAEMON_QUEUE: Final = "daemon"
NOTIFY_QUEUE: Final = "notify"
SCHEDULES_HINT_SECONDS: Final = 10
NOTICES_HINT_SECONDS: Final = 10
RETENTION_HINT_SECONDS: Final = 10


def hint_work() -> None:
    """After commit, tell the workers that a job may be due."""
    transaction.on_commit(send_work_hint)


def send_work_hint() -> None:
    """Tell the workers now that a job may be due. An unreachable broker costs time, not jobs: the daemon hints again."""
    _send(WORK, JOBS_QUEUE)


def send_create_hint(request_id: str) -> None:
    """Tell the workers now that somebody waits for CHECK and INIT. A second hint for the same request does nothing."""
    _send(CREATE, CREATE_QUEUE, request_id)


def send_schedules_hint() -> None:
    """Tell the workers now that a schedule may have come. It is worth nothing for long: the daemon hints each second."""
    _send(RUN_SCHEDULES, CREATE_QUEUE, expires=SCHEDULES_HINT_SECONDS)


def hint_notices() -> None:
    """After commit, tell a worker that there is something to tell."""
    transaction.on_commit(send_notices_hint)


def send_notices_hint() -> None:
    """Tell a worker now that notices or deliveries are due. It is worth nothing for long: the daemon hints each second."""
    _send(NOTIFY, NOTIFY_QUEUE, expires=NOTICES_HINT_SECONDS)


def send_retention_hint() -> None:
    """Tell a worker now that old jobs may go. It is worth nothing for long: the daemon hints each second."""
    # Among notices: both can wait, and neither is to hold up a tick or a person.
    _send(RETAIN, NOTIFY_QUEUE, expires=RETENTION_HINT_SECONDS)


def waiting_hints() -> int | None:
    """Return how many hints wait for a worker, ``None`` when the broker does not answer."""
    with contextlib.suppress(OperationalError, OSError), current_app.connection_for_write() as connection:
        queue = current_app.amqp.queues[JOBS_QUEUE](connection.default_channel)
        declared: Any = queue.queue_declare(passive=False)
        return int(declared.message_count)
    return None


def _send(name: str, queue: str, *arguments: str, expires: int | None = None) -> None:
    try:
        current_app.send_task(name, args=arguments, queue=queue, ignore_result=True, expires=expires)
    except (OperationalError, OSError) as error:
        logger.warning("The broker did not take the hint %s: %s", name, error)
