"""Operations that let time pass."""

from __future__ import annotations

from datetime import timedelta

from rules import durations
from rules.engine.call import Call
from rules.engine.frames import timed_out
from rules.engine.outcomes import Interrupted, OperationFailed
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas


def _sleep(call: Call) -> None:
    """Sleep until the time counted from the operation's beginning is over; taken up by another worker, it sleeps the rest."""
    try:
        duration = durations.parse(call.arguments)
    except durations.NotADuration as error:
        raise OperationFailed(str(error)) from error
    until = call.started_at + duration
    wakes = until if call.deadline is None else min(until, call.deadline.at)
    left = (wakes - call.host.now()) / timedelta(seconds=1)
    if left > 0 and not call.host.wait(left):
        raise Interrupted
    if call.deadline is not None and call.deadline.at < until:
        raise timed_out(call.deadline)


registry.register(
    OperationType("sleep", schemas.SLEEP_SCHEMA, schemas.SLEEP_HELP, execute=_sleep, example=examples.SLEEP)
)
