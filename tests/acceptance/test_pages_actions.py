"""Section 9 with section 5: every action of a job on its pages, without scripts, and what they say before and after."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.actions.base import every_action
from jobs.log.reader import read_entries
from jobs.models import AuditRecord, Job, Trap
from jobs.monitor.dialogs import DIALOGS
from permissions.catalog import Right
from tests.factories import JobFactory, ProjectFactory, UserFactory, user_with
from tests.life import Cast, fresh, state, work
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db(transaction=True)

TRAP: Final = """
PRE:
  - log: built
    name: Build it
    rollback: [{log: unbuilt}]
RUN:
  - fail: no route to host
    id: deploy
    name: Deploy it
    on_error: trap
    trap: {timeout: 1h, max_retries: 3}
POST:
  - log: told
"""
APPROVAL: Final = """
PRE:
  - approval: {approvers: ["group:qa", "user:eva"], min: 2, exclude_creator: true}
    id: gate
    name: Quality
RUN:
  - log: deployed
"""
PLAIN: Final = """
PRE:
  - log: built
    id: build
    name: Build it
    rollback: [{log: unbuilt, name: Unbuild it}]
RUN:
  - log: first
    id: first
    name: First
    rollback: [{log: undo first}]
  - log: second
    id: second
    name: Second
    rollback: [{log: undo second}]
POST:
  - log: told
"""


@pytest.fixture
def cast(transactional_db: None, broker: str) -> Cast:
    return Cast()


def english(cast: Cast, name: str) -> Reader:
    return Reader(cast[name], "en")


def seen(job: Job) -> dict[str, str]:
    """Return the hidden fields as a page made now has them."""
    found = fresh(job)
    return {"seen_attempt": str(found.attempt), "seen_status": found.status}


def send(reader: Reader, job: Job, key: str, **fields: str) -> HttpResponse:
    """Send the form of an action as the page has it."""
    return reader.post(f"/jobs/{job.pk}/{key}/", {**seen(job), **fields})


def buttons(reader: Reader, job: Job) -> list[str]:
    """Return the actions that the job's page offers, in their order."""
    return re.findall(r'id="do-(\w+)"\s+href', text(reader.get(f"/jobs/{job.pk}/")))


def later(**distance: float) -> datetime:
    return timezone.now() + timedelta(**distance)


def typed(moment: datetime) -> str:
    """Return a moment as a date field of a browser in Madrid sends it."""
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M}"


def done(answer: HttpResponse, job: Job) -> bool:
    return (answer.status_code, answer.headers.get("Location")) == (302, f"/jobs/{job.pk}/")


def test_every_action_has_its_page() -> None:
    assert set(DIALOGS) == set(every_action())


