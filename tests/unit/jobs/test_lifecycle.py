"""The table of a job's life, held against the contract's section 4 as written down here once more."""

from __future__ import annotations

from itertools import product

import pytest

from jobs.exceptions import TransitionNotAllowed
from jobs.lifecycle import (
    ACTIVE,
    ENDED,
    FIRST,
    RERUNNABLE,
    STATES,
    TRANSITIONS,
    Event,
    Facts,
    Outcome,
    State,
    Status,
    Step,
    next_state,
)

R = Status.READY

CONTRACT = [
    (Step.INIT, Status.RUNNING, Event.STEP_OK, Step.PRE, R),
    (Step.INIT, Status.RUNNING, Event.FAIL, Step.END, Status.ERROR),
    (Step.PRE, R, Event.START, Step.PRE, Status.RUNNING),
    (Step.PRE, Status.RUNNING, Event.STEP_OK, Step.RUN, R),
    (Step.RUN, R, Event.START, Step.RUN, Status.RUNNING),
    (Step.RUN, Status.RUNNING, Event.STEP_OK, Step.POST, R),
    (Step.PRE, Status.RUNNING, Event.FAIL, Step.POST, R),
    (Step.RUN, Status.RUNNING, Event.FAIL, Step.POST, R),
    (Step.PRE, Status.RUNNING, Event.UNDO, Step.PRE, Status.ROLLBACK),
    (Step.RUN, Status.RUNNING, Event.UNDO, Step.RUN, Status.ROLLBACK),
    (Step.RUN, Status.ROLLBACK, Event.UNDONE, Step.POST, R),
    (Step.PRE, Status.ROLLBACK, Event.UNDO_FAILED, Step.POST, R),
    (Step.POST, R, Event.START, Step.POST, Status.RUNNING),
    (Step.POST, Status.RUNNING, Event.FAIL, Step.END, Status.ERROR),
    (Step.PRE, Status.RUNNING, Event.AWAIT_APPROVAL, Step.PRE, Status.PENDING_APPROVAL),
    (Step.POST, Status.PENDING_APPROVAL, Event.APPROVE, Step.POST, R),
    (Step.RUN, Status.PENDING_APPROVAL, Event.REJECT, Step.RUN, Status.REJECTED),
    (Step.RUN, Status.RUNNING, Event.TRAP, Step.RUN, Status.TRAPPED),
    (Step.RUN, Status.TRAPPED, Event.RETRY, Step.RUN, R),
    (Step.RUN, Status.TRAP_PAUSED, Event.SKIP, Step.RUN, R),
    (Step.RUN, Status.TRAPPED, Event.PAUSE, Step.RUN, Status.TRAP_PAUSED),
    (Step.RUN, Status.TRAP_PAUSED, Event.RESUME, Step.RUN, Status.TRAPPED),
    (Step.RUN, Status.TRAPPED, Event.FAIL, Step.POST, R),
    (Step.POST, Status.TRAPPED, Event.FAIL, Step.END, Status.ERROR),
    (Step.PRE, R, Event.EXPIRE, Step.PRE, Status.EXPIRED),
    (Step.RUN, R, Event.EXPIRE, Step.RUN, Status.EXPIRED),
    (Step.INIT, Status.RUNNING, Event.ABANDON, Step.INIT, Status.ABEND),
    (Step.RUN, Status.ROLLBACK, Event.ABANDON, Step.RUN, Status.ABEND),
    (Step.RUN, Status.TRAPPED, Event.CANCEL, Step.RUN, Status.CANCELLED),
]


@pytest.mark.parametrize(("step", "status", "event", "to_step", "to_status"), CONTRACT)
def test_the_contract_s_rows_lead_where_it_says(
    step: Step, status: Status, event: Event, to_step: Step, to_status: Status
) -> None:
    assert next_state(State(step, status), event, Facts()) == State(to_step, to_status)


