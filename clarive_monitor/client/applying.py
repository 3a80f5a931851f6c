"""``clarive apply``: configuration from documents, as ``manage.py apply`` does on the server itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from clarive_monitor.client import output
from clarive_monitor.client.errors import BadUsage, Refused
from clarive_monitor.client.exits import Exit
from clarive_monitor.client.files import STANDARD_INPUT, read_text
from clarive_monitor.client.session import ClientCommand, Session, end, with_session

_FILES_MISSING: Final = "files_missing"


@click.command(cls=ClientCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Say what would change and change nothing.")
@click.option("--prune", is_flag=True, help="Also remove what the kinds in the documents do not name.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before --prune removes anything.")
@with_session
def apply(session: Session, files: tuple[str, ...], dry_run: bool, prune: bool, yes: bool) -> None:
    """Make the server's configuration what YAML documents say, all of it or nothing. For administrators.

    Rules that a document names by {file} are read here and sent along.
    """
    documents = [{"name": _label(name), "text": read_text(name), "files": {}} for name in files]
    body = {"documents": documents, "dry_run": dry_run, "prune": prune}
    if prune and not dry_run and not yes:
        _ask_to_prune(session, body, files)
    found = _sent(session, body, files)
    if session.as_json:
        output.write_json(found)
        return
    for line in found["changes"] or ["nothing to change"]:
        click.echo(output.plain(line))
    for note in found["notes"]:
        click.echo(f"note: {output.plain(note)}")
    if dry_run and found["changes"]:
        session.tell("This was a dry run: nothing was changed.")


def _label(name: str) -> str:
    return "<stdin>" if name == STANDARD_INPUT else name


def _sent(session: Session, body: dict[str, Any], files: tuple[str, ...]) -> dict[str, Any]:
    """Send the documents; once more with the files that they name, which only the server can tell for sure."""
    try:
        return session.server.post("apply/", body)  # type: ignore[no-any-return]
    except Refused as error:
        if error.code != _FILES_MISSING:
            raise
        missing = error.problem.get("files") or ()
    for each in missing:
        _add(each, body["documents"], files)
    return session.server.post("apply/", body)  # type: ignore[no-any-return]


def _add(missing: Mapping[str, Any], documents: list[dict[str, Any]], files: tuple[str, ...]) -> None:
    """Read a file that a document names and put it to the document.

    Raises:
        BadUsage: It cannot be read; or the document does not name it, so a server has no business with it.
    """
    place, name = int(missing["document"]), str(missing["file"])
    document = documents[place]
    if name not in document["text"]:
        raise BadUsage(f"The server asks for {name}, which {document['name']} does not name.")
    folder = Path() if files[place] == STANDARD_INPUT else Path(files[place]).parent
    document["files"][name] = read_text(str(folder / name))


def _ask_to_prune(session: Session, body: dict[str, Any], files: tuple[str, ...]) -> None:
    """Say what would change, and go on only after a yes."""
    if not sys.stdin.isatty():
        raise BadUsage("Nobody is there to be asked. Say --yes to --prune.")
    for line in _sent(session, {**body, "dry_run": True}, files)["changes"]:
        click.echo(output.plain(line), err=True)
    if not click.confirm("Do this?", err=True):
        end(Exit.USAGE)
