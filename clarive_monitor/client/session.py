"""What every command shares: its options, the server, and how it ends."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

from clarive_monitor.client import config, output
from clarive_monitor.client.errors import ClientError
from clarive_monitor.client.transport import Server

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Session:
    """One run of the client.

    Attributes:
        as_json: Whether programs read what is written.
        quiet: Whether only what was asked for is written.
        context: Name of the context; empty for the current one.
        url: Of the server, when it is given.
        ca_file: Certificates to trust, when given.
    """

    as_json: bool = False
    quiet: bool = False
    context: str = ""
    url: str = ""
    ca_file: str = ""
    _server: Server | None = None

    @property
    def server(self) -> Server:
        """The server that is asked."""
        if self._server is None:
            chosen = config.chosen(self.context, self.url, self.ca_file)
            self._server = Server(chosen, tell=self.tell)
        return self._server

    def tell(self, text: str) -> None:
        """Write a sentence for whoever waits, to standard error."""
        if not self.quiet:
            click.echo(text, err=True)

    def say(self, text: str) -> None:
        """Write a sentence about what was done, to standard output, unless programs read that."""
        if not self.quiet and not self.as_json:
            click.echo(text)

    def fail(self, error: ClientError) -> None:
        """Write what went wrong to standard error, as the API says it with ``--json``."""
        if self.as_json:
            click.echo(json.dumps(dict(error.problem), ensure_ascii=False), err=True)
        else:
            # A line of a server may hold anything, and newlines part its sentences.
            text = "\n".join(output.plain(line) for line in str(error).splitlines())
            click.echo(f"Error: {text}", err=True)

    def close(self) -> None:
        """Close connections."""
        if self._server is not None:
            self._server.close()


def session_of(context: click.Context) -> Session:
    """Return the session of this run, made at first use."""
    root = context.find_root()
    if not isinstance(root.obj, Session):
        root.obj = Session()
        root.call_on_close(root.obj.close)
    return root.obj


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Keep an option that may stand before or after the name of a command."""
    if value and not context.resilient_parsing:
        setattr(session_of(context), str(parameter.name), value)
    return value


def shared_options(*, hidden: bool = False) -> list[click.Option]:
    """Return the options of every command; ``hidden`` leaves those that choose the server out of its help."""

    def option(*names: str, help: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember, help=help, **settings)

    return [
        option("--json", "as_json", is_flag=True, help="Write JSON exactly as the API has it."),
        option("--quiet", "-q", "quiet", is_flag=True, help="Write only what was asked for."),
        option("--context", "context", metavar="NAME", hidden=hidden,
               help="A server that you signed in to by this name.", shell_complete=complete_contexts),
        option("--url", "url", metavar="URL", hidden=hidden, help="The server, instead of that of the context."),
        option("--ca-file", "ca_file", metavar="FILE", hidden=hidden,
               help="Certificates to trust, instead of the system's."),
    ]  # fmt: skip


def complete_contexts(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the names of the contexts."""
    try:
        known = config.load().contexts
    except ClientError:
        return []
    return [CompletionItem(name) for name in sorted(known) if name.startswith(typed)]


def end(code: int) -> NoReturn:
    """End the command with an exit code."""
    raise click.exceptions.Exit(int(code))


class ClientCommand(click.Command):
    """A command with the options that every command has."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Add them after its own."""
        super().__init__(*arguments, **options)
        names = {parameter.name for parameter in self.params}
        self.params += [option for option in shared_options(hidden=True) if option.name not in names]


class ClientGroup(click.Group):
    """A group of such commands, listed in the order in which they were added."""

    command_class = ClientCommand
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)


def with_session(function: Function) -> Function:
    """Return a command's function, which is given the session first."""

    @functools.wraps(function)
    @click.pass_context
    def given(context: click.Context, /, *arguments: Any, **values: Any) -> Any:
        return function(session_of(context), *arguments, **values)

    return given  # type: ignore[return-value]
