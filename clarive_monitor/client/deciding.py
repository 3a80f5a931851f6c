"""What people decide about jobs: rerun, cancel, approve, answer a trap and the like, for one job or several."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from clarive_monitor.client import output, values
from clarive_monitor.client.errors import BadUsage, ClientError
from clarive_monitor.client.exits import Exit
from clarive_monitor.client.finding import complete_jobs, find_job, number_of
from clarive_monitor.client.jobs import LEVELS, jobs
from clarive_monitor.client.session import Session, end, with_session


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to do to a job.

    Attributes:
        name: Of the command.
        done: Said of each job it was done to.
        address: Last part of the address; empty for the job itself, which is deleted.
        fixed: What the body always says.
        effect: What will happen, said before a dangerous one is done; empty for what asks no question.
    """

    name: str
    done: str
    address: str
    fixed: Mapping[str, str]
    effect: str = ""


DECISIONS: Final = {
    each.name: each
    for each in (
        Decision("rerun", "put back to {step}", "rerun", {},
                 "The step runs again and all that follow it, as a new attempt."),
        Decision("reschedule", "planned for {scheduled_at}", "reschedule", {}),
        Decision("run-now", "planned for now", "run_now", {}, "RUN begins as soon as PRE is over and a worker is free."),
        Decision("cancel", "cancelled", "cancel", {},
                 "The job stops where it is and its processes on the worker are ended. What they started on other"
                 " machines is NOT stopped, nothing is rolled back, and POST does not run."),
        Decision("approve", "approved", "approve", {}),
        Decision("reject", "rejected", "reject", {}),
        Decision("retry", "the operation is tried again", "trap", {"action": "retry"}),
        Decision("skip", "the operation is skipped", "trap", {"action": "skip"},
                 "The job goes on after the failed operation as if it had been done."),
        Decision("abort", "the step fails", "trap", {"action": "abort"},
                 "The step fails: what has a rollback is rolled back, POST runs, and the job ends in error."),
        Decision("pause", "the trap's clock stands", "trap", {"action": "pause"}),
        Decision("resume", "the trap's clock runs again", "trap", {"action": "resume"}),
        Decision("rollback", "rolling back", "rollback", {},
                 "The rollback of every operation that completed runs, the last one first, as a new attempt."),
        Decision("comment", "commented", "comment", {}),
        Decision("hold", "kept from retention policies", "hold", {}),
        Decision("release", "left to retention policies again", "release", {}),
        Decision("delete", "deleted", "", {}, "The job goes for good, with its log and its results."),
    )
}  # fmt: skip

TRAP_ANSWERS: Final = tuple(name for name, each in DECISIONS.items() if each.address == "trap")

_many: Final = click.argument(
    "named", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_jobs
)
_comment: Final = click.option("--comment", "-m", default="", help="Why.")
_yes: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask.")

Decorated = Callable[..., Any]


def _plain_command(name: str, words: str, *options: Decorated) -> None:
    """Add a command whose options are the body, those that are not given left out."""

    @with_session
    def command(session: Session, named: tuple[str, ...], yes: bool = False, **body: Any) -> None:
        given = {key: value for key, value in body.items() if value}
        decide(session, DECISIONS[name], named, given, is_sure=yes)

    command.__doc__ = words
    function: Decorated = command
    for option in reversed(options):
        function = option(function)
    jobs.command(name)(_many(function))


