"""``clarive jobs``: the group, and reading: list, show, actions, audit, log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import click

from clarive_monitor.client import output, values
from clarive_monitor.client.exits import STATUSES
from clarive_monitor.client.finding import (
    complete_environments,
    complete_jobs,
    complete_natures,
    complete_projects,
    complete_rules,
    find_job,
    number_of,
)
from clarive_monitor.client.following import Follower
from clarive_monitor.client.session import ClientGroup, Session, with_session

STEPS: Final = ("CHECK", "INIT", "PRE", "RUN", "POST", "END")
TYPES: Final = ("promote", "static", "demote")
LEVELS: Final = ("debug", "info", "warning", "error", "comment")
DATES: Final = ("created", "scheduled", "started", "finished")
COLUMNS: Final = ("ID", "NAME", "STATUS", "STEP", "PROGRESS", "PROJECT", "REFS", "RULE", "USER", "CREATED")

Decorated = Callable[..., Any]


@click.group("jobs", cls=ClientGroup)
def jobs() -> None:
    """Jobs: see them, make them, follow them, decide about them."""


job_argument: Final = click.argument("job", metavar="JOB", shell_complete=complete_jobs)


def _filters(function: Decorated) -> Decorated:
    """Add an option for each filter that the API has."""
    for name in reversed(DATES):
        for side in ("before", "after"):
            function = click.option(
                f"--{name}-{side}", type=values.MOMENT, help=f"{name.title()} {side} then."
            )(function)
    many: Any = {"multiple": True}
    for option in (
        click.option("--search", "q", metavar="TEXT", help="In name, comment, number, ref or commit."),
        click.option("--step", type=click.Choice(STEPS, case_sensitive=False), **many, help="Repeatable."),
        click.option("--user", "created_by", metavar="USER", **many, help="Who created it. Repeatable."),
        click.option("--type", type=click.Choice(TYPES), **many, help="Repeatable."),
        click.option("--rule", "-r", shell_complete=complete_rules, **many, help="Repeatable."),
        click.option("--nature", shell_complete=complete_natures, **many, help="Repeatable."),
        click.option("--project", "-p", shell_complete=complete_projects, **many, help="Repeatable."),
        click.option("--environment", "-e", shell_complete=complete_environments, **many, help="Repeatable."),
        click.option("--status", "-s", type=click.Choice(STATUSES), **many, help="Repeatable."),
    ):
        function = option(function)
    return function


@jobs.command("list")
@_filters
@click.option("--ordering", help="-id (the newest first), or a date such as -scheduled_at or finished_at.")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=50, show_default=True, help="How many at most."
)
@click.option("--all", "everything", is_flag=True, help="All of them, however many pages that takes.")
@with_session
def list_jobs(session: Session, limit: int, everything: bool, **filters: Any) -> None:
    """List jobs, the newest first."""
    asked = {name: value for name, value in filters.items() if value}
    found = session.server.pages("jobs/", asked, None if everything else limit)
    if session.as_json:
        output.write_json_list(found)
    elif session.quiet:
        for job in found:
            click.echo(job["id"])
    elif rows := [_row(job) for job in found]:
        output.write_table(COLUMNS, rows, colours=output.COLOURS)
    else:
        session.tell("There are no such jobs.")


def _row(job: Mapping[str, Any]) -> list[str]:
    return [
        str(job["id"]), job["name"], job["status"], job["step"], f"{job['progress']['percent']}%", job["project"] or "",
        " ".join(revision["ref"] for revision in job["revisions"]), job["rule"], job["created_by"],
        output.moment(job["created_at"]),
    ]  # fmt: skip


@jobs.command("show")
@job_argument
@with_session
def show(session: Session, job: str) -> None:
    """Show one job, by its number or name."""
    found = find_job(session.server, job)
    if session.as_json:
        output.write_json(found)
    else:
        write_job(found)


def write_job(job: Mapping[str, Any]) -> None:
    """Write all there is to know of a job for people."""
    progress = job["progress"]
    done = f"{output.bar(progress['percent'])}  {progress['operations_done']} of {progress['operations_expected']}"
    if eta := progress.get("eta"):
        done += f", {output.duration(eta['p50'])} to {output.duration(eta['p90'])} of work left"
    refs = [f"{output.plain(each['ref'])} {each['sha'][:12]}" for each in job["revisions"]]
    texts = {
        "Job": f"{job['name']} (number {job['id']})",
        "Status": f"{job['status']} in {job['step']}"
        + (f", attempt {job['attempt']}" if job["attempt"] > 1 else ""),
        "Progress": done,
        "Environment": job["environment"],
        "Project": job["project"] or "",
        "Contents": "\n".join(refs),
        "Natures": ", ".join(job["natures"]),
        "Rule": f"{job['rule']} version {job['rule_version']}",
        "Type": job["type"] + (", urgent" if job["urgent"] else ""),
        "Created": f"{output.moment(job['created_at'])} by {job['created_by']}",
        "Planned": f"{output.moment(job['scheduled_at'])}, no later than {output.moment(job['max_start_at'])}",
        "Started": output.moment(job["started_at"]),
        "Finished": output.moment(job["finished_at"]),
        "Rollback": job["rollback"] if job["rollback"] != "none" else "",
        "Comment": job["comment"],
        "Variables": "\n".join(f"{name} = {value!r}" for name, value in job["variables"].items()),
        "Waits for": "\n".join(waiting_for(job)),
        "Possible": ", ".join(job["actions"]),
    }
    fields = [(name, "\n".join(map(output.plain, text.splitlines()))) for name, text in texts.items()]
    output.write_fields(
        (name, text.replace(job["status"], output.status(job["status"]), 1) if name == "Status" else text)
        for name, text in fields
    )


def waiting_for(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a job waits, a sentence each."""
    for blocker in job.get("blockers") or ():
        who = f" ({', '.join(blocker['who'])})" if blocker["who"] else ""
        until = f" until {output.moment(blocker['until'])}" if blocker["until"] else ""
        yield f"{blocker['kind']}: {blocker['detail']}{who}{until}"
    if trap := job.get("trap"):
        yield f"the error was: {trap['error']}"


