"""Section 9, actions on a selection and on all that matches, and the menu of a row, without scripts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobs.actions.base import available
from jobs.lifecycle import Event
from jobs.models import AuditRecord, Job, JobHold
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import revoke
from tests.factories import EnvironmentFactory, JobFactory, happen, user_with
from tests.pages import HTMX, Reader, text, words

pytestmark = pytest.mark.django_db

BULK: Final = "/jobs/bulk/"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def op(dev: Environment) -> User:
    return user_with("view_monitor", "restart", "cancel", "delete", environments=[dev], username="op")


@pytest.fixture
def reader(op: User) -> Reader:
    return Reader(op, "en")


def asked(action: str, *jobs: Job, **more: str) -> str:
    return f"{BULK}?{urlencode([('action', action), *(('job', job.pk) for job in jobs), *more.items()])}"


def carried(page: Any) -> list[str]:
    return re.findall(r'name="seen" value="([^"]+)"', text(page))


def send(reader: Reader, page: Any, action: str, **fields: str) -> Any:
    """Send the form as the page has it."""
    return reader.post(BULK, {"action": action, "seen": carried(page), "back": "", "do": "1", **fields})


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_a_row_can_be_selected_and_the_bar_keeps_the_filter(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    JobFactory.at("RUN", "abend", environment=dev)
    page = text(reader.get("/?status=ready&ordering=-scheduled_at"))
    assert re.search(rf'name="job"\s+value="{job.pk}"\s+form="bulk"', page)
    assert '<input type="hidden" name="status" value="ready">' in page
    assert 'name="back" value="status=ready&amp;ordering=-scheduled_at"' in page
    assert '<input type="hidden" name="ordering"' not in page[page.index('id="bulk"') :]
    assert "all 1 that match this filter" in words(reader.get("/?status=ready"))
    assert "all 1 that match this filter" in words(reader.get("/?exclude_status=ready"))
    both = words(reader.get("/?status=ready&status=abend&exclude_status=ready"))
    assert "all 1 that match this filter" in both, "what contradicts itself is counted as it is listed"
    assert 'name="all"' not in text(reader.get("/")), "without a filter that would be everything"


def test_the_page_says_to_which_it_will_be_done_and_which_are_left_alone(
    reader: Reader, dev: Environment
) -> None:
    jobs = [JobFactory.at("RUN", "ready", environment=dev, name=f"GO-{number}") for number in range(2)]
    ended = JobFactory.at("END", "finished", environment=dev, name="ENDED")
    page = reader.get(asked("cancel", *jobs, ended, back="status=ready"))
    shown = words(page)
    for expected in (
        "Cancel: several jobs", "“Cancel” will be done to 2 jobs. 1 job will be left alone.",
        "The status becomes Cancelled at once.", "What its processes started elsewhere, on other machines",
        "Left alone, and why · 1 job ENDED DEV Finished END The job ENDED is at END / Finished",
    ):  # fmt: skip
        assert expected in shown, expected
    assert shown.count("The status becomes Cancelled at once.") == 1, "what is said of all is said once"
    assert carried(page) == [f"{job.pk}:1:ready" for job in reversed(jobs)]
    assert 'href="/?status=ready"' in text(page)
    done = send(reader, page, "cancel", comment="Freeze", back="status=ready")
    assert "Done: 2 jobs." in words(done)
    assert 'href="/?status=ready"' in text(done)
    assert [fresh(job).status for job in (*jobs, ended)] == ["cancelled", "cancelled", "finished"]
    assert set(AuditRecord.objects.values_list("action", "source", "comment")) == {
        ("cancel", "page", "Freeze")
    }


def test_a_job_that_changed_since_is_named_and_left_alone(reader: Reader, dev: Environment) -> None:
    job, other = (JobFactory.at("RUN", "ready", environment=dev, name=name) for name in ("MOVED", "STAYED"))
    page = reader.get(asked("cancel", job, other))
    happen(job, Event.START)
    done = send(reader, page, "cancel")
    assert "Done: 1 job. Refused: 1 job." in words(done)
    assert "The job MOVED has changed: it is Running in attempt 1 now." in words(done)
    assert fresh(job).status == "running"
    again = re.search(r'id="again" href="\?([^"]+)"', text(done))
    assert again is not None
    assert f"action=cancel&amp;job={job.pk}&amp;" in again[1]


def test_everything_that_matches_a_filter_is_meant(reader: Reader, dev: Environment) -> None:
    for number in range(3):
        JobFactory.at("RUN", "abend", environment=dev, name=f"ABEND-{number}")
    JobFactory.at("RUN", "ready", environment=dev, name="OTHER")
    hidden = JobFactory.at("RUN", "abend", environment=EnvironmentFactory.create(), name="HIDDEN")
    page = reader.get(f"{BULK}?action=rerun&all=1&status=abend&job={hidden.pk}")
    shown = words(page)
    assert "“Rerun” will be done to 3 jobs." in shown
    assert ("OTHER" in shown, "HIDDEN" in shown) == (False, False)
    assert "Done: 3 jobs." in words(send(reader, page, "rerun", step=""))
    assert set(Job.objects.filter(name__startswith="ABEND").values_list("status", "attempt")) == {
        ("ready", 2)
    }


@pytest.mark.parametrize(
    ("query", "said"),
    {
        "action=cancel": "Choose at least one job.",
        "action=cancel&job=x": "These are no numbers of jobs.",
        "action=cancel&job=" + "9" * 30: "These are no numbers of jobs.",
        "action=nope&job=1": "nope is no value here. Use one of: approve, reject,",
        "action=keep&job=1": "keep is no value here.",
        "action=cancel&all=1": "Without a filter that would be all jobs",
        "action=cancel&all=1&q=%22%22": "Without a filter that would be all jobs",
        "action=cancel&all=1&status=nope": "nope is no value here.",
        "action=cancel&all=1&created_after=soon": "Write the time in ISO 8601",
        "action=cancel&all=1&status=error": "No job matches these filters any more.",
        "": "Choose at least one job.",
    }.items(),
)
def test_what_makes_no_sense_is_said(reader: Reader, query: str, said: str) -> None:
    answer = reader.get(f"{BULK}?{query}")
    assert (answer.status_code, said in words(answer)) == (400, True), words(answer)


def test_too_many_are_refused_with_their_number(
    reader: Reader, dev: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [JobFactory.at("RUN", "ready", environment=dev) for _ in range(3)]
    monkeypatch.setattr("jobs.monitor.bulk.MOST_JOBS", 2)
    for address in (asked("cancel", *jobs), f"{BULK}?action=cancel&all=1&status=ready"):
        answer = reader.get(address)
        said = "3 jobs are meant, and at most 2 are done at once: narrow the filter or choose fewer."
        assert (answer.status_code, said in words(answer)) == (400, True)
    sent = [f"{job.pk}:1:ready" for job in jobs]
    assert reader.post(BULK, {"action": "cancel", "seen": sent}).status_code == 400
    assert {fresh(job).status for job in jobs} == {"ready"}


def test_hidden_jobs_are_as_those_that_are_not_there(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    hidden = JobFactory.at("RUN", "ready", environment=EnvironmentFactory.create(), name="HIDDEN")
    page = reader.get(f"{asked('cancel', job, hidden)}&job=987654321")
    shown = words(page)
    assert "HIDDEN" not in shown
    for number in (hidden.pk, 987654321):
        assert f"{number} There is no such job any more." in shown
    sent = [f"{hidden.pk}:1:ready", f"{job.pk}:1:ready"]
    done = words(reader.post(BULK, {"action": "cancel", "seen": sent}))
    assert ("Done: 1 job. Refused: 1 job." in done, "HIDDEN" in done) == (True, False)
    assert fresh(hidden).status == "ready"


def test_a_right_withdrawn_meanwhile_refuses(reader: Reader, op: User, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    page = reader.get(asked("cancel", job))
    revoke(op, Right.CANCEL, dev)
    assert "You need the right action.job.cancel in DEV." in words(send(reader, page, "cancel"))
    assert fresh(job).status == "ready"
    assert "You need the right action.job.cancel in DEV." in words(reader.get(asked("cancel", job)))


def test_dates_are_given_once_and_can_be_tried_first(reader: Reader, dev: Environment) -> None:
    soon = timezone.now() + timedelta(hours=1)
    jobs = [
        JobFactory.at(
            "RUN", "ready", environment=dev, scheduled_at=soon, max_start_at=soon + timedelta(hours=hours)
        )
        for hours in (1, 2)
    ]
    page = reader.get(asked("reschedule", *jobs))
    assert "Times are in your zone" in words(page)
    wanted = timezone.localtime(soon + timedelta(days=1)).replace(second=0, microsecond=0)
    wrong = send(reader, page, "reschedule", scheduled_at="soon")
    assert (wrong.status_code, "Nothing was done. What you typed is still here." in words(wrong)) == (
        400,
        True,
    )
    assert 'value="soon"' in text(wrong)
    past = {"scheduled_at": "2020-01-01T10:00", "try": "1"}
    tried = send(reader, page, "reschedule", **past)
    assert "nothing was done yet. " in words(tried)
    assert "“Reschedule” will be done to 0 jobs. 2 jobs will be left alone." in words(tried)
    fits = {"scheduled_at": f"{wanted:%Y-%m-%dT%H:%M}"}
    tried = send(reader, page, "reschedule", **fits, **{"try": "1"})
    assert "“Reschedule” will be done to 2 jobs." in words(tried)
    assert {fresh(job).scheduled_at for job in jobs} == {soon}
    assert not AuditRecord.objects.exists()
    assert "Done: 2 jobs." in words(send(reader, tried, "reschedule", **fits))
    spans = [fresh(job).max_start_at - fresh(job).scheduled_at for job in jobs]
    assert ({fresh(job).scheduled_at for job in jobs}, spans) == (
        {wanted},
        [timedelta(hours=1), timedelta(hours=2)],
    )


def test_what_an_action_takes_is_asked_for_once(reader: Reader, dev: Environment) -> None:
    ended = JobFactory.at("END", "finished", environment=dev)
    stopped = JobFactory.at("RUN", "abend", environment=dev)
    page = reader.get(asked("comment", ended, stopped))
    assert "Write something." in words(send(reader, page, "comment", text="", level="comment"))
    assert "Done: 2 jobs." in words(send(reader, page, "comment", text="Seen.", level="comment"))
    page = reader.get(asked("rollback", ended))
    forced = send(reader, page, "rollback", force="on", comment=" ")
    assert (forced.status_code, "forcing a rollback needs a comment" in words(forced)) == (400, True)
    page = reader.get(asked("rerun", ended, stopped))
    send(reader, page, "rerun", step="", run_now="on", outcome="finished")
    assert [(fresh(job).step, fresh(job).attempt) for job in (ended, stopped)] == [("RUN", 2), ("RUN", 2)]
    other = JobFactory.at("END", "error", environment=dev, name="GONE")
    done = words(send(reader, reader.get(asked("delete", other)), "delete"))
    assert "GONE The job is deleted." in done
    assert not Job.objects.filter(pk=other.pk).exists()


def test_without_an_action_it_asks_for_one(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    page = reader.get(f"{BULK}?job={job.pk}&back=q%3Dx")
    assert "What is to be done to 1 job?" in words(page)
    assert f'href="?action=reschedule&amp;job={job.pk}&amp;back=q%3Dx"' in text(page)


@pytest.mark.parametrize("seen", ["", "x:1:ready", "1:x:ready", "1:1:flying", "9" * 30 + ":1:ready"])
def test_what_the_form_carries_is_read_strictly(reader: Reader, seen: str) -> None:
    answer = reader.post(BULK, {"action": "cancel", "seen": [seen]})
    assert (answer.status_code, "Choose them again." in words(answer)) == (400, True)
    assert reader.post(BULK, {"seen": ["1:1:ready"]}).status_code == 400


def test_the_way_back_leads_nowhere_else(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    page = text(reader.get(asked("cancel", job, back='//evil.example/?x="><b>')))
    assert 'href="//evil' not in page
    assert "<b>" not in page.replace("<b>✓", "")
    assert Client().get(BULK)["Location"].startswith("/login/?next=/jobs/bulk/")


def test_the_menu_of_a_row_offers_exactly_what_may_be_done_now(
    reader: Reader, op: User, dev: Environment
) -> None:
    for state in (("RUN", "ready"), ("END", "error"), ("RUN", "running")):
        job = JobFactory.at(*state, environment=dev)
        menu = reader.get(f"/jobs/{job.pk}/menu/", **HTMX)
        offered = re.findall(r'data-key="(\w+)"\s+href="/jobs/\d+/(\w+)/"', text(menu))
        # What keeps a job from the retention policies can be done to every job.
        assert {key for key, _ in offered} == {*available(job, op, now=timezone.now()), "hold"}, state
        assert all(key == leads_to for key, leads_to in offered)
        assert words(menu).startswith("Job Log")
    assert reader.get(f"/jobs/{job.pk}/menu/")["Location"] == f"/jobs/{job.pk}/"
    assert f'hx-get="/jobs/{job.pk}/menu/"' in text(reader.get("/"))


def test_the_menu_of_a_row_holds_and_releases(reader: Reader, op: User, dev: Environment) -> None:
    job = JobFactory.at("RUN", "running", environment=dev)
    menu = f"/jobs/{job.pk}/menu/"
    for key, other in (("hold", "release"), ("release", "hold")):
        offered = _offered(reader.get(menu, **HTMX))
        assert (key in offered, other in offered) == (True, False)
        sent = {"seen_attempt": "1", "seen_status": "running"}
        assert reader.post(f"/jobs/{job.pk}/{key}/", sent).status_code == 302
    assert list(AuditRecord.objects.order_by("pk").values_list("action", flat=True)) == ["hold", "release"]
    revoke(op, Right.DELETE, dev)
    assert not {"hold", "release"} & set(_offered(reader.get(menu, **HTMX)))


def _offered(menu: Any) -> list[str]:
    return re.findall(r'data-key="(\w+)"', text(menu))


def test_the_menu_of_a_job_that_is_gone_says_so(reader: Reader, op: User, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    revoke(op, Right.VIEW_MONITOR, dev)
    for number in (job.pk, 987654321):
        answer = reader.get(f"/jobs/{number}/menu/", **HTMX)
        assert (answer.status_code, "The job is gone" in words(answer)) == (404, True)
        assert reader.get(f"/jobs/{number}/menu/").status_code == 404


def test_the_keys_are_told_on_every_page_of_those_who_signed_in(reader: Reader, dev: Environment) -> None:
    for address in ("/", "/account/", "/inbox/"):
        page = text(reader.get(address))
        assert "data-keys-open" in page, address
        assert "data-keys-switch" in page, address
        assert "monitor/keys" in page, address
    shown = words(reader.get("/"))
    for expected in ("x select the job", "? this sheet", "Single keys do something"):
        assert expected in shown, expected
    assert "data-keys-open" not in text(Client().get("/login/"))


@pytest.mark.parametrize("action", ["cancel", "reschedule", "run_now"])
def test_asking_costs_the_same_queries_for_any_number_of_jobs(
    reader: Reader, dev: Environment, action: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    jobs = [JobFactory.at("RUN", "ready", environment=dev) for _ in range(8)]
    reader.get(asked(action, *jobs))
    with CaptureQueriesContext(connection) as few:
        reader.get(asked(action, *jobs[:2]))
    with django_assert_num_queries(len(few)):
        reader.get(asked(action, *jobs))


def test_several_jobs_are_put_on_hold_and_released(reader: Reader, dev: Environment) -> None:
    jobs = [JobFactory.at("END", "finished", environment=dev, name=f"KEEP-{number}") for number in range(2)]
    assert 'id="choose-hold"' in text(reader.get(f"{BULK}?job={jobs[0].pk}"))
    send(reader, reader.get(asked("hold", *jobs)), "hold", comment="For the auditors")
    held = JobHold.objects.order_by("job_id").values_list("job_id", "held_by", "comment")
    assert list(held) == [(job.pk, "op", "For the auditors") for job in jobs]
    assert AuditRecord.objects.filter(action="hold").count() == 2
    free = JobFactory.at("END", "finished", environment=dev, name="FREE")
    page = send(reader, reader.get(asked("release", jobs[0], free)), "release")
    assert "KEEP-0" in words(page)
    assert list(JobHold.objects.values_list("job_id", flat=True)) == [jobs[1].pk]