_plain_command(
    "rerun", "Run a step again, and all that follow it.",
    click.option("--step", type=click.Choice(("PRE", "RUN", "POST"), case_sensitive=False), required=True),
    click.option("--run-now", is_flag=True, help="RUN begins at once instead of at its planned time."),
    click.option("--outcome", type=click.Choice(("finished", "error")), help="For POST: what it starts from."),
    click.option("--from-operation", metavar="ID", help="Keep the results of the step's operations before this one."),
    _comment, _yes,
)  # fmt: skip
_plain_command(
    "reschedule", "Plan a job for another time.",
    click.option("--at", "scheduled_at", type=values.MOMENT, required=True, help="2026-03-01T22:00, +2h."),
    click.option("--max-start", "max_start_at", type=values.MOMENT, help="Past it the job expires."),
    _comment,
)  # fmt: skip
_plain_command("run-now", "Let RUN begin now instead of at its planned time.", _yes)
_plain_command("cancel", "Stop a job where it is.", _comment, _yes)
_plain_command("approve", "Sign what a job waits for.", _comment)
_plain_command(
    "reject", "Refuse to sign; the job stops for good.",
    click.option("--comment", "-m", required=True, help="Why; a rejection needs it."),
)  # fmt: skip
_plain_command("retry", "Answer a trap: try the failed operation again.", _comment)
_plain_command("skip", "Answer a trap: go on after the failed operation.", _comment, _yes)
_plain_command("abort", "Answer a trap: let the step fail.", _comment, _yes)
_plain_command("pause", "Stop the clock of a trap.", _comment)
_plain_command("resume", "Let the clock of a trap run again.", _comment)
_plain_command(
    "rollback", "Undo what a job did.",
    click.option("--force", is_flag=True, help="Although later jobs of the project ended here; needs a comment."),
    _comment, _yes,
)  # fmt: skip
_plain_command(
    "comment", "Write a line into a job's log.",
    click.option("--text", "-m", required=True, help="The line."),
    click.option("--level", type=click.Choice(LEVELS), default="comment", show_default=True),
)  # fmt: skip
_plain_command("hold", "Keep a job from retention policies until somebody releases it.", _comment)
_plain_command("release", "Leave a job on hold to retention policies again.", _comment)
_plain_command("delete", "Take a job out of the monitor, with its log.", _yes)


@jobs.command("trap")
@click.argument("answer", metavar="ANSWER", type=click.Choice(TRAP_ANSWERS))
@_many
@_comment
@_yes
@with_session
def trap(session: Session, answer: str, named: tuple[str, ...], comment: str, yes: bool) -> None:
    """Answer a trap: retry, skip, abort, pause or resume; each is a command of its own, too."""
    given = {"comment": comment} if comment else {}
    decide(session, DECISIONS[answer], named, given, is_sure=yes)


def decide(
    session: Session, decision: Decision, named: Sequence[str], given: Mapping[str, Any], *, is_sure: bool
) -> None:
    """Do something to each job; one that refuses keeps no other from it.

    Raises:
        BadUsage: A question would have to be asked, and nobody is there to answer.
        Exit: Some job refused; with the exit code of the first that did.
    """
    server = session.server
    body = {**given, **decision.fixed}
    chosen: list[tuple[int, str, dict[str, Any] | None]]
    if decision.effect and not is_sure:
        seen = [find_job(server, name) for name in named]
        _ask(decision, seen)
        chosen = [(job["id"], job["name"], job) for job in seen]
    else:
        chosen = [(number_of(server, name), name, None) for name in named]
    answers, failures = [], []
    for number, name, job in chosen:
        try:
            answers.append(_done(session, decision, number, name, job, body))
        except ClientError as error:
            if len(chosen) == 1:
                raise
            session.tell(f"{output.plain(name)}:")
            session.fail(error)
            failures.append(error.exit)
    if session.as_json and decision.address:
        output.write_json(answers[0] if len(named) == 1 else answers)
    if failures:
        end(failures[0])


def _done(
    session: Session,
    decision: Decision,
    number: int,
    name: str,
    seen: Mapping[str, Any] | None,
    body: Mapping[str, Any],
) -> Any:
    """Do it to one job and return the job as it is then."""
    if not decision.address:
        session.server.delete(f"jobs/{number}/")
        session.say(f"{output.plain(name)}: {decision.done}.")
        return None
    asked = dict(body)
    if seen is not None:
        # Who was asked about a job as it was then decided about that and nothing else.
        asked["seen"] = {"attempt": seen["attempt"], "status": seen["status"]}
    job = session.server.post(f"jobs/{number}/{decision.address}/", asked)
    what = decision.done.format(step=job["step"], scheduled_at=output.moment(job["scheduled_at"]))
    session.say(f"{job['name']}: {what}; it is {output.status(job['status'])} in {job['step']}.")
    return job


def _ask(decision: Decision, seen: Sequence[Mapping[str, Any]]) -> None:
    """Say what will happen and go on only after a yes."""
    for job in seen:
        click.echo(
            f"{output.plain(job['name'])}: {job['environment']}, {output.plain(job['project'] or job['rule'])},"
            f" {job['status']} in {job['step']}",
            err=True,
        )
    click.echo(decision.effect, err=True)
    if not sys.stdin.isatty():
        raise BadUsage(f"Nobody is there to be asked. Say --yes to {decision.name}.")
    if not click.confirm(f"{decision.name.capitalize()} {_count(seen)}?", err=True):
        click.echo("Nothing was done.", err=True)
        end(Exit.USAGE)


def _count(seen: Sequence[Any]) -> str:
    return "this job" if len(seen) == 1 else f"these {len(seen)} jobs"
