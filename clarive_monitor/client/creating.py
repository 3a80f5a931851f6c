"""``clarive jobs create``."""

from __future__ import annotations

from typing import Any

import click

from clarive_monitor.client import output, values
from clarive_monitor.client.exits import exit_of, has_ended
from clarive_monitor.client.finding import complete_environments, complete_projects, complete_rules
from clarive_monitor.client.following import Waiter
from clarive_monitor.client.jobs import TYPES, jobs
from clarive_monitor.client.session import Session, end, with_session
from clarive_monitor.client.waiting import deadline_of, watch_job, write_end


@jobs.command("create")
@click.option("--rule", "-r", required=True, shell_complete=complete_rules, help="What the job executes.")
@click.option("--environment", "-e", required=True, shell_complete=complete_environments, help="Where to.")
@click.option("--project", "-p", shell_complete=complete_projects, help="What is deployed.")
@click.option("--ref", "refs", multiple=True, metavar="REF", help="Tag, branch or commit. Repeatable.")
@click.option("--type", "kind", type=click.Choice(TYPES), default="promote", show_default=True)
@click.option("--var", "variables", multiple=True, type=values.VARIABLE, metavar="NAME=TEXT",
              help="A variable; NAME:=JSON for other values than texts. Repeatable.")  # fmt: skip
@click.option("--at", "scheduled_at", type=values.MOMENT, help="When RUN may begin: 2026-03-01T22:00, +2h.")
@click.option("--max-start", "max_start_at", type=values.MOMENT, help="Past it the job expires.")
@click.option("--urgent", is_flag=True, help="It expires sooner.")
@click.option("--comment", "-m", default="", help="Why.")
@click.option("--wait", "waits", is_flag=True, help="Wait for its end; the exit code says how it ended.")
@click.option("--watch", "watches", is_flag=True, help="The same, and write its log.")
@click.option(
    "--timeout", type=values.SPAN, metavar="DURATION", help="Wait at most so long; exit code 7 then."
)
@click.option("--idempotency-key", "key", default="", metavar="KEY",
              help="The same key and job again create nothing and answer with the first job, for a day.")  # fmt: skip
@with_session
def create(
    session: Session,
    waits: bool,
    watches: bool,
    timeout: float | None,
    key: str,
    **asked: Any,
) -> None:
    """Create a job. What is sent again after a lost connection creates it once."""
    if timeout is not None and not (waits or watches):
        raise click.UsageError("--timeout goes with --wait or --watch.")
    made = session.server.post("jobs/", _body(**asked), key=key)
    if watches:
        if session.as_json:
            output.write_json_line({"event": "job", "data": made})
        else:
            _write_made(session, made)
        end(watch_job(session, made["id"], timeout=timeout))
    if not waits or has_ended(made):
        if session.as_json:
            output.write_json(made)
        else:
            _write_made(session, made)
    else:
        if not session.as_json:
            _write_made(session, made)
        made = Waiter(session.server, made["id"], deadline=deadline_of(timeout)).wait()
        write_end(session, made)
    # An INIT that fails ends the job before anybody can wait for it.
    if has_ended(made):
        end(exit_of(made))


def _body(
    *, kind: str, refs: tuple[str, ...], variables: tuple[tuple[str, Any], ...], **given: Any
) -> dict[str, Any]:
    body = {name: value for name, value in given.items() if value}
    body["type"] = kind
    if refs:
        body["revisions"] = [{"ref": ref} for ref in refs]
    if variables:
        body["variables"] = dict(variables)
    return body


def _write_made(session: Session, job: dict[str, Any]) -> None:
    if session.quiet:
        click.echo(job["id"])
        return
    click.echo(
        f"Created {job['name']} (number {job['id']}): {output.status(job['status'])} in {job['step']}."
    )
