"""Outlasting a database that goes away: what a runner writes is written when it comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError, connection

from jobs.execution.leases import LeaseKeeper

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_SECONDS: Final = 600.0
RECALL_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0


def retrying(write: Callable[[], Result], keeper: LeaseKeeper) -> Result:
    """Return what ``write`` gives, calling it again while the connection to the database breaks.

    Args:
        write: A whole transaction that may be repeated: the connection can break after its commit and before we know.
        keeper: Ends the waiting when the claim is lost.

    Raises:
        OperationalError: The database did not come back within ``MOST_SECONDS``.
    """
    give_up_at = time.monotonic() + MOST_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() >= give_up_at or keeper.lost:
                raise
            logger.warning("Writing waits for the database: %s", error)
            connection.close()
        keeper.wait_lost(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def recalled(look: Callable[[], Result]) -> Result:
    """Return what ``look`` reads as soon as the database answers: whether a commit was made though its connection broke.

    Args:
        look: Reads only.

    Raises:
        OperationalError: The database did not come back within ``RECALL_SECONDS``.
    """
    give_up_at = time.monotonic() + RECALL_SECONDS
    while True:
        connection.close()
        try:
            return look()
        except (OperationalError, InterfaceError):
            if time.monotonic() >= give_up_at:
                raise
        time.sleep(_FIRST_PAUSE)
