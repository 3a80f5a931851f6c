"""Section 9, the page of a job and its log: what they show, what they keep from being executed, and asking again."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import audit, transitions
from jobs.lifecycle import Event, Step
from jobs.log.writer import append_entries, append_entry
from jobs.models import Job, OperationRun
from jobs.transitions import Change
from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, JobFactory, ProjectFactory, RuleFactory, happen, user_with
from tests.pages import HTMX, Reader, text, version, words

pytestmark = pytest.mark.django_db

NASTY = "\x1b[1;31mfailed\x1b[0m <script>alert('x')</script> \x07 \u202eevil\u202c \x1b]0;title\x07 & done"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana)


@pytest.fixture
def job(dev: Environment) -> Job:
    variables = {
        "drain": {"value": True, "origin": "project_environment"},
        "who": {"value": "<b>", "origin": "job"},
    }
    return JobFactory.at(
        "RUN", "running", environment=dev, project=ProjectFactory.create(code="shop"), rule=RuleFactory.create(slug="web"),
        revisions=["v1.4.0"], name="N.DEV-00000007", variables=variables, comment="CHG-20391",
    )  # fmt: skip


def write(job: Job, lines: Sequence[str], level: str = "info") -> None:
    append_entries(job.pk, job.attempt, job.step, [(level, line) for line in lines])


def test_the_page_tells_all_about_a_job(reader: Reader, ana: User, job: Job) -> None:
    audit.record(
        audit.Actor(ana, "page", "10.1.2.3"), "create", job, now=timezone.now(), comment="por qué no"
    )
    append_entry(job.pk, 1, "RUN", "info", "deploying to node 3")
    OperationRun.objects.create(
        job=job, attempt=1, path="RUN/0", identifier="deploy", name="Deploy it", key="log", step="RUN", status="failed",
        error="no route to <host>", started_at=timezone.now() - timedelta(seconds=75), finished_at=timezone.now(),
    )  # fmt: skip
    page = reader.get(f"/jobs/{job.pk}/")
    shown = words(page)
    for expected in (
        "N.DEV-00000007", "Ejecutando", "shop", "v1.4.0", "web versión 1", "CHG-20391",
        "drain true Proyecto en el entorno", "who <b> Pase",
        "ana · Crear", "10.1.2.3", "por qué no", "Deploy it", "Fallida", "1 min 15 s", "no route to <host>",
        "deploying to node 3", "Fecha planificada", "Max fecha de inicio", "Promoción", "test",
    ):  # fmt: skip
        assert expected in shown, expected
    assert re.search(
        r"CHECK hecho INIT hecho PRE hecho · 0,0 s RUN en curso POST por venir END por venir", shown
    )
    assert '<li class="stop stop-current" aria-current="step">' in text(page)


@pytest.mark.parametrize(
    ("language", "not_run", "to_come"), [("es", "No ejecutada", "Pendiente"), ("en", "Not run", "Pending")]
)
def test_what_never_ran_is_no_longer_to_come(
    ana: User, dev: Environment, language: str, not_run: str, to_come: str
) -> None:
    def statuses(job: Job) -> list[str]:
        markup = text(Reader(ana, language).get(f"/jobs/{job.pk}/"))
        return re.findall(r'<span class="op-label">([^<]*)</span>', markup)

    assert statuses(JobFactory.at("RUN", "running", environment=dev)) == [not_run, to_come, to_come]
    assert statuses(JobFactory.at("POST", "ready", environment=dev)) == [not_run, not_run, to_come]
    assert statuses(JobFactory.at("RUN", "cancelled", environment=dev)) == [not_run] * 3
    assert statuses(JobFactory.at("END", "error", environment=dev)) == [not_run] * 3


def test_steps_after_the_one_where_a_job_stopped_are_not_to_come(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "cancelled", environment=dev)
    assert re.search(r"POST no ejecutado END no ejecutado", words(reader.get(f"/jobs/{job.pk}/")))


def test_a_waiting_job_says_for_what_and_who_can_change_it(reader: Reader, dev: Environment) -> None:
    user_with("view_monitor", "restart", environments=[dev], username="oscar")
    job = JobFactory.at("RUN", "ready", environment=dev, scheduled_at=timezone.now() + timedelta(hours=9))
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert "RUN espera a su fecha planificada." in shown
    assert "user:oscar" in shown


def test_a_failed_step_and_the_reason_are_shown(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "running", environment=dev)
    job = happen(job, Event.ABANDON)
    Job.objects.filter(pk=job.pk).update(
        reason="The worker jobs-1@here is gone: its lease ran out at 08:14:22 UTC."
    )
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert "RUN fallido" in shown
    assert "El worker jobs-1@here ha desaparecido: su reserva venció a las 08:14:22 UTC." in shown


def test_what_the_engine_says_is_read_in_the_reader_s_language(ana: User, dev: Environment) -> None:
    job = JobFactory.at("RUN", "running", environment=dev)
    OperationRun.objects.create(
        job=job, attempt=1, path="RUN/0", identifier="deploy", name="Deploy it", key="run", step="RUN", status="failed",
        error="The command ended with return code 3.", started_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    job = happen(job, Event.FAIL)
    Job.objects.filter(pk=job.pk).update(reason="The time limit of 5m ran out.")
    spanish, english = (Reader(ana, language) for language in ("es", "en"))
    shown = words(spanish.get(f"/jobs/{job.pk}/"))
    assert "El comando terminó con el código de retorno 3." in shown
    assert "Se agotó el límite de tiempo de 5m." in shown
    assert 'title="Se agotó el límite de tiempo de 5m."' in text(spanish.get("/"))
    shown = words(english.get(f"/jobs/{job.pk}/"))
    assert "The command ended with return code 3." in shown
    assert "The time limit of 5m ran out." in shown


def _rerun(job: Job) -> None:
    with transaction.atomic():
        change = Change(Event.RERUN, timezone.now(), asked_step=Step.RUN)
        transitions.apply(transitions.lock(job.pk), change)


def test_an_ended_job_is_asked_for_less_and_a_rerun_by_somebody_else_appears(
    reader: Reader, job: Job
) -> None:
    address = f"/jobs/{job.pk}/"
    seen = version(reader.get(address))
    assert reader.poll(address, seen).status_code == 204
    append_entry(job.pk, 1, "RUN", "info", "another line")
    changed = reader.poll(address, seen)
    assert (changed.status_code, "another line" in words(changed)) == (200, True)
    for event in (Event.STEP_OK, Event.START, Event.STEP_OK):
        happen(job, event)
    last = reader.poll(address, version(changed))
    assert (last.status_code, "Finalizado" in words(last)) == (200, True)
    assert 'data-poll="15000"' in text(last)
    ended = version(reader.get(address))
    assert (version(last), reader.poll(address, ended).status_code) == (ended, 204)
    _rerun(job)
    again = reader.poll(address, ended)
    assert (again.status_code, "Listo" in words(again), 'data-poll="1500"' in text(again)) == (
        200,
        True,
        True,
    )


def test_an_attempt_that_does_not_exist_shows_the_present_one(reader: Reader, job: Job) -> None:
    for attempt in ("0", "2", "-1", "x", "9" * 30, "\u0661"):
        assert reader.get(f"/jobs/{job.pk}/").status_code == 200
        assert reader.get(f"/jobs/{job.pk}/?attempt={attempt}").status_code == 200


def test_output_is_shown_exactly_and_never_as_markup(reader: Reader, job: Job) -> None:
    write(job, [NASTY, "\ttab and  two spaces", "\x1b[38;5;196mred\x1b[48;2;0;0;255mon blue\x1b[m plain"])
    markup = text(reader.get(f"/jobs/{job.pk}/log/"))
    assert (
        '<span class="ansi-bold ansi-fg-red">failed</span> &lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;'
        in markup
    )
    assert '<span class="control">^G</span> <span class="control">U+202E</span>evil' in markup
    assert "title" not in re.findall(r'id="L1">.*?</div>', markup)[0].split('class="text"')[1]
    assert "&amp; done" in markup
    assert "\ttab and  two spaces" in markup
    assert (
        '<span class="ansi-fg-bright-red">red</span><span class="ansi-bg-bright-blue ansi-fg-bright-red">on blue</span> plain'
        in (
            markup.replace("ansi-bg-blue", "ansi-bg-bright-blue").replace("ansi-fg-red", "ansi-fg-bright-red")
        )
    )
    assert "<script>alert" not in markup
    assert "style=" not in markup


def test_a_long_log_is_read_some_hundred_lines_at_a_time(reader: Reader, job: Job) -> None:
    write(job, [f"line {number}" for number in range(1, 2501)])
    address = f"/jobs/{job.pk}/log/"

    def ids(markup: str) -> list[int]:
        return [int(found) for found in re.findall(r'id="L(\d+)"', markup)]

    def follow(markup: str, rel: str) -> str:
        found = re.search(rf'rel="{rel}"\s+href="([^"]+)"', markup)
        assert found is not None
        return text(reader.get(address + found[1].replace("&amp;", "&")))

    end = text(reader.get(address))
    assert (ids(end)[0], ids(end)[-1]) == (2001, 2500)
    before = follow(end, "prev")
    assert (ids(before)[0], ids(before)[-1]) == (1501, 2000)
    start = text(reader.get(f"{address}?after=0"))
    assert (ids(start)[0], ids(start)[-1], 'rel="prev"' in start) == (1, 500, False)
    assert ids(follow(start, "next"))[0] == 501
    around = text(reader.get(f"{address}?line=1000"))
    assert 1000 in ids(around)
    assert ids(around)[0] < 1000
    assert len(ids(around)) == 500


def test_lines_are_filtered_and_searched_on_the_server(reader: Reader, job: Job) -> None:
    write(job, ["alpha", "beta needle", "gamma"])
    write(job, ["delta NEEDLE", "epsilon"], level="error")
    address = f"/jobs/{job.pk}/log/"
    for query, found in {
        "?q=needle&only=1&after=0": ["2", "4"],
        "?level=error": ["4", "5"],
        "?level=error&q=needle&only=1&after=0": ["4"],
        "?q=needle&hit=4": ["1", "2", "3", "4", "5"],
        "?step=nonsense": ["1", "2", "3", "4", "5"],
        "?step=POST": [],
        "?level=nonsense": ["1", "2", "3", "4", "5"],
        "?operation=none": [],
        "?operation=%00": [],
        "?after=3": ["4", "5"],
        "?before=3": ["1", "2"],
        "?after=99999999999999999999999&before=x&line=-3": ["1", "2", "3", "4", "5"],
        "?after=9223372036854775807": [],
    }.items():
        answer = reader.get(address + query)
        assert answer.status_code == 200
        assert re.findall(r'id="L(\d+)"', text(answer)) == found, query
    assert "Ninguna línea coincide." in words(reader.get(f"{address}?q=zzz"))


def test_new_lines_come_by_asking_and_the_end_is_told_once_and_a_new_attempt_too(
    reader: Reader, job: Job
) -> None:
    write(job, ["one", "two"])
    page = text(reader.get(f"/jobs/{job.pk}/log/"))

    def more(markup: str) -> tuple[str, str]:
        found = re.search(r'id="log-end".*?hx-get="([^"]+)".*?If-None-Match": "\\"(\w+)', markup, re.DOTALL)
        assert found is not None
        return f"/jobs/{job.pk}/log/" + found[1].replace("&amp;", "&"), found[2]

    assert reader.poll(*more(page)).status_code == 204
    write(job, ["three"])
    fragment = reader.poll(*more(page))
    assert re.findall(r'id="L(\d+)"', text(fragment)) == ["3"]
    assert 'class="op"' not in text(fragment), "the heading above stands already"
    assert reader.poll(*more(text(fragment))).status_code == 204
    for event in (Event.STEP_OK, Event.START, Event.STEP_OK):
        happen(job, event)
    ended = reader.poll(*more(text(fragment)))
    assert (ended.status_code, 'hx-swap-oob="true"' in text(ended)) == (200, True), "the status changed"
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(minutes=1))
    last = reader.poll(*more(text(ended)))
    assert (last.status_code, "Fin del log" in words(last), "data-live" in text(last)) == (200, True, False)
    assert reader.poll(*more(text(last))).status_code == 204
    _rerun(job)
    again = reader.poll(*more(text(last)))
    assert (again.status_code, "data-live" in text(again)) == (200, False), "no more lines of this attempt"
    assert '?attempt=2">Intento 2</a>' in text(again)


def test_output_that_is_faster_than_the_page_leaves_a_gap_with_a_link(reader: Reader, job: Job) -> None:
    write(job, [f"line {number}" for number in range(1, 3001)])
    fragment = reader.get(f"/jobs/{job.pk}/log/?after=100&attempt=1", **HTMX)
    found = re.findall(r'id="L(\d+)"', text(fragment))
    assert (found[0], found[-1], len(found)) == ("2001", "3000", 1000)
    assert "1900 líneas omitidas" in words(fragment)


def test_the_log_comes_as_a_file(reader: Reader, job: Job) -> None:
    write(job, [NASTY, "second"])
    answer = reader.client.get(f"/jobs/{job.pk}/log/download/")
    assert b"".join(answer).decode() == f"{NASTY}\nsecond\n"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="N.DEV-00000007.log"'


@pytest.mark.parametrize(
    "address", ["/", "/jobs/new/", "/jobs/{}/", "/jobs/{}/log/", "/account/", "/jobs/0/"]
)
def test_no_page_holds_a_script_or_style_of_its_own(reader: Reader, job: Job, address: str) -> None:
    write(job, [NASTY])
    answer = reader.get(address.format(job.pk))
    markup = text(answer)
    assert "script-src" not in answer["Content-Security-Policy"]
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=\"|javascript:", markup)
    assert all(found.startswith("/static/") for found in re.findall(r'<script[^>]*?src="([^"]*)"', markup))
    assert len(re.findall(r"<script", markup)) == len(re.findall(r"<script[^>]*\ssrc=", markup))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', markup)


def test_lines_of_a_comment_stand_as_they_were_typed(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev, comment="first\n  second")
    assert ">first\n  second<" in text(reader.get(f"/jobs/{job.pk}/"))
