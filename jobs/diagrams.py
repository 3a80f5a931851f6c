"""The life of a job as a document: made from the table, so that the two cannot differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobs.lifecycle import ACTIVE, FIRST, TRANSITIONS, Event, Place, State, Status, Step, Target

HEAD: Final = """\
<!-- Generated from jobs/lifecycle.py by `manage.py state_diagram`; never edited by hand. -->
# The life of a job

A job is at a *step* and in a *status*. What is not in the table below is refused. Statuses on which a worker, a date or a
person will still act are active; the others are ended. The diagram shows statuses only; the table below it
also says at which steps.

"""

_QUIET: Final = frozenset({Event.RERUN, Event.ASK_ROLLBACK, Event.DELETE, Event.CANCEL})
"""Possible from nearly everywhere: in the table, but not drawn."""


def document() -> str:
    """Return the whole document as Markdown, the same for the same table."""
    return HEAD + "\n".join([*_diagram(), "", *_table(), ""])


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {FIRST.status}: CHECK ok"
    drawn: dict[tuple[str, str], set[str]] = {}
    for (state, event), target in TRANSITIONS.items():
        if event not in _QUIET:
            for status in _statuses(state, target):
                drawn.setdefault((state.status, status), set()).add(event.value)
    for (before, after), events in sorted(drawn.items()):
        yield f"    {before} --> {after}: {', '.join(sorted(events))}"
    for status in sorted(set(Status) - ACTIVE):
        yield f"    {status} --> [*]"
    yield "```"
    yield ""
    yield "Not drawn: `cancel` from every active status, `rerun` from every status but running, trapped, trap_paused"
    yield "and rollback, `ask_rollback` and `delete` from every ended status."


def _statuses(state: State, target: Target) -> tuple[str, ...]:
    if target.status is Place.SAME:
        return (state.status,)
    if target.status is Place.OUTCOME:
        return (Status.FINISHED, Status.ERROR)
    if target.status is Place.BEFORE_EXPIRY:
        return (Status.READY, Status.PENDING_APPROVAL)
    return (target.status,) if isinstance(target.status, Status) else ()


def _table() -> Iterator[str]:
    yield "| step | status | event | to step | to status | only before RUN began |"
    yield "| --- | --- | --- | --- | --- | --- |"
    order = {event: place for place, event in enumerate(Event)}
    steps = {step: place for place, step in enumerate(Step)}
    statuses = {status: place for place, status in enumerate(Status)}
    rows = sorted(
        TRANSITIONS.items(),
        key=lambda row: (steps[row[0][0].step], statuses[row[0][0].status], order[row[0][1]]),
    )
    for (state, event), target in rows:
        only = "yes" if target.only_before_run else ""
        yield f"| {state.step} | {state.status} | {event} | {_place(target.step)} | {_place(target.status)} | {only} |"


def _place(place: Step | Status | Place) -> str:
    return f"*{place.value}*" if isinstance(place, Place) else place.value
