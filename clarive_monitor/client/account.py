"""Signing in: ``login``, ``logout``, ``whoami``, ``contexts``, ``use``."""

from __future__ import annotations

import contextlib
import sys
from typing import Any
from urllib.parse import urlsplit

import click

from clarive_monitor.client import config, output
from clarive_monitor.client.config import Context
from clarive_monitor.client.errors import BadUsage, Unreachable
from clarive_monitor.client.session import ClientCommand, Session, complete_contexts, with_session
from clarive_monitor.client.transport import Server

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@click.command(cls=ClientCommand)
@click.argument("address", metavar="URL")
@click.option(
    "--token-stdin", is_flag=True, help="Read the token from standard input instead of asking for it."
)
@with_session
def login(session: Session, address: str, token_stdin: bool) -> None:
    """Keep an API token for a server, after it was tried. --context NAME keeps several.

    Make a token on the page /account/ of the server, or with manage.py create_token.
    """
    url = config.plain_url(address)
    parts = urlsplit(url)
    if parts.username or parts.password or not parts.hostname:
        raise BadUsage("Write the address of the server alone, such as https://clarive.example.com.")
    if parts.scheme == "http" and parts.hostname not in _HERE:
        session.tell("Careful: without https:// anybody between here and there can read the token.")
    name = session.context or config.DEFAULT
    if not name.isprintable():
        raise BadUsage("The name of a context holds no line breaks or other such characters.")
    context = Context(url, config.usable_token(_token(token_stdin)), session.ca_file)
    with contextlib.closing(Server(context, tell=session.tell)) as server:
        me = _me(server)
    kept = config.load()
    kept.contexts[name], kept.current = context, name
    config.save(kept)
    if session.as_json:
        output.write_json(me)
    session.say(f"Signed in to {url} as {output.plain(me['username'])} (context {name}).")


def _token(from_stdin: bool) -> str:
    """Return what somebody gives as a token.

    Raises:
        BadUsage: There is nothing to read it from.
    """
    if sys.stdin is None:
        raise BadUsage("The token cannot be read: standard input is closed.")
    try:
        token: str = sys.stdin.readline() if from_stdin else click.prompt("Token", hide_input=True, err=True)
    except (OSError, UnicodeDecodeError):
        raise BadUsage("The token cannot be read from standard input.") from None
    return token.strip()


def _me(server: Server) -> dict[str, Any]:
    """Return who the token stands for.

    Raises:
        Unreachable: Something else than a Clarive server answers.
    """
    found = server.get("me/")
    if not isinstance(found, dict) or not {"username", "rights"} <= found.keys():
        raise Unreachable(f"{server.context.url} is not a Clarive server.", not_clarive=True)
    return found


@click.command(cls=ClientCommand)
@with_session
def logout(session: Session) -> None:
    """Forget a token; that of the current context unless --context names another."""
    kept = config.load()
    name = session.context or kept.current
    if kept.contexts.pop(name, None) is None:
        raise BadUsage(f"There is no context {name}.")
    if kept.current == name:
        kept.current = min(kept.contexts, default=config.DEFAULT)
    config.save(kept)
    session.say(f"Forgot the token of context {name}. At the server it lives on until it is revoked there.")


@click.command(cls=ClientCommand)
@with_session
def whoami(session: Session) -> None:
    """Say who you are at which server, and what you may do where."""
    me = _me(session.server)
    if session.as_json:
        output.write_json(me)
        return
    click.echo(f"{output.plain(me['username'])} at {session.server.context.url}")
    if session.quiet:
        return
    if me.get("is_superuser"):
        click.echo("administrator")
    if me["rights"]:
        rows = [[code, ", ".join(rights)] for code, rights in me["rights"].items()]
        output.write_table(("ENVIRONMENT", "RIGHTS"), rows)
    else:
        session.tell("You may see no environment.")


@click.command(cls=ClientCommand)
@with_session
def contexts(session: Session) -> None:
    """List the servers that you signed in to."""
    kept = config.load()
    if session.as_json:
        found = [
            {"name": name, "url": context.url, "current": name == kept.current}
            for name, context in sorted(kept.contexts.items())
        ]
        output.write_json(found)
        return
    rows = [
        ["*" if name == kept.current else "", name, context.url]
        for name, context in sorted(kept.contexts.items())
    ]
    output.write_table(("", "NAME", "URL"), rows)


@click.command(cls=ClientCommand)
@click.argument("name", shell_complete=complete_contexts)
@with_session
def use(session: Session, name: str) -> None:
    """Make a context the current one."""
    kept = config.load()
    if name not in kept.contexts:
        raise BadUsage(
            f"There is no context {name}; there are: {', '.join(sorted(kept.contexts)) or 'none'}."
        )
    kept.current = name
    config.save(kept)
    session.say(f"The current context is {name}: {kept.contexts[name].url}.")
