"""``clarive rules``: see, check and publish what jobs execute."""

from __future__ import annotations

import re
from typing import Final

import click

from clarive_monitor.client import output
from clarive_monitor.client.errors import Refused
from clarive_monitor.client.exits import Exit
from clarive_monitor.client.files import read_text
from clarive_monitor.client.finding import complete_rules
from clarive_monitor.client.session import ClientGroup, Session, end, with_session

_NAME: Final = re.compile(r"""^name:[ \t]*(["']?)([A-Za-z0-9_-]+)\1[ \t]*(?:#.*)?$""", re.MULTILINE)
_file: Final = click.argument("file", type=click.Path(allow_dash=True))


@click.group("rules", cls=ClientGroup)
def rules() -> None:
    """Rules: see them, check them, publish them."""


@rules.command("list")
@with_session
def list_rules(session: Session) -> None:
    """List the rules."""
    found = session.server.pages("rules/", {}, None)
    if session.as_json:
        output.write_json_list(found)
    elif session.quiet:
        for rule in found:
            click.echo(rule["slug"])
    else:
        rows = [[rule["slug"], str(rule["version"]), rule["description"]] for rule in found]
        output.write_table(("RULE", "VERSION", "DESCRIPTION"), rows)


@rules.command("show")
@click.argument("rule", shell_complete=complete_rules)
@click.option("--version", "number", type=click.IntRange(1), help="Instead of the newest one.")
@with_session
def show(session: Session, rule: str, number: int | None) -> None:
    """Write the source of a rule."""
    try:
        if number is None:
            found = session.server.get(f"rules/{_slug(rule)}/")
        else:
            versions = session.server.pages(f"rules/{_slug(rule)}/versions/", {}, None)
            found = next((each for each in versions if each["version"] == number), None)
    except Refused as error:
        if error.status == 404:
            raise _missing(f"There is no rule {rule}.") from None
        raise
    if found is None:
        raise _missing(f"The rule {rule} has no version {number}.")
    if session.as_json:
        output.write_json(found)
    else:
        click.echo(found["source"], nl=not found["source"].endswith("\n"))


@rules.command("validate")
@_file
@with_session
def validate(session: Session, file: str) -> None:
    """Check a rule without saving it; mistakes are named as file:line:column, and the exit code is 2."""
    found = session.server.post("rules/validate/", {"source": read_text(file)})
    if session.as_json:
        output.write_json(found)
    elif found["valid"]:
        session.say(f"{file} is a valid rule with {found['operations']} operations.")
    else:
        for error in found["errors"]:
            hint = f" {error['hint']}" if error["hint"] else ""
            click.echo(output.plain(f"{file}:{error['line']}:{error['column']}: {error['message']}{hint}"))
    if not found["valid"]:
        end(Exit.USAGE)


@rules.command("push")
@_file
@click.option("--comment", "-m", default="", help="What is new in this version.")
@with_session
def push(session: Session, file: str, comment: str) -> None:
    """Publish a rule: its first version, or the next one when it is there and the source is another."""
    source = read_text(file)
    try:
        made = session.server.post("rules/", {"source": source})
    except Refused as error:
        name = _NAME.search(source)
        if error.code != "rule_exists" or name is None:
            raise
        made = session.server.post(f"rules/{name[2]}/versions/", {"source": source, "comment": comment})
        slug = name[2]
    else:
        slug = made["slug"]
    if session.as_json:
        output.write_json(made)
    session.say(f"The rule {slug} is at version {made['version']}.")


def _slug(text: str) -> str:
    """Return ``text`` as a part of an address.

    Raises:
        Refused: As the server would, of what cannot be a slug.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", text):
        raise _missing(f"There is no rule {text}.")
    return text


def _missing(what: str) -> Refused:
    return Refused(404, {"detail": what, "code": "not_found"})
