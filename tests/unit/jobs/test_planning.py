"""Dates of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import planning
from jobs.lifecycle import Status, Step

NOW = datetime(2026, 11, 23, 2, 40, tzinfo=UTC)
DAY = timedelta(days=1)

# Hypothesis wants its bounds naive.
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
durations = st.timedeltas(timedelta(seconds=1), timedelta(days=365))


def test_a_job_without_dates_may_run_now_and_expires_after_the_environment_s_expiry() -> None:
    assert planning.plan(None, None, expiry=DAY, now=NOW) == planning.Dates(NOW, NOW + DAY)


def test_max_start_before_the_schedule_is_refused() -> None:
    with pytest.raises(planning.MaxStartBeforeSchedule):
        planning.plan(NOW, NOW - timedelta(seconds=1), expiry=DAY, now=NOW)


@pytest.mark.parametrize(
    "moment", [datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
)
@pytest.mark.parametrize("field", ["scheduled_at", "max_start_at"])
def test_a_date_that_no_time_zone_could_show_is_refused(field: str, moment: datetime) -> None:
    dates = {"scheduled_at": None, "max_start_at": None, field: moment}
    with pytest.raises(planning.TooFarAhead) as refused:
        planning.plan(dates["scheduled_at"], dates["max_start_at"], expiry=DAY, now=NOW)
    assert refused.value.field == field


@given(st.timedeltas(timedelta(days=-3000), planning.MOST_AHEAD), durations, moments)
def test_a_job_never_expires_before_it_may_run(ahead: timedelta, expiry: timedelta, now: datetime) -> None:
    scheduled = now + ahead
    dates = planning.plan(scheduled, None, expiry=expiry, now=now)
    assert dates.scheduled_at == scheduled
    assert dates.max_start_at - dates.scheduled_at == expiry


LATER = NOW + DAY


@pytest.mark.parametrize(
    ("step", "status", "claimed", "run_begun", "expected"),
    [
        (Step.PRE, Status.READY, False, False, NOW),
        (Step.RUN, Status.READY, False, False, LATER),
        (Step.RUN, Status.READY, False, True, NOW),
        (Step.POST, Status.READY, False, True, NOW),
        (Step.RUN, Status.RUNNING, True, True, None),
        (Step.RUN, Status.RUNNING, False, True, NOW),
        (Step.RUN, Status.ROLLBACK, False, True, NOW),
        (Step.RUN, Status.TRAPPED, False, True, None),
        (Step.PRE, Status.PENDING_APPROVAL, False, False, None),
        (Step.END, Status.FINISHED, False, True, None),
    ],
)
def test_when_a_worker_may_take_a_job(
    step: Step, status: Status, claimed: bool, run_begun: bool, expected: datetime | None
) -> None:
    found = planning.due_at(step, status, claimed=claimed, scheduled_at=LATER, run_begun=run_begun, now=NOW)
    assert found == expected