@jobs.command("actions")
@job_argument
@with_session
def show_actions(session: Session, job: str) -> None:
    """Say what you may do with a job now."""
    found = find_job(session.server, job)["actions"]
    if session.as_json:
        output.write_json(found)
    else:
        for name in found:
            click.echo(name.replace("_", "-"))


@jobs.command("audit")
@job_argument
@with_session
def audit(session: Session, job: str) -> None:
    """Say who decided what about a job."""
    records = session.server.pages(f"jobs/{number_of(session.server, job)}/audit/", {}, None)
    if session.as_json:
        output.write_json_list(records)
        return
    rows = [
        [output.moment(each["at"]), each["user"] or "", each["action"], each["from_status"] or "",
         each["to_status"] or "", each["source"], each["address"] or "", each["comment"]]
        for each in records
    ]  # fmt: skip
    output.write_table(("AT", "USER", "ACTION", "FROM", "TO", "BY", "ADDRESS", "COMMENT"), rows)


@jobs.command("log")
@job_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends.")
@click.option("--attempt", type=click.IntRange(1), help="Instead of the current one.")
@click.option("--step", type=click.Choice(STEPS, case_sensitive=False))
@click.option("--operation", metavar="ID", help="Of one operation alone.")
@click.option("--level", type=click.Choice(LEVELS), multiple=True, help="Repeatable.")
@click.option("--search", "q", metavar="TEXT", help="Only lines with this text.")
@click.option("--times", "-t", is_flag=True, help="Begin each line with its time.")
@with_session
def log(session: Session, job: str, follow: bool, times: bool, **filters: Any) -> None:
    """Write the log of a job."""
    asked = {name: value for name, value in filters.items() if value}
    if follow and "attempt" in asked:
        raise click.UsageError("Only the current attempt goes on: leave out --follow or --attempt.")
    number = number_of(session.server, job)
    if follow:
        follower = Follower(session.server, number, asked, tell=session.tell)
        entries: Iterable[Any] = (data for kind, data in follower.news() if kind == "log")
    else:
        entries = _log(session, number, asked)
    if session.as_json and not follow:
        output.write_json_list(entries)
        return
    for entry in entries:
        if session.as_json:
            output.write_json_line(entry)
        else:
            click.echo(output.log_line(entry, times=times))


def _log(session: Session, number: int, asked: Mapping[str, Any]) -> Iterator[Any]:
    return session.server.pages(f"jobs/{number}/log/", asked, None, size=5000)