def test_a_trapped_job_says_what_happened_and_how_it_can_go_on(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    reader = english(cast, "op")
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    for expected in (
        "Trapped in RUN, at the operation Deploy it", "no route to host", "Time left 59 min", "Retries 0 of 3",
        "Then it is aborted: the step fails.",
    ):  # fmt: skip
        assert expected in shown, expected
    assert f'href="/jobs/{job.pk}/log/?attempt=1&amp;operation=deploy" id="trap-log"' in text(
        reader.get(f"/jobs/{job.pk}/")
    )
    assert buttons(reader, job) == ["retry", "skip", "abort", "pause", "cancel", "comment"]
    assert shown.count("no route to host") == 3, "in the panel, at the operation and in the log; nowhere else"
    spanish = words(Reader(cast["op"]).get(f"/jobs/{job.pk}/"))
    for expected in ("Capturado", "Reintentar Saltar Abortar Pausar", "0 de 3", "59 min"):
        assert expected in spanish, expected


def test_who_may_not_answer_reads_why_and_gets_no_button(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    reader = english(cast, "eva")
    assert buttons(reader, job) == ["comment"]
    assert "You need the right action.job.restart in PROD." in words(reader.get(f"/jobs/{job.pk}/"))


@pytest.mark.parametrize(
    ("key", "status", "message"),
    [
        ("retry", "ready", "The operation is tried again."),
        ("skip", "ready", "The operation is skipped, and the job goes on."),
        ("abort", "rollback", "The trap is aborted: the step fails."),
        ("pause", "trap_paused", "The clock of the trap stands still."),
    ],
)
def test_a_trap_is_answered(cast: Cast, key: str, status: str, message: str) -> None:
    job = work(cast.job(TRAP))
    reader = english(cast, "op")
    page = reader.get(f"/jobs/{job.pk}/{key}/")
    assert page.status_code == 200
    assert "“Deploy it”" in words(page) or key in {"abort", "pause"}
    assert done(send(reader, job, key, comment="the node is back"), job)
    assert state(job) == ("RUN", status)
    assert message in words(reader.get(f"/jobs/{job.pk}/"))
    record = AuditRecord.objects.get(action=key)
    assert (record.user, record.source, record.address, record.comment) == (
        "op", "page", "127.0.0.1", "the node is back",
    )  # fmt: skip


def test_retries_are_counted_and_the_last_one_is_told(cast: Cast) -> None:
    job = work(cast.job(TRAP.replace("max_retries: 3", "max_retries: 1")))
    reader = english(cast, "op")
    assert "It is retry 1 of 1." in words(reader.get(f"/jobs/{job.pk}/retry/"))
    send(reader, job, "retry")
    work(job)
    assert state(job) == ("RUN", "trapped")
    assert buttons(reader, job) == ["skip", "abort", "pause", "cancel", "comment"]
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert "Retries 1 of 1" in shown
    assert "It was retried 1 time, which is all that the rule allows." in shown
    refused = send(reader, job, "retry", comment="once more")
    assert refused.status_code == 409
    assert "It was retried 1 time" in words(refused)
    assert "once more" in text(refused)
    assert state(job) == ("RUN", "trapped")


def test_a_paused_trap_keeps_its_time_and_goes_on(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    reader = english(cast, "op")
    assert "stops with 59 min left" in words(reader.get(f"/jobs/{job.pk}/pause/"))
    send(reader, job, "pause")
    assert "Time left, clock stopped 59 min" in words(reader.get(f"/jobs/{job.pk}/"))
    assert buttons(reader, job) == ["retry", "skip", "abort", "resume", "cancel", "comment"]
    assert done(send(reader, job, "resume"), job)
    assert Trap.objects.get().deadline is not None


def test_an_abort_tells_what_will_be_undone(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    reader = english(cast, "op")
    assert "It will be undone, in this order: Build it PRE/0" in words(reader.get(f"/jobs/{job.pk}/abort/"))
    send(reader, job, "abort")
    assert state(work(job)) == ("END", "error")
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert "Rollback: succeeded" in shown
    assert re.search(r"Build it log Undone .*? log Rollback ", shown), (
        "the rollback stands under its operation"
    )


def test_an_approval_says_who_signed_and_who_may(cast: Cast) -> None:
    job = work(cast.job(APPROVAL))
    first, second, creator = (english(cast, name) for name in ("qa1", "eva", "ana"))
    assert "signature 1 of 2. One more signature is needed" in words(first.get(f"/jobs/{job.pk}/approve/"))
    assert done(send(first, job, "approve", comment="looks good"), job)
    shown = words(first.get(f"/jobs/{job.pk}/"))
    for expected in (
        "Waits in PRE for the approval Quality", "Signatures 1 of 2", "May sign group:qa, user:eva",
        "Not ana, who created the job.", "looks good", "You have signed this approval already",
    ):  # fmt: skip
        assert expected in shown, expected
    assert buttons(first, job) == ["comment"]
    assert buttons(second, job) == ["approve", "reject", "comment"]
    assert "wants this approval to be signed by others" in words(creator.get(f"/jobs/{job.pk}/"))
    assert "You are none of the approvers" in words(english(cast, "op").get(f"/jobs/{job.pk}/"))
    assert "With it the job goes on" in words(second.get(f"/jobs/{job.pk}/approve/"))
    assert done(send(second, job, "approve"), job)
    assert state(work(job)) == ("END", "finished")


def test_a_rejection_needs_a_reason(cast: Cast) -> None:
    job = work(cast.job(APPROVAL))
    reader = english(cast, "eva")
    refused = send(reader, job, "reject", comment=" ")
    assert refused.status_code == 400
    assert "Say why: a rejection needs a comment." in words(refused)
    assert 'aria-invalid="true"' in text(refused)
    assert state(job) == ("PRE", "pending_approval")
    assert done(send(reader, job, "reject", comment="not\r\ntoday"), job)
    assert (fresh(job).status, fresh(job).reason) == ("rejected", "Rejected by eva: not\ntoday")
    assert "Rechazado por eva: not today" in words(Reader(cast["eva"]).get(f"/jobs/{job.pk}/"))


def test_a_second_signature_and_the_creator_s_are_refused(cast: Cast) -> None:
    job = work(cast.job(APPROVAL, created_by=cast["qa1"]))
    assert send(english(cast, "qa1"), job, "approve").status_code == 403
    send(english(cast, "qa2"), job, "approve")
    again = send(english(cast, "qa2"), job, "reject", comment="no, wait")
    assert (again.status_code, "no, wait" in text(again)) == (409, True)


def test_a_rerun_offers_what_was_reached(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    reader = english(cast, "op")
    page = text(reader.get(f"/jobs/{job.pk}/rerun/"))
    assert re.findall(r'<option value="([^"]*)"', page.split('name="from_operation"')[1].split("</select>")[0]) == [
        "", "PRE/0", "RUN/0", "RUN/1", "POST/0",
    ]  # fmt: skip
    assert re.search(r'value="RUN"[^>]* checked', page), "the last step that deployed is proposed"
    assert done(send(reader, job, "rerun", step="RUN", from_operation="RUN/1", comment="again"), job)
    assert (*state(work(job)), fresh(job).attempt) == ("END", "finished", 2)
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert re.search(r"First log from attempt 1 .* Second log ↻ Rerun from Second Completed", shown)
    assert "Attempt 1 Attempt 2" in shown


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"step": "INIT"}, "step", "INIT"),
        ({}, "step", ""),
        ({"step": "PRE", "run_now": "on"}, "run_now", "Only RUN waits for a date"),
        ({"step": "PRE", "outcome": "error"}, "outcome", "Only a rerun of POST takes an outcome"),
        ({"step": "PRE", "from_operation": "RUN/1"}, "from_operation", "It is an operation of RUN."),
        ({"step": "RUN", "from_operation": "RUN/7"}, "from_operation", "RUN/7"),
        ({"step": "PRE", "comment": "nul \x00"}, "comment", ""),
    ],
)
def test_what_a_rerun_cannot_be_is_said_at_the_field(
    cast: Cast, fields: dict[str, str], field: str, message: str
) -> None:
    job = work(cast.job(PLAIN))
    refused = send(english(cast, "op"), job, "rerun", **{"comment": "typed before", **fields})
    assert refused.status_code == 400
    assert f'id="id_{field}_error"' in text(refused)
    assert message in words(refused)
    assert "comment" in fields or "typed before" in text(refused)
    assert (*state(job), fresh(job).attempt) == ("END", "finished", 1)


def test_post_is_rerun_with_an_outcome(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    assert done(send(english(cast, "op"), job, "rerun", step="POST", outcome="error"), job)
    assert state(work(job)) == ("END", "error")


def test_dates_are_typed_in_the_reader_s_zone(cast: Cast) -> None:
    job = work(cast.job(PLAIN, scheduled_at=later(hours=5)))
    assert state(job) == ("RUN", "ready")
    reader = english(cast, "op")
    page = text(reader.get(f"/jobs/{job.pk}/reschedule/"))
    assert f'value="{typed(job.scheduled_at)}"' in page
    assert "Europe/Madrid" in page
    assert "Empty: 24 h after the scheduled date, as before." in page
    wanted = later(days=2).replace(second=0, microsecond=0)
    assert done(send(reader, job, "reschedule", scheduled_at=typed(wanted), comment="the window moved"), job)
    found = fresh(job)
    assert (found.scheduled_at, found.max_start_at - found.scheduled_at) == (wanted, timedelta(days=1))
    assert found.comment == "the window moved"


def test_dates_that_contradict_each_other_are_refused_and_kept(cast: Cast) -> None:
    job = work(cast.job(PLAIN, scheduled_at=later(hours=5)))
    reader, early, late = Reader(cast["op"]), typed(later(days=1)), typed(later(days=2))
    refused = send(reader, job, "reschedule", scheduled_at=late, max_start_at=early, comment="se mueve")
    assert refused.status_code == 400
    assert "Es anterior a la fecha planificada" in words(refused)
    for kept in (f'value="{late}"', f'value="{early}"', "se mueve"):
        assert kept in text(refused)
    for wrong in ({}, {"scheduled_at": "tomorrow"}, {"scheduled_at": "2999-01-01T00:00"}):
        assert send(reader, job, "reschedule", **wrong).status_code == 400, wrong
    assert fresh(job).scheduled_at == job.scheduled_at


def test_a_job_is_run_now(cast: Cast) -> None:
    job = work(cast.job(PLAIN, scheduled_at=later(hours=5)))
    reader = english(cast, "op")
    assert "in 4 h" in words(reader.get(f"/jobs/{job.pk}/run_now/"))
    assert done(send(reader, job, "run_now"), job)
    assert state(work(job)) == ("END", "finished")


def test_cancelling_says_what_it_does_not_stop(cast: Cast) -> None:
    job = JobFactory.at("RUN", "running", environment=cast.environment)
    reader = english(cast, "op")
    shown = words(reader.get(f"/jobs/{job.pk}/cancel/"))
    assert "The status becomes Cancelled at once." in shown
    assert "on the worker's machine (test) are ended" in shown
    assert "What its processes started elsewhere, on other machines, is not stopped: it goes on." in shown
    assert done(send(reader, job, "cancel", comment="wrong window"), job)
    assert (fresh(job).status, fresh(job).reason) == ("cancelled", "Cancelled by op: wrong window")
    assert "Cancelado por op: wrong window" in words(Reader(cast["op"]).get(f"/jobs/{job.pk}/"))


def test_a_rollback_names_what_it_undoes_and_who_stands_on_it(cast: Cast) -> None:
    project = ProjectFactory.create(code="shop")
    job = work(cast.job(PLAIN, project=project))
    reader = english(cast, "op")
    shown = words(reader.get(f"/jobs/{job.pk}/rollback/"))
    assert "in this order: Second RUN/1 First RUN/0 Build it PRE/0" in shown
    assert "Undo it all the same" not in shown
    second = work(cast.job(PLAIN, project=project))
    assert second.status == "finished"
    page = reader.get(f"/jobs/{job.pk}/rollback/")
    assert f"Later jobs that stand on it: {second.name}" in words(page)
    assert 'name="force"' in text(page)
    refused = send(reader, job, "rollback", comment="bad version")
    assert (refused.status_code, "bad version" in text(refused)) == (409, True)
    assert f'href="/jobs/{second.pk}/"' in text(refused)
    unexplained = send(reader, job, "rollback", force="on")
    assert unexplained.status_code == 400
    assert "Say why: forcing a rollback needs a comment." in words(unexplained)
    assert re.search(r'name="force"[^>]*checked', text(unexplained))
    assert done(send(reader, job, "rollback", force="on", comment="bad version"), job)
    assert (*state(work(job)), fresh(job).rollback) == ("END", "finished", "succeeded")
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert re.search(r"PRE undone RUN undone · [\d.]+ s POST not run END done", shown)
    assert re.search(r"Build it log Undone from attempt 1 .*? Unbuild it log Rollback Completed", shown)


def test_a_rollback_with_nothing_to_undo_says_so(cast: Cast) -> None:
    job = work(cast.job("RUN:\n  - log: deployed"))
    shown = words(english(cast, "op").get(f"/jobs/{job.pk}/rollback/"))
    assert "there is nothing to undo" in shown


def test_deleting_says_what_goes_and_goes_to_the_monitor(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    reader = english(cast, "op")
    shown = words(reader.get(f"/jobs/{job.pk}/delete/"))
    assert "This goes: the job, with all its attempts its log" in shown
    assert "This stays: who did what to it" in shown
    answer = send(reader, job, "delete")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert f"{job.name}: The job is deleted." in words(reader.get("/"))
    assert not Job.objects.exists()
    assert AuditRecord.objects.get(action="delete").source == "page"


def test_a_comment_becomes_a_line_of_the_log(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    reader = english(cast, "eva")
    assert send(reader, job, "comment", text=" ", level="comment").status_code == 400
    assert send(reader, job, "comment", text="x", level="shout").status_code == 400
    assert done(send(reader, job, "comment", text="checked <b>by hand</b>", level="warning"), job)
    last = read_entries(job.pk, limit=5000).entries[-1]
    assert (last.level, last.user, last.text) == ("warning", "eva", "checked <b>by hand</b>")


RIGHTS: Final = {
    "rerun": "restart", "reschedule": "restart", "run_now": "restart", "cancel": "cancel", "retry": "restart",
    "skip": "restart", "abort": "restart", "pause": "restart", "resume": "restart", "rollback": "restart", "delete": "delete",
}  # fmt: skip


@pytest.mark.parametrize("key", RIGHTS)
def test_without_the_right_nothing_is_done_and_the_right_is_named(cast: Cast, key: str) -> None:
    job = JobFactory.at("RUN", "trapped", environment=cast.environment)
    reader = english(cast, "eva")
    for answer in (
        reader.get(f"/jobs/{job.pk}/{key}/"),
        reader.post(f"/jobs/{job.pk}/{key}/", {}),
        send(reader, job, key, comment="typed"),
    ):
        assert answer.status_code == 403
        assert f"You need the right action.job.{RIGHTS[key]} in PROD." in words(answer)
        assert 'id="do"' not in text(answer)
    assert key == "delete" or "typed" in text(answer) or key in {"run_now"}
    assert state(job) == ("RUN", "trapped")
    assert not AuditRecord.objects.exists()


@pytest.mark.parametrize("key", DIALOGS)
def test_a_job_that_may_not_be_seen_has_no_pages(cast: Cast, key: str) -> None:
    job = JobFactory.at("RUN", "running", environment=cast.environment)
    stranger = Reader(user_with(*(set(Right) - {Right.VIEW_MONITOR}), environments=[cast.environment]))
    assert stranger.get(f"/jobs/{job.pk}/{key}/").status_code == 404
    assert send(stranger, job, key).status_code == 404
    assert english(cast, "boss").get(f"/jobs/{job.pk + 1}/{key}/").status_code == 404
    anonymous = Client().post(f"/jobs/{job.pk}/{key}/", seen(job))
    assert (anonymous.status_code, anonymous.headers["Location"]) == (
        302,
        f"/login/?next=/jobs/{job.pk}/{key}/",
    )
    assert state(job) == ("RUN", "running")


def test_what_is_no_action_is_no_page(cast: Cast) -> None:
    job = JobFactory.at("RUN", "running", environment=cast.environment)
    for key in ("create", "explode", "expire"):
        assert english(cast, "boss").get(f"/jobs/{job.pk}/{key}/").status_code == 404
    assert english(cast, "boss").client.put(f"/jobs/{job.pk}/cancel/").status_code == 405


def test_a_job_that_changed_meanwhile_is_left_alone_and_shown(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    old, reader = seen(job), english(cast, "op")
    assert send(english(cast, "boss"), job, "rerun", step="PRE", comment="me first").status_code == 302
    stale = reader.post(f"/jobs/{job.pk}/rerun/", {**old, "step": "RUN", "comment": "typed"})
    assert stale.status_code == 409
    shown = words(stale)
    assert "The job has changed since you looked at it. Nothing was done." in shown
    assert "What you saw Finished attempt 1 How it is now Ready attempt 2 PRE" in shown
    assert "boss · Rerun" in shown
    assert "typed" in text(stale)
    assert f'href="/jobs/{job.pk}/">Look at the job' in text(stale)
    assert fresh(job).attempt == 2
    assert 'name="seen_attempt" value="2"' in text(stale), "whoever sends it again has seen it"
    work(job)
    gone = reader.post(f"/jobs/{job.pk}/cancel/", {**old, "seen_status": "running"})
    assert (gone.status_code, "no longer possible" in words(gone)) == (409, True)


def test_a_wrong_form_about_a_job_that_changed_says_that_it_changed(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    stale = {"seen_attempt": "1", "seen_status": "running", "step": "nonsense"}
    answer = english(cast, "op").post(f"/jobs/{job.pk}/rerun/", stale)
    assert (answer.status_code, "has changed since" in words(answer)) == (409, True)


@pytest.mark.parametrize(
    "hidden", [{}, {"seen_attempt": "x", "seen_status": "finished"}, {"seen_attempt": "9" * 30}]
)
def test_a_form_that_does_not_say_what_was_seen_is_refused(cast: Cast, hidden: dict[str, str]) -> None:
    job = work(cast.job(PLAIN))
    answer = english(cast, "op").post(f"/jobs/{job.pk}/delete/", hidden)
    assert (answer.status_code, "does not say how you saw the job" in words(answer)) == (400, True)
    assert Job.objects.filter(pk=job.pk).exists()


def test_what_the_table_refuses_is_said_in_words(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    for answer in (
        Reader(cast["op"]).get(f"/jobs/{job.pk}/cancel/"),
        send(Reader(cast["op"]), job, "cancel"),
    ):
        assert answer.status_code == 409
        assert f"El pase {job.name} está en END / Finalizado: allí no es posible «Cancelar»." in words(answer)


def test_a_form_from_elsewhere_does_nothing(cast: Cast) -> None:
    job = work(cast.job(PLAIN))
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast["op"])
    assert client.post(f"/jobs/{job.pk}/delete/", seen(job)).status_code == 403
    assert Job.objects.filter(pk=job.pk).exists()


def test_the_pages_ask_nothing_that_may_not_be_done(cast: Cast) -> None:
    jobs = [
        JobFactory.at(step, status, environment=cast.environment)
        for step, status in (("PRE", "ready"), ("RUN", "expired"), ("RUN", "cancelled"), ("END", "error"))
    ]
    for job in jobs:
        for name in ("boss", "op", "eva"):
            reader = english(cast, name)
            assert set(buttons(reader, job)) == cast.may(job, name)
            apart = {"hold"} if name in {"boss", "op"} else set()
            for key in DIALOGS:
                expected = {200} if key in cast.may(job, name) | apart else {403, 409}
                assert reader.get(f"/jobs/{job.pk}/{key}/").status_code in expected


def test_no_action_page_holds_a_script_or_style_of_its_own(cast: Cast) -> None:
    job = work(cast.job(TRAP))
    for key in (*DIALOGS, ""):
        markup = text(english(cast, "boss").get(f"/jobs/{job.pk}/{key}/".replace("//", "/")))
        assert not re.search(r"<style|\sstyle=|\son\w+=\"|javascript:", markup), key
        assert len(re.findall(r"<script", markup)) == len(re.findall(r"<script[^>]*\ssrc=", markup))


@pytest.mark.parametrize("key", ["", "rerun/", "rollback/"])
def test_a_page_costs_the_same_queries_with_any_number_of_operations(cast: Cast, key: str) -> None:
    reader, costs = english(cast, "op"), []
    for number in (1, 20):
        job = work(cast.job("RUN:\n" + "  - log: x\n    rollback: [{log: y}]\n" * number))
        reader.get(f"/jobs/{job.pk}/{key}")
        with CaptureQueriesContext(connection) as spent:
            reader.get(f"/jobs/{job.pk}/{key}")
        costs.append(len(spent))
    assert costs[0] == costs[1] < 50


def test_who_is_named_but_cannot_sign_is_not_named_on_the_page(cast: Cast) -> None:
    UserFactory.create(username="stranger")
    names = '["user:eva", "user:ana", "user:stranger"]'
    job = work(
        cast.job(f"PRE:\n  - approval: {{approvers: {names}, exclude_creator: true}}\n    name: Quality\n")
    )
    shown = words(english(cast, "eva").get(f"/jobs/{job.pk}/"))
    assert "May sign user:eva (others are named who cannot sign here)" in shown
