"""The command ``clarive``: all commands together, and how it ends."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import get_completion_class

from clarive_monitor.client import account, applying, creating, deciding, jobs, rules, waiting
from clarive_monitor.client.errors import ClientError
from clarive_monitor.client.exits import MEANINGS, Exit
from clarive_monitor.client.session import ClientGroup, session_of, shared_options

_ADD_COMMANDS = (creating, deciding, waiting)
"""They add their commands to the group of jobs when they are imported."""

PROGRAM = "clarive"
COMPLETING = "_CLARIVE_COMPLETE"
"""The variable with which a shell asks for completions."""

_DISTRIBUTION = "clarive-monitor"
_HELP = ("--help", "-h")
_OUTPUT_CLOSED = 141
"""As a process ends that writes to a pipe which nobody reads any more."""


class Root(ClientGroup):
    """The outermost group."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whoever stopped reading what it writes has seen enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _write_no_more()
            raise click.exceptions.Exit(_OUTPUT_CLOSED) from None


def _write_version(context: click.Context, parameter: click.Parameter, is_asked: bool) -> None:
    """Write the version of what is installed, and end; a checkout has the one that it would be installed as."""
    if is_asked and not context.resilient_parsing:
        click.echo(f"{PROGRAM} {_version()}")
        context.exit()


def _version() -> str:
    try:
        return importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        found = tomllib.loads(project.read_text(encoding="utf-8")) if project.is_file() else {}
        return str(found.get("project", {}).get("version", "of an unknown version"))


_VERSION = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_write_version,
    help="Write the version and end.",
)


@click.group(
    cls=Root, params=[*shared_options(), _VERSION], context_settings={"help_option_names": list(_HELP)}
)
def cli() -> None:
    """Clarive Monitor on the command line.

    Begin with: clarive login URL. How it ends: clarive help exit-codes.
    """


@click.command()
@click.argument("topic", nargs=-1)
@click.pass_context
def help(context: click.Context, topic: tuple[str, ...]) -> None:
    """Explain a command, or exit-codes."""
    if topic == ("exit-codes",):
        for code in Exit:
            click.echo(f"{int(code):4}  {MEANINGS[code]}")
        return
    found: click.Command = cli
    parent = click.Context(cli, info_name=PROGRAM, help_option_names=list(_HELP))
    for name in topic:
        inner = found.get_command(parent, name) if isinstance(found, click.Group) else None
        if inner is None:
            raise click.UsageError(f"There is no command {' '.join(topic)}.")
        found = inner
        parent = click.Context(found, info_name=name, parent=parent)
    click.echo(found.get_help(parent))


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Write the script that completes commands, jobs, environments and rules in your shell.

    bash: clarive completion bash > ~/.local/share/bash-completion/completions/clarive
    """
    found = get_completion_class(shell)
    assert found is not None  # one of the choices
    click.echo(
        found(cli, {}, PROGRAM, COMPLETING).source_template
        % found(cli, {}, PROGRAM, COMPLETING).source_vars()
    )


_COMMANDS = (
    *(account.login, account.logout, account.whoami, account.contexts, account.use),
    *(jobs.jobs, rules.rules, applying.apply, completion, help),
)
for _command in _COMMANDS:
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the client and end the process with an exit code of ``Exit``."""
    if COMPLETING in os.environ:
        cli.main(prog_name=PROGRAM, complete_var=COMPLETING)
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    if sys.stdout is None:
        # The next file or connection would take its number, and be written to.
        click.echo("Error: Standard output is closed.", err=True)
        return Exit.USAGE
    context: click.Context | None = None
    try:
        with cli.make_context(PROGRAM, arguments, color=_colour()) as context:
            cli.invoke(context)
            return Exit.OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except ClientError as error:
        assert context is not None
        session_of(context).fail(error)
        return error.exit
    except (click.Abort, KeyboardInterrupt, EOFError):
        click.echo("Interrupted.", err=True)
        return Exit.INTERRUPTED
    except OSError as error:
        # Files that are read say so themselves: this one is written.
        _write_no_more()
        click.echo(f"Error: The output cannot be written: {error.strerror or error}.", err=True)
        return Exit.USAGE
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # Such as a list without its rows; what it says may be anything, so its kind has to do.
        click.echo(
            f"Error: The answer cannot be understood ({type(error).__name__}): this is no Clarive server, or one of"
            " another version.",
            err=True,
        )
        return Exit.UNREACHABLE


def _write_no_more() -> None:
    """Let nothing be written to standard output any more, not even at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _colour() -> bool | None:
    """Return whether click leaves colours in: as it finds itself, unless they are not wanted."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None
