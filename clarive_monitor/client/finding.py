"""Finding the job that somebody means, and completing what they type from the server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from clarive_monitor.client import config
from clarive_monitor.client.errors import NotFound
from clarive_monitor.client.session import Session, session_of
from clarive_monitor.client.transport import Server

COMPLETION_SECONDS: Final = 1.5
"""Somebody who presses Tab waits no longer."""

_MOST: Final = 50
_LARGEST: Final = 2**63 - 1


def find_job(server: Server, named: str) -> dict[str, Any]:
    """Return the job with this number or name.

    Raises:
        NotFound: There is none that the asker may see.
        Refused: The server says so.
    """
    if named.isascii() and named.isdecimal() and int(named) <= _LARGEST:
        found: dict[str, Any] = server.get(f"jobs/{int(named)}/")
        return found
    return server.get(f"jobs/{number_of(server, named)}/")  # type: ignore[no-any-return]


def number_of(server: Server, named: str) -> int:
    """Return the number of the job with this number or name; of a number nobody asks whether there is such a job.

    Raises:
        NotFound: No job has the name.
    """
    if named.isascii() and named.isdecimal() and int(named) <= _LARGEST:
        return int(named)
    for job in server.pages("jobs/", {"q": named[:200]}, limit=_MOST, size=_MOST):
        if job["name"] == named:
            return int(job["id"])
    raise NotFound(f"There is no job {named}.")


Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completing(look_up: Callable[[Server, str], Iterator[CompletionItem]]) -> Complete:
    """Return a completion that asks the server once, briefly, and knows nothing when that fails."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        found: list[CompletionItem] = []
        # Somebody is typing: whatever is wrong, an error in the middle of the line helps nobody.
        with contextlib.suppress(Exception):
            session = _typed_session(context)
            server = Server(
                config.chosen(session.context, session.url, session.ca_file),
                attempts=1,
                timeout=COMPLETION_SECONDS,
            )
            with contextlib.closing(server):
                found = [item for item in look_up(server, typed) if item.value.startswith(typed)]
        return found

    return complete


def _typed_session(context: click.Context) -> Session:
    """Return the session with the options typed so far, which are not remembered while completing."""
    session = session_of(context)
    layer: click.Context | None = context
    while layer is not None:
        for name in ("context", "url", "ca_file"):
            if value := layer.params.get(name):
                setattr(session, name, value)
        layer = layer.parent
    return session


def _jobs(server: Server, typed: str) -> Iterator[CompletionItem]:
    parameters = {"q": typed} if typed else {}
    for job in server.pages("jobs/", parameters, limit=_MOST, size=_MOST):
        words = f"{job['name']} {job['status']} {job['environment']} {job['project'] or ''}".strip()
        yield CompletionItem(str(job["id"]), help=words)
        if typed and not typed.isdecimal():
            yield CompletionItem(job["name"], help=f"{job['status']} {job['project'] or ''}".strip())


def _codes(path: str, key: str) -> Complete:
    def look_up(server: Server, typed: str) -> Iterator[CompletionItem]:
        for row in server.pages(path, {}, limit=200):
            yield CompletionItem(str(row[key]), help=str(row.get("description") or row.get("name") or ""))

    return _completing(look_up)


complete_jobs: Final = _completing(_jobs)
complete_environments: Final = _codes("environments/", "code")
complete_projects: Final = _codes("projects/", "code")
complete_natures: Final = _codes("natures/", "code")
complete_rules: Final = _codes("rules/", "slug")
