"""Section 9, the page of a job: operations on a timeline, with their waits and what they usually take."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import timeline
from jobs.models import Approval, Job, OperationRun, StepRun, Trap
from permissions.models import Environment, User
from tests.factories import EnvironmentFactory, JobFactory, RuleFactory, user_with
from tests.pages import Reader, text, version, words

pytestmark = pytest.mark.django_db

SOURCE = """\
name: {slug}
steps:
  PRE:
    - run: make
      id: build
      name: Build
    - parallel:
        - log: one
          name: Left
        - log: two
          name: Right
  RUN:
    - run: deploy
      id: deploy
      name: Deploy
"""


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "restart", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana, "en")


@pytest.fixture
def job(dev: Environment) -> Job:
    return JobFactory.at("END", "finished", environment=dev, rule=RuleFactory.create(source=SOURCE))


def ran(job: Job, path: str, begin: float, end: float, **fields: object) -> None:
    """Let an operation run between two seconds of the job."""
    start = job.created_at
    OperationRun.objects.create(
        job=job, path=path, step=path.partition("/")[0], started_at=start + timedelta(seconds=begin),
        finished_at=start + timedelta(seconds=end),
        **{"attempt": 1, "status": "completed", "identifier": path, "key": "run", **fields},
    )  # fmt: skip


def row(markup: str, name: str) -> str:
    found = re.search(rf'<tr class="operation(?:(?!</tr>).)*>{name}<.*?</tr>', markup, re.DOTALL)
    assert found is not None, name
    return found[0]


def bars(markup: str, name: str, kind: str = "work") -> list[tuple[float, float]]:
    found = re.findall(
        rf'<rect class="tl-{kind}"\s+x="([\d.]+)%"\s+y="[\d.]+"\s+width="([\d.]+)%"', row(markup, name)
    )
    return [(float(left), float(width)) for left, width in found]


def test_operations_stand_on_one_scale_and_branches_beside_each_other(reader: Reader, job: Job) -> None:
    ran(job, "PRE/0", 0, 20)
    ran(job, "PRE/1", 20, 50, key="parallel")
    ran(job, "PRE/1/parallel/0", 20, 30)
    ran(job, "PRE/1/parallel/1", 20, 50)
    ran(job, "RUN/0", 50, 100)
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    assert bars(markup, "Build") == [(0, 20)]
    assert bars(markup, "Left") == [(20, 10)]
    assert bars(markup, "Right") == [(20, 30)]
    assert bars(markup, "Deploy") == [(50, 50)]
    assert 'aria-hidden="true"' in row(markup, "Deploy"), "the table says it in words"
    assert "tl-waits" not in markup


def test_what_a_name_leaves_open_is_no_code_of_the_rule_on_the_page(reader: Reader, dev: Environment) -> None:
    source = SOURCE.replace("name: Deploy", "name: 'Deploy {{ environment }}{# why #}'").replace(
        "Build", "Build {{ 1 }}"
    )
    job = JobFactory.at("RUN", "ready", environment=dev, rule=RuleFactory.create(source=source))
    ran(job, "PRE/0", 0, 1, status="skipped")
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    assert row(markup, "Build …")
    assert row(markup, "Deploy ……")
    assert "{{" not in markup


def test_a_long_trap_is_folded_and_named_and_does_not_count_as_work(reader: Reader, job: Job) -> None:
    ran(job, "PRE/0", 0, 50)
    ran(job, "RUN/0", 50, 100 + 3 * 3600)
    start = job.created_at
    Trap.objects.create(
        job=job, attempt=1, step="RUN", path="RUN/0", operation="deploy", name="Deploy", on_timeout="abort", answer="retry",
        began_at=start + timedelta(seconds=60), closed_at=start + timedelta(seconds=60 + 3 * 3600), deadline=start,
    )  # fmt: skip
    page = reader.get(f"/jobs/{job.pk}/")
    markup, shown = text(page), words(page)
    assert "1 Trap · Deploy 3 h 00 min" in shown
    work = bars(markup, "Deploy")
    assert len(work) == 2
    assert sum(width for _, width in work) == pytest.approx(48, abs=0.1), (
        "50 of 100 seconds, beside a band of 4"
    )
    ((left, width),) = bars(markup, "Deploy", "wait")
    assert width == 4
    assert left == pytest.approx(57.6, abs=0.1)
    assert "50 s waited 3 h 00 min" in re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row(markup, "Deploy")))


def test_the_wait_for_a_slot_does_not_count_as_work_once_it_is_over(reader: Reader, dev: Environment) -> None:
    source = "name: slots\nsteps:\n  RUN:\n    - run: a\n      name: Alone\n      semaphore: one\n"
    job = JobFactory.at("END", "finished", environment=dev, rule=RuleFactory.create(source=source))
    ran(job, "RUN/0", 0, 3640, memo={"excused": 3600.0})
    page = reader.get(f"/jobs/{job.pk}/")
    assert "1 Semaphore · Alone 1 h 00 min" in words(page)
    assert "40 s waited 1 h 00 min" in re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row(text(page), "Alone")))
    # Nor is it part of what is usual for the next one.
    later = JobFactory.at("RUN", "running", environment=dev, rule=job.rule)
    assert [each.usual_seconds for each in timeline.operations(later)] == [40.0]


def test_the_wait_for_the_date_is_told_from_that_for_an_approval(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at(
        "RUN", "ready", environment=dev, rule=RuleFactory.create(source=SOURCE), scheduled_at=timezone.now() + timedelta(hours=4),
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(created_at=job.created_at - timedelta(hours=2, seconds=25))
    job.refresh_from_db()
    StepRun.objects.filter(job=job).update(started_at=job.created_at)
    ran(job, "PRE/0", 0, 10)
    ran(job, "PRE/1", 10, 1810, key="approval", name="Go live")
    start = job.created_at
    Approval.objects.create(
        job=job, attempt=1, step="PRE", path="PRE/1", operation="go", name="Go live", result="approved",
        began_at=start + timedelta(seconds=10), closed_at=start + timedelta(seconds=1800),
    )  # fmt: skip
    ran(job, "PRE/1/parallel/0", 1800, 1860)
    shown = words(reader.get(f"/jobs/{job.pk}/"))
    assert re.search(r"1 Approval · Go live 29 min 50 s", shown)
    assert re.search(r"2 Scheduled date 1 h 29 min [\d:]+ –now", shown)


def test_what_took_longer_than_usual_is_marked(reader: Reader, job: Job, dev: Environment) -> None:
    for number in range(5):
        before = JobFactory.at("END", "finished", environment=dev, rule=job.rule)
        ran(before, "PRE/0", 0, 4 + number)
        ran(before, "RUN/0", 0, 60)
    ran(job, "PRE/0", 0, 30)
    ran(job, "RUN/0", 30, 90.5)
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    assert "Longer than usual" in row(markup, "Build")
    assert "4.4–7.6 s" in row(markup, "Build")
    assert "Longer than usual" not in row(markup, "Deploy")
    assert len(bars(markup, "Build", "usual")) == 1


def test_ten_thousand_operations_are_shown_by_and_by(reader: Reader, job: Job) -> None:
    start = job.created_at
    OperationRun.objects.bulk_create(
        OperationRun(
            job=job, attempt=1, path=f"RUN/0/foreach[{number}]/0", identifier=f"turn-{number}", key="run", step="RUN",
            status="failed" if number == 7000 else "completed", started_at=start + timedelta(seconds=number),
            finished_at=start + timedelta(seconds=number + 1),
        )
        for number in range(10_000)
    )  # fmt: skip
    markup = text(reader.get(f"/jobs/{job.pk}/"))
    assert markup.count('class="operation ') < 100
    assert "operation=turn-7000" in markup, "what failed stands out"
    assert "more operations" in markup
    part = text(reader.get(f"/jobs/{job.pk}/?attempt=1&step=RUN&from=300"))
    assert part.count('class="operation ') == 300
    assert "Only operations of RUN, which has 10001." in words(
        reader.get(f"/jobs/{job.pk}/?step=RUN&from=300")
    )
    assert 'href="?attempt=1&amp;step=RUN&amp;from=0"' in part
    assert 'href="?attempt=1&amp;step=RUN&amp;from=600"' in part
    assert len(part) < 1_000_000


@pytest.mark.parametrize(
    "query", ["step=RUN&from=99999999", "step=RUN&from=x", "step=NO", "step=RUN&from=-1", "from=%00"]
)
def test_an_address_that_names_nothing_is_no_error(reader: Reader, job: Job, query: str) -> None:
    assert reader.get(f"/jobs/{job.pk}/?{query}").status_code == 200


def test_queries_do_not_grow_with_operations_attempts_or_records(reader: Reader, job: Job) -> None:
    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert reader.get(f"/jobs/{job.pk}/").status_code == 200
        return len(queries)

    ran(job, "PRE/0", 0, 1, value={"output": "a", "returncode": 0})
    asked()
    before = asked()
    for number in range(30):
        ran(job, f"RUN/0/foreach[{number}]/0", number, number + 1, value={"output": "b", "returncode": 0})
    assert asked() == before


def test_a_page_of_a_waiting_job_does_not_change_by_itself(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev, scheduled_at=timezone.now() + timedelta(hours=4))
    ran(job, "PRE/0", -30, -20)
    seen = version(reader.get(f"/jobs/{job.pk}/"))
    assert reader.poll(f"/jobs/{job.pk}/", seen).status_code == 204


def test_a_rerun_begins_where_the_link_says(reader: Reader, job: Job) -> None:
    ran(job, "PRE/0", 0, 1, identifier="build")
    ran(job, "RUN/0", 1, 2, identifier="deploy")
    found = re.search(r'href="([^"]*/rerun/\?[^"]*RUN/0[^"]*)"', text(reader.get(f"/jobs/{job.pk}/")))
    assert found is not None
    form = text(reader.get(found[1].replace("&amp;", "&")))
    assert re.search(r'<option value="RUN/0"\s+selected', form)
    assert re.search(r'value="RUN"[^>]*\schecked', form)
    strange = reader.get(f"/jobs/{job.pk}/rerun/?step=NONE&from_operation=%3Cb%3E&comment=x")
    assert strange.status_code == 200
    assert "&lt;b&gt;" not in text(strange)


def test_who_may_not_rerun_gets_no_link(dev: Environment, job: Job) -> None:
    ran(job, "RUN/0", 1, 2)
    vera = Reader(user_with("view_monitor", environments=[dev]), "en")
    assert "/rerun/" not in text(vera.get(f"/jobs/{job.pk}/"))
