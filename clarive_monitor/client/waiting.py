"""``clarive jobs wait`` and ``watch``: until a job has ended, and the exit code that tells how."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from clarive_monitor.client import output, values
from clarive_monitor.client.exits import STATUSES, Exit, exit_of
from clarive_monitor.client.finding import number_of
from clarive_monitor.client.following import Follower, Waiter
from clarive_monitor.client.jobs import job_argument, jobs, waiting_for
from clarive_monitor.client.session import Session, end, with_session

_LINE_BEGIN = "\r\x1b[K"


@jobs.command("wait")
@job_argument
@click.option(
    "--until",
    type=click.Choice(("ended", *STATUSES)),
    default="ended",
    show_default=True,
    help="What to wait for.",
)
@click.option("--timeout", type=values.SPAN, metavar="DURATION", help="At most so long; exit code 7 then.")
@with_session
def wait(session: Session, job: str, until: str, timeout: float | None) -> None:
    """Wait until a job has ended, or is in a status; the exit code says how it ended."""
    deadline = deadline_of(timeout)
    found = Waiter(session.server, number_of(session.server, job), until, deadline).wait()
    write_end(session, found)
    if found["status"] == until:
        return
    if (code := exit_of(found)) is Exit.OK and until != "ended":
        session.tell(f"It will not be {until} any more.")
        code = Exit.TIMED_OUT
    end(code)


@jobs.command("watch")
@job_argument
@click.option("--times", "-t", is_flag=True, help="Begin each line of the log with its time.")
@click.option("--timeout", type=values.SPAN, metavar="DURATION", help="At most so long; exit code 7 then.")
@with_session
def watch(session: Session, job: str, times: bool, timeout: float | None) -> None:
    """Follow a job's log and progress until it ends; the exit code says how.

    Lost connections are made again, and no line is lost or written twice. Ctrl-C ends watching, not the job.
    With --json each line is {"event": "log" or "job", "data": …}.
    """
    end(watch_job(session, number_of(session.server, job), times=times, timeout=timeout))


def watch_job(session: Session, number: int, *, times: bool = False, timeout: float | None = None) -> Exit:
    """Follow a job to its end and return how it ended."""
    screen = Screen(session, times=times)
    follower = Follower(session.server, number, deadline=deadline_of(timeout), tell=screen.tell)
    job: Mapping[str, Any] = {}
    try:
        for kind, data in follower.news():
            if kind == "job":
                job = data
            screen.show(kind, data)
    finally:
        screen.clear()
    if not session.as_json:
        write_end(session, job)
    return exit_of(job)


def deadline_of(timeout: float | None) -> float | None:
    """Return the end of a time that begins now, on the clock of ``time.monotonic``."""
    return None if timeout is None else time.monotonic() + timeout


def write_end(session: Session, job: Mapping[str, Any]) -> None:
    """Write what became of a job."""
    if session.as_json:
        output.write_json(job)
        return
    took = ""
    if job["started_at"] and job["finished_at"]:
        seconds = output.seconds_between(job["started_at"], job["finished_at"])
        took = f" after {output.duration(seconds)}"
    session.say(f"{job['name']} is {output.status(job['status'])} in {job['step']}{took}.")


class Screen:
    """The log on standard output and, for people, the progress on the last line of the terminal."""

    def __init__(self, session: Session, *, times: bool) -> None:
        """Begin with nothing shown."""
        self._session, self._times = session, times
        is_shown = output.moves_cursor() and output.moves_cursor(sys.stderr)
        self._has_bar = is_shown and not session.quiet and not session.as_json
        self._bar = ""
        self._waits = ""

    def show(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show what is new."""
        if self._session.as_json:
            output.write_json_line({"event": kind, "data": data})
            return
        self.clear()
        if kind == "log":
            click.echo(output.log_line(data, times=self._times))
        else:
            self._show_waits(data)
            bar = f"{output.bar(data['progress']['percent'])} {data['status']} in {data['step']}"
            # One that goes on in the next line could not be taken away.
            self._bar = bar[: shutil.get_terminal_size().columns - 1]
        if self._has_bar and self._bar:
            click.echo(self._bar, nl=False, err=True)

    def tell(self, text: str) -> None:
        """Write a sentence about the connection."""
        self.clear()
        self._session.tell(text)

    def clear(self) -> None:
        """Take the progress away."""
        if self._has_bar and self._bar:
            # As it is: click would take the codes out where it thinks that nobody sees them.
            sys.stderr.write(_LINE_BEGIN)
            sys.stderr.flush()

    def _show_waits(self, job: Mapping[str, Any]) -> None:
        """Say once why a job waits, and again when that is something else."""
        waits = "\n".join(f"waits for {output.plain(reason)}" for reason in waiting_for(job))
        if waits and waits != self._waits:
            self._session.tell(waits)
        self._waits = waits
