"""Section 9, the page of a job: variables with what operations set, outputs, who decided what, ways to other jobs."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from jobs import audit
from jobs.audit import Author
from jobs.lifecycle import Event
from jobs.log.writer import append_entries
from jobs.models import Approval, ApprovalSignature, Job, JobNature, OperationRun, Trap
from jobs.monitor import values
from jobs.monitor.standing import HINTS
from jobs.secrets import vault
from permissions.models import Environment, User
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
    happen,
    user_with,
)
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

SOURCE = """\
name: web
steps:
  PRE:
    - run: make
      id: build
      name: Build
      save_as: built
    - set: {release: "7"}
"""


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana, "en")


@pytest.fixture
def job(dev: Environment) -> Job:
    variables = {
        "release": {"value": "6", "origin": "rule"},
        "text": {"value": "long " * 100, "origin": "project"},
        "key": {"value": "say hunter22 twice", "origin": "job"},
    }
    return JobFactory.at(
        "PRE", "running", environment=dev, project=ProjectFactory.create(code="shop"),
        rule=RuleFactory.create(slug="web", source=SOURCE), variables=variables,
    )  # fmt: skip


def answered(job: Job, path: str, value: Any, key: str = "run", **fields: Any) -> None:
    OperationRun.objects.create(
        job=job, attempt=1, path=path, key=key, step="PRE", status="completed", value=value, started_at=timezone.now(),
        finished_at=timezone.now(), **{"identifier": path, **fields},
    )  # fmt: skip


def test_variables_say_what_operations_set_later(reader: Reader, job: Job) -> None:
    answered(job, "PRE/1", {"release": "7", "made": {"a": [1]}}, key="set", name="Number it")
    vault.keep("word", "hunter22", vault.Scope(), by=Author("root", "command"), now=timezone.now())
    page = reader.get(f"/jobs/{job.pk}/")
    shown = words(page)
    assert "release 6 Rule → 7 set by Number it" in shown
    assert 'made {"a": [1]} set by Number it' in shown
    assert "key say *** twice Job" in shown
    assert "hunter22" not in text(page)
    assert re.search(r'<details class="long-value" id="variable-text">\s*<summary>', text(page))
    assert not re.search(r'id="variable-release"', text(page)), "short ones are not folded"


def test_outputs_are_shown_by_operation_and_cut_when_they_are_long(reader: Reader, job: Job) -> None:
    vault.keep("word", "hunter22", vault.Scope(), by=Author("root", "command"), now=timezone.now())
    output = "<b>first</b>\nhunter22 " + "x" * 3983 + "hunter22" + "y" * 60_000
    answered(job, "PRE/0", {"output": output, "returncode": 0}, name="Build", identifier="build")
    answered(job, "PRE/2", [1, "two"], key="http", name="Ask")
    answered(job, "PRE/3", None)
    page = reader.get(f"/jobs/{job.pk}/")
    markup, shown = text(page), words(page)
    assert 'id="output-PRE/0"' in markup
    assert ">built</code>" in markup
    assert "&lt;b&gt;first&lt;/b&gt;" in markup
    assert "hunt" not in markup, "not even the beginning of a secret, where the text is cut"
    assert "yyy" not in markup
    assert "returncode 0" in shown
    assert '[1, "two"]' in shown
    assert 'id="output-PRE/3"' not in markup
    assert f"/jobs/{job.pk}/log/?attempt=1&amp;operation=build" in markup


def test_outputs_have_no_colours_and_no_secret_behind_them(reader: Reader, job: Job) -> None:
    vault.keep("pin", "hunter22", vault.Scope(), by=Author("root", "command"), now=timezone.now())
    answered(job, "PRE/0", {"output": "\x1b[31mred\x1b[0m hun\x1b[1mter22"}, name="Build", identifier="build")
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert "output=red " in shown
    assert "ter22" not in shown


def test_many_outputs_are_bounded(reader: Reader, job: Job) -> None:
    for number in range(45):
        answered(job, f"PRE/{number}", {"output": "x", "returncode": 0})
    page = reader.get(f"/jobs/{job.pk}/")
    assert text(page).count('<details id="output-') == 40
    assert "the first 40" in words(page)


def test_an_output_of_many_parts_and_variables_set_in_a_loop_are_bounded(
    reader: Reader, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(job, "PRE/0", {f"part{number:04}": number for number in range(3000)}, name="Wide")
    for number in range(6):
        answered(job, f"PRE/1[{number}]", {"turn": number, f"only{number}": 1}, key="set")
    monkeypatch.setattr(values, "MOST_SETTERS", 4)
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    assert (">part0049<" in markup, ">part0050<" in markup) == (True, False)
    assert "It has more parts than are shown here" in markup
    found = {each.name: each.later.text for each in values.values_of(job, 1).variables if each.later}
    assert found == {"turn": "5", "only2": "1", "only3": "1", "only4": "1", "only5": "1"}


def test_the_last_lines_of_the_log_stand_below_names(reader: Reader, job: Job) -> None:
    answered(job, "PRE/1/parallel/0", {}, name="Lint the templates")
    append_entries(
        job.pk, 1, "PRE", [("info", "linted")], operation="PRE/1/parallel/0", operation_id="PRE/1/parallel/0"
    )
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    tail = markup[markup.index('class="log tail"') :]
    assert '">Lint the templates</a>' in tail
    assert ">PRE/1/parallel/0<" not in tail


def test_audit_is_folded_and_has_a_page_of_its_own(reader: Reader, ana: User, job: Job) -> None:
    who = audit.Actor(ana, "page", "10.1.2.3")
    for number in range(130):
        audit.record(who, "comment", job, now=timezone.now(), comment=f"remark {number};")
    audit.record(who, "cancel", job, now=timezone.now(), from_status="ready", comment="<why>")
    page = words(reader.get(f"/jobs/{job.pk}/"))
    assert "ana · Cancel Ready → to Running" in page
    assert "10.1.2.3 · PRE <why>" in page
    assert "remark 119;" in page
    assert "remark 110;" not in page
    assert f'href="/jobs/{job.pk}/audit/"' in text(reader.get(f"/jobs/{job.pk}/"))
    first = text(reader.get(f"/jobs/{job.pk}/audit/"))
    assert first.count("remark ") == 99
    older = re.search(r'rel="next"\s+href="([^"]+)"', first)
    assert older is not None
    rest = text(reader.get(f"/jobs/{job.pk}/audit/{older[1]}"))
    assert "remark 0;" in rest
    assert "remark 31;" not in rest
    assert rest.count("remark ") == 31
    for strange in ("x", "-1", "9" * 40, "%00"):
        assert reader.get(f"/jobs/{job.pk}/audit/?before={strange}").status_code == 200


def test_that_a_schedule_made_a_job_is_said_in_the_reader_s_language(ana: User, job: Job) -> None:
    who = audit.Actor(ana, "daemon", "schedule nightly")
    said = "By the schedule nightly. Each night"
    audit.record(who, "create", job, now=timezone.now(), comment=said)
    assert said in words(Reader(ana, "en").get(f"/jobs/{job.pk}/audit/"))
    assert "Por la programación nightly. Each night" in words(Reader(ana, "es").get(f"/jobs/{job.pk}/audit/"))


def test_audit_of_a_hidden_job_is_not_there(reader: Reader) -> None:
    hidden = JobFactory.at("PRE", "running", environment=EnvironmentFactory.create())
    assert reader.get(f"/jobs/{hidden.pk}/audit/").status_code == 404


def test_names_lead_to_the_monitor_filtered_by_them(reader: Reader, job: Job) -> None:
    JobNature.objects.create(job=job, nature=NatureFactory.create(code="sql"))
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    for query in (
        "project=shop",
        "environment=DEV",
        "nature=sql",
        "rule=web",
        f"created_by={job.created_by.username}",
    ):
        assert f'href="/?{query}"' in markup, query


def test_neighbours_are_jobs_of_the_same_project_and_environment(
    reader: Reader, job: Job, dev: Environment
) -> None:
    elsewhere = EnvironmentFactory.create()
    after = JobFactory.at("RUN", "ready", environment=dev, project=job.project)
    JobFactory.at("RUN", "ready", environment=dev, project=job.project)
    hidden = JobFactory.at("RUN", "ready", environment=elsewhere, project=job.project)
    other = JobFactory.at("RUN", "ready", environment=dev, project=ProjectFactory.create())
    markup = text(reader.get(f"/jobs/{after.pk}/"))
    assert re.search(rf'id="job-before"\s+rel="prev"\s+href="/jobs/{job.pk}/"', markup)
    assert re.search(rf'id="job-after"\s+rel="next"\s+href="/jobs/{after.pk + 1}/"', markup)
    assert hidden.name not in markup
    assert other.name not in markup
    assert 'class="neighbours"' not in text(reader.get(f"/jobs/{other.pk}/"))


def test_decided_approvals_and_traps_are_told(reader: Reader, job: Job) -> None:
    now = timezone.now()
    place = {
        "job": job,
        "attempt": 1,
        "step": "PRE",
        "path": "PRE/0",
        "operation": "x",
        "began_at": now - timedelta(hours=1),
    }
    approval = Approval.objects.create(**place, name="Go live", minimum=2, result="rejected", closed_at=now)
    vera = UserFactory.create(username="vera")
    ApprovalSignature.objects.create(
        approval=approval, user=vera, approves=False, at=now, comment="not <today>"
    )
    Trap.objects.create(
        **place, name="Verify", error="The command ended with return code 3.", on_timeout="abort", answer="skip",
        closed_at=now, deadline=now,
    )  # fmt: skip
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert "Go live · approval: rejected" in shown
    assert re.search(r"Rejects: vera .* not <today>", shown)
    assert "Verify · trap: skipped" in shown
    assert "The command ended with return code 3." in shown


def test_who_began_an_attempt_is_said(reader: Reader, ana: User, dev: Environment) -> None:
    job = JobFactory.at("END", "finished", environment=dev)
    Job.objects.filter(pk=job.pk).update(attempt=11)
    job.refresh_from_db()
    audit.record(audit.Actor(ana, "page", ""), "rerun", job, now=timezone.now(), comment="disk was full")
    page = reader.get(f"/jobs/{job.pk}/")
    assert re.search(r"Attempt 11 began with rerun, by ana, .* · disk was full", words(page))
    markup = text(page)
    assert markup.count('id="attempt-') == 11
    assert (
        markup.index('<details id="attempts-before">')
        < markup.index('id="attempt-3"')
        < markup.index('id="attempt-4"')
    )


def test_the_clock_of_a_trap_is_the_server_s(reader: Reader, job: Job) -> None:
    job = happen(job, Event.TRAP)
    now = timezone.now()
    trap = Trap.objects.create(
        job=job, attempt=1, step="PRE", path="PRE/0", operation="build", name="Build", error="x", on_timeout="abort",
        began_at=now, deadline=now + timedelta(minutes=14, seconds=30),
    )  # fmt: skip
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    clock = re.search(r'<b class="clock"\s+data-until="([^"]+)"\s+data-now="([^"]+)">14 min</b>', markup)
    assert clock is not None
    assert clock[1] == trap.deadline.isoformat() if trap.deadline else False


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_wait_says_what_can_be_done(ana: User, dev: Environment, language: str) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev, scheduled_at=timezone.now() + timedelta(hours=9))
    markup = text(Reader(ana, language).get(f"/jobs/{job.pk}/"))
    waits = re.findall(r'<section class="panel waits".*?</section>', markup, re.DOTALL)[0]
    # Its date, and no daemon has ever run here.
    assert waits.count("<li>") == 2
    for kind in ("schedule", "daemon"):
        with translation.override(language):
            assert str(HINTS[kind]) in waits


def test_queries_are_as_many_with_many_records_outputs_and_waits(reader: Reader, ana: User, job: Job) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(f"/jobs/{job.pk}/").status_code == 200
        return len(queries)

    def more(count: int) -> None:
        now = timezone.now()
        for number in range(count):
            audit.record(audit.Actor(ana, "page", ""), "comment", job, now=now, comment="x")
            answered(job, f"PRE/9/foreach[{count}{number}]/0", {"output": "x"})
            approval = Approval.objects.create(
                job=job,
                attempt=1,
                step="PRE",
                path="PRE/0",
                operation="x",
                began_at=now,
                result="approved",
                closed_at=now,
            )
            ApprovalSignature.objects.create(approval=approval, user=UserFactory.create(), at=now)

    more(1)
    asked()
    before = asked()
    more(10)
    assert asked() == before