@pytest.mark.parametrize("state", sorted(STATES, key=str), ids=str)
def test_what_is_not_in_the_table_is_refused_and_named(state: State) -> None:
    possible = {event for event in Event if (state, event) in TRANSITIONS}
    facts = Facts(before_expiry=R, last_ran=Step.RUN, asked_step=Step.PRE)
    for event in possible:
        after = next_state(state, event, facts)
        assert after is None or after in STATES, event
    for event in set(Event) - possible:
        with pytest.raises(TransitionNotAllowed) as refused:
            next_state(state, event, Facts())
        told = (refused.value.step, refused.value.status, refused.value.event)
        assert told == (state.step, state.status, event)


def test_every_state_is_reached_from_the_first_and_none_is_a_dead_end() -> None:
    facts = [
        Facts(outcome=outcome, before_expiry=before, last_ran=last, asked_step=asked)
        for outcome, before, last, asked in product(
            [None, *Outcome],
            [R, Status.PENDING_APPROVAL],
            [Step.PRE, Step.RUN],
            [Step.PRE, Step.RUN, Step.POST],
        )
    ]
    reached, fresh = {FIRST}, [FIRST]
    while fresh:
        state = fresh.pop()
        possible = [event for event in Event if (state, event) in TRANSITIONS]
        targets = [next_state(state, event, fact) for event in possible for fact in facts]
        following = {target for target in targets if target is not None}
        assert following or (state, Event.DELETE) in TRANSITIONS
        fresh += following - reached
        reached |= following
    assert reached == STATES


def test_statuses_are_active_or_ended() -> None:
    assert set(Status) == ACTIVE | ENDED
    assert not ACTIVE & ENDED
    assert {
        status for (state, event) in TRANSITIONS if event is Event.DELETE for status in [state.status]
    } == ENDED


def test_every_active_status_can_be_cancelled() -> None:
    assert {state.status for state, event in TRANSITIONS if event is Event.CANCEL} == ACTIVE


def test_rerun_is_possible_from_everything_but_what_holds_or_is_held_by_an_operation() -> None:
    can = {state.status for state, event in TRANSITIONS if event is Event.RERUN}
    assert (
        can
        == RERUNNABLE
        == set(Status) - {Status.RUNNING, Status.TRAPPED, Status.TRAP_PAUSED, Status.ROLLBACK}
    )


@pytest.mark.parametrize("step", [None, Step.CHECK, Step.INIT, Step.END])
def test_rerun_asks_for_a_step_that_can_be_rerun(step: Step | None) -> None:
    with pytest.raises(TransitionNotAllowed):
        next_state(State(Step.END, Status.ERROR), Event.RERUN, Facts(asked_step=step))


@pytest.mark.parametrize("event", [Event.EXPIRE, Event.RESCHEDULE])
@pytest.mark.parametrize("status", [R, Status.PENDING_APPROVAL])
def test_a_run_that_has_begun_neither_expires_nor_is_rescheduled(event: Event, status: Status) -> None:
    state = State(Step.RUN, status)
    assert next_state(state, event, Facts()) is not None
    with pytest.raises(TransitionNotAllowed):
        next_state(state, event, Facts(run_begun=True))


@pytest.mark.parametrize("before", [R, Status.PENDING_APPROVAL])
def test_an_expired_job_becomes_what_it_was_when_rescheduled(before: Status) -> None:
    after = next_state(State(Step.RUN, Status.EXPIRED), Event.RESCHEDULE, Facts(before_expiry=before))
    assert after == State(Step.RUN, before)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_post_keeps_the_outcome(outcome: Outcome) -> None:
    after = next_state(State(Step.POST, Status.RUNNING), Event.STEP_OK, Facts(outcome=outcome))
    assert after == State(Step.END, Status(outcome))


def test_rollback_is_refused_when_neither_pre_nor_run_ran() -> None:
    with pytest.raises(TransitionNotAllowed):
        next_state(State(Step.END, Status.ERROR), Event.ASK_ROLLBACK, Facts(last_ran=None))
