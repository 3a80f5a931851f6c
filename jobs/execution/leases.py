"""Keeping a runner's claim alive, and noticing when it is gone.

A thread beside the runner renews the lease at a third of its length and looks at the claim every second. It
says "lost" only when the
database says so: a database that does not answer proves nothing, and the daemon waits as long (see ``DaemonState``).
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections

from jobs import alarms

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
_RENEW: Final = """
UPDATE jobs_job SET lease_expires_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s AND claim = %s
"""
_LOOK: Final = "SELECT 1 FROM jobs_job WHERE id = %s AND claim = %s"


class LeaseKeeper:
    """Keeps one claim while the ``with`` block lasts."""

    def __init__(self, job_id: int, claim: UUID, lease: timedelta) -> None:
        self._job_id, self._claim, self._lease = job_id, claim, lease
        self._lost = threading.Event()
        self._over = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to renew; most steps are over before it is time to look."""
        renew_every = self._lease.total_seconds() / 3
        self._pause, self._renew_every = min(LOOK_SECONDS, renew_every), renew_every
        self._renew_at = time.monotonic() + renew_every
        self._alarm = alarms.after(self._pause, self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        with self._starting:
            self._over.set()
            self._alarm.cancel()
        if self._thread is not None:
            self._thread.join()

    @property
    def lost(self) -> bool:
        """Whether the claim was seen to be gone."""
        return self._lost.is_set()

    def mark_lost(self) -> None:
        """Note that a write found the claim gone."""
        self._lost.set()

    def wait_lost(self, seconds: float) -> bool:
        """Wait until the claim is lost, at most ``seconds``; return whether it is."""
        return self._lost.wait(seconds)

    def _start(self) -> None:
        with self._starting:
            if self._over.is_set():
                return
            thread = threading.Thread(target=self._keep, name=f"lease of job {self._job_id}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # No thread is to be had. Without one nobody renews: it is tried again while the lease lasts, and then it is lost.
                logger.warning("The lease of job %s is not looked at: %s", self._job_id, error)
                if time.monotonic() > self._renew_at + 2 * self._renew_every:
                    self._lost.set()
                else:
                    self._alarm = alarms.after(self._pause, self._start)
                return
            self._thread = thread

    def _keep(self) -> None:
        try:
            while not self._over.is_set():
                due = time.monotonic() >= self._renew_at
                mine = self._still_mine(renew=due)
                if mine is False:
                    self._lost.set()
                    return
                if mine is None:
                    self._renew_at = 0.0  # nobody could renew meanwhile, so the first who is heard again does
                elif due:
                    self._renew_at = time.monotonic() + self._renew_every
                self._over.wait(self._pause)
        finally:
            connections.close_all()

    def _still_mine(self, *, renew: bool) -> bool | None:
        """Return whether the claim stands, ``None`` when the database cannot tell."""
        connection = connections["default"]
        try:
            with connection.cursor() as cursor:
                if renew:
                    cursor.execute(_RENEW, [self._lease.total_seconds(), self._job_id, self._claim])
                    return bool(cursor.rowcount == 1)
                cursor.execute(_LOOK, [self._job_id, self._claim])
                return cursor.fetchone() is not None
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The lease of job %s could not be looked at: %s", self._job_id, error)
            connection.close()
            return None
