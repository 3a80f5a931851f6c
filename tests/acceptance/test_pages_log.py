"""Section 9, the page of a log: any place of it, searching, folding, marking, files."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.log.writer import append_entries
from jobs.models import Job, OperationRun
from jobs.monitor import log_search
from permissions.models import Environment
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.pages import HTMX, Reader, text, words

pytestmark = pytest.mark.django_db

START = timezone.now().replace(microsecond=0) - timedelta(hours=2)


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def reader(dev: Environment) -> Reader:
    return Reader(user_with("view_monitor", environments=[dev]), "en")


@pytest.fixture
def job(dev: Environment) -> Job:
    return JobFactory.at("RUN", "running", environment=dev, name="N.DEV-00000007")


def operation(
    job: Job, name: str, lines: list[str], status: str = "completed", level: str = "info", **more: Any
) -> None:
    """Let an operation write lines and end after 75 seconds."""
    number = job.operation_runs.count()
    path = f"RUN/{number}"
    OperationRun.objects.create(
        job=job, attempt=job.attempt, path=path, identifier=name, name=name.title(), key="run", step="RUN", status=status,
        started_at=START, finished_at=None if status == "running" else START + timedelta(seconds=75), **more,
    )  # fmt: skip
    append_entries(
        job.pk,
        job.attempt,
        "RUN",
        [(level, line) for line in lines],
        operation=path,
        operation_id=name,
        at=START,
    )


def address(job: Job, query: str = "") -> str:
    return f"/jobs/{job.pk}/log/{query}"


def ids(markup: str) -> list[int]:
    return [int(found) for found in re.findall(r'class="line[^"]*" id="L(\d+)"', markup)]


def marked(markup: str) -> list[int]:
    return [int(found) for found in re.findall(r'class="line[^"]* is-marked" id="L(\d+)"', markup)]


def link(markup: str, label: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>\s*(?:<span[^>]*>)?[^<]*{label}', markup) or re.search(
        rf'href="([^"]+)"[^>]*aria-label="{label}', markup
    )
    assert found is not None, label
    return found[1].replace("&amp;", "&")


def headings(markup: str) -> list[str]:
    found = re.findall(r'<div class="op[^>]*>(.*?)</div>', markup)
    return [" ".join(re.sub(r"<[^>]+>", " ", heading).split()) for heading in found]


def test_any_place_is_opened_by_its_address(reader: Reader, job: Job) -> None:
    operation(job, "build", [f"line {number}" for number in range(1, 3001)])
    for query, first, last in (
        ("", 2501, 3000),
        ("?after=0", 1, 500),
        ("?before=1501", 1001, 1500),
        ("?line=1500", 1470, 1969),
        ("?lines=1500-1502", 1470, 1969),
        ("?percent=50", 1470, 1969),
        ("?percent=0", 1, 500),
        ("?percent=999", 2970, 3000),
        ("?near=3000", 2970, 3000),
    ):
        shown = ids(text(reader.get(address(job, query))))
        assert (shown[0], shown[-1]) == (first, last), query
        assert shown == list(range(first, last + 1)), query
    assert marked(text(reader.get(address(job, "?line=1500")))) == [1500]
    assert marked(text(reader.get(address(job, "?lines=1502-1500")))) == [1500, 1501, 1502]
    part = reader.get(address(job, "?after=500&part=1"))
    assert ids(text(part)) == list(range(501, 1501))
    assert "<html" not in text(part)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("7", "line=7#L7"),
        (" 100 % ", "near=40#L40"),
        ("50%", "near=20#L20"),
        ("999999", "line=40#L40"),
        ("0", "line=1#L1"),
    ],
)
def test_a_line_or_a_percentage_is_gone_to(reader: Reader, job: Job, typed: str, found: str) -> None:
    operation(job, "build", ["x"] * 40)
    answer = reader.get(address(job, f"?attempt=1&level=info&go={typed.replace('%', '%25')}"))
    assert (answer.status_code, answer["Location"]) == (302, f"?attempt=1&level=info&{found}")


def test_what_is_no_place_is_named_and_the_lines_stay(reader: Reader, job: Job) -> None:
    operation(job, "build", ["x"] * 3)
    page = reader.get(address(job, "?go=<b>two"))
    assert "“<b>two” is neither the number of a line nor a percentage such as 50 %." in words(page)
    assert ids(text(page)) == [1, 2, 3]
    assert "neither" not in words(reader.get(address(job, "?go=")))


def test_a_search_goes_to_the_lines_one_after_the_other_and_round(reader: Reader, job: Job) -> None:
    operation(
        job, "build", [f"line {number}" + " Nee\x1b[1mdle" * (number % 300 == 0) for number in range(1, 1001)]
    )
    answer = reader.get(address(job, "?q=needle"))
    assert (answer.status_code, answer["Location"]) == (302, "?attempt=1&q=needle&hit=300#L300")
    seen = []
    for _ in range(4):
        page = reader.get(address(job, answer["Location"].partition("#")[0]))
        markup = text(page)
        assert re.findall(r'is-hit" id="L(\d+)"', markup) == [answer["Location"].rpartition("L")[2]]
        assert '<mark>Nee</mark><mark class="ansi-bold">dle</mark>' in markup
        assert len(ids(markup)) > 100, "lines without the text are shown, too"
        found = re.search(r"(\d) of 3 matching lines", words(page))
        assert found is not None
        seen.append(int(found[1]))
        answer = reader.get(address(job, link(markup, "Next match")))
    assert seen == [1, 2, 3, 1]
    back = reader.get(address(job, link(markup, "Previous match")))
    assert back["Location"].endswith("hit=900#L900")
    without = link(markup, "End the search")
    assert without == "?attempt=1&line=300"
    assert "No line matches." in words(reader.get(address(job, "?q=nothing")))
    assert ids(text(reader.get(address(job, "?q=needle&only=1&hit=600")))) == [600, 900]


def test_a_search_that_takes_long_goes_on_where_it_stopped(
    reader: Reader, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "FIND_SECONDS", 0.0)
    monkeypatch.setattr(log_search, "COUNT_SECONDS", 0.0)
    for number in range(4):
        operation(job, f"op{number}", ["nothing", "needle"] if number == 2 else ["nothing", "else"])
    query, pages = "?q=needle", 0
    while (answer := reader.get(address(job, query))).status_code == 200:
        pages += 1
        assert f"Nothing up to line {2 * pages} so far." in words(answer)
        query = link(text(answer), "Search on")
    assert (pages, answer["Location"]) == (2, "?attempt=1&q=needle&hit=6#L6")
    page = text(reader.get(address(job, answer["Location"].partition("#")[0])))
    assert "0+ matching lines" in page
    fragments = 0
    while found := re.search(r'hx-get="([^"]+)"', page[page.index("log-count") :].partition("</span>")[0]):
        page = text(reader.get(address(job, found[1].replace("&amp;", "&")), **HTMX))
        fragments += 1
    assert fragments == 4
    assert "1 of 1 matching line" in " ".join(page.split())
    for query in ("?q=zzz", "?q=zzz&find=previous&from=3"):
        for _ in range(12):
            answer = reader.get(address(job, query))
            if "No line matches." in words(answer):
                break
            query = link(text(answer), "Search on")
        assert "No line matches." in words(answer)


@pytest.mark.parametrize("counted", ["x", "1-2", "9-9-9-9", "-1-2-3", "99999999999999999999-1-1", "1-9-0"])
def test_a_count_that_was_made_up_harms_nobody(reader: Reader, job: Job, counted: str) -> None:
    operation(job, "build", ["needle"] * 3)
    assert "matching lines" in text(reader.get(address(job, f"?q=needle&hit=1&counted={counted}"), **HTMX))


def test_operations_have_headings_with_their_result_and_fold(reader: Reader, job: Job) -> None:
    operation(job, "build", ["b1", "b2", "b3"])
    operation(job, "test", ["t1", "t2"], status="failed", level="error")
    operation(job, "deploy", ["d1"], status="running")
    page = text(reader.get(address(job)))
    assert [re.sub(r"\d+ (h|min|s).*", "…", heading) for heading in headings(page)] == [
        "▾ RUN Build Completed …", "▾ RUN Test Failed …", "▾ RUN Deploy Running …",
    ]  # fmt: skip
    assert "1 min 15 s" in headings(page)[0]
    folded = text(reader.get(address(job, link(page, "Fold Build").partition("#")[0])))
    assert ids(folded) == [4, 5, 6]
    assert headings(folded)[0] == "▸ RUN Build Completed 1 min 15 s 3 lines"
    opened = text(reader.get(address(job, link(folded, "Unfold Build").partition("#")[0])))
    assert ids(opened) == [1, 2, 3, 4, 5, 6]
    most = text(reader.get(address(job, link(page, "Fold all but failures"))))
    assert ids(most) == [4, 5, 6], "what failed and what runs stays open"
    assert ids(text(reader.get(address(job, link(most, "Unfold Build").partition("#")[0])))) == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert ids(text(reader.get(address(job, link(most, "Fold Test").partition("#")[0])))) == [6]
    assert ids(text(reader.get(address(job, link(most, "Unfold all"))))) == [1, 2, 3, 4, 5, 6]
    assert "with errors" in headings(text(reader.get(address(job, "?fold=test"))))[1]
    assert ids(text(reader.get(address(job, "?fold=build&fold=test&line=5")))) == [4, 5, 6], (
        "a link opens what it leads to"
    )


def test_more_folded_operations_than_a_page_holds_are_on_the_next(reader: Reader, job: Job) -> None:
    for number in range(450):
        append_entries(
            job.pk, 1, "RUN", [("info", "x")] * 2, operation=f"RUN/{number}", operation_id=f"o{number}"
        )
    for query, rel in (("?fold=*&after=0", "next"), ("?fold=*", "prev")):
        seen: list[int] = []
        following: str | None = query
        while following is not None:
            page = text(reader.get(address(job, following)))
            here = [int(found) for found in re.findall(r'id="op-(\d+)"', page)]
            assert len(here) <= 200
            seen = seen + here if rel == "next" else here + seen
            found = re.search(rf'rel="{rel}"\s+href="([^"]+)"', page)
            following = found[1].replace("&amp;", "&") if found else None
        assert seen == list(range(1, 900, 2))


def test_colours_go_on_from_above_the_page_and_from_before_the_poll(reader: Reader, job: Job) -> None:
    operation(job, "build", ["\x1b[31mred", *["still red"] * 60, "\x1b[0mplain"])
    page = text(reader.get(address(job, "?line=50")))
    assert ids(page)[0] == 20
    assert '<span class="text"><span class="ansi-fg-red">still red</span></span>' in page
    assert 'id="L62">' in page
    assert '<span class="text">plain</span>' in page
    poll = text(reader.get(address(job, "?after=60&attempt=1"), **HTMX))
    assert '<span class="ansi-fg-red">still red</span>' in poll


def test_times_are_relative_on_request_and_whole_in_the_title(reader: Reader, job: Job) -> None:
    job.step_runs.filter(attempt=1).update(started_at=START - timedelta(seconds=3723))
    operation(job, "build", ["x"])
    page = text(reader.get(address(job)))
    assert 'data-since="+1:02:03"' in page
    assert re.search(rf'title="[^"]+\.000 [^"]+ · {START:%Y-%m-%d %H:%M:%S} UTC"', page)
    assert 'class="log-view"' in page
    relative = text(reader.get(address(job, link(page, "Relative times"))))
    assert 'class="log-view is-relative"' in relative
    both = text(reader.get(address(job, link(relative, "Do not wrap lines"))))
    assert 'class="log-view is-relative is-unwrapped"' in both
    assert "time=relative" in link(both, "Fold all but failures"), "links keep it"


def test_the_file_holds_what_the_filter_keeps(reader: Reader, job: Job) -> None:
    operation(job, "build", ["one", "two"])
    operation(job, "test", ["thrée <\x1b[1m>"], level="error")
    page = text(reader.get(address(job, "?level=error&fold=test")))
    plain: Any = reader.client.get(address(job) + link(page, "As text").removeprefix(address(job)))
    assert b"".join(plain.streaming_content).decode() == "thrée <\x1b[1m>\n"
    lines: Any = reader.client.get(link(page, "As JSON lines"))
    assert (lines["Content-Type"], lines["Content-Disposition"]) == (
        "application/x-ndjson", 'attachment; filename="N.DEV-00000007.ndjson"',
    )  # fmt: skip
    rows = [json.loads(line) for line in b"".join(lines.streaming_content).splitlines()]
    assert [(row["id"], row["operation"], row["text"]) for row in rows] == [(3, "test", "thrée <\x1b[1m>")]


def test_a_poll_tells_how_operations_are_that_have_a_heading(reader: Reader, job: Job) -> None:
    operation(job, "build", ["one"], status="running")
    page = text(reader.get(address(job)))
    found = re.search(r'hx-get="([^"]+)"', page[page.index('id="log-end"') :])
    assert found is not None
    run = job.operation_runs.get()
    OperationRun.objects.filter(pk=run.pk).update(
        status="completed", finished_at=START + timedelta(seconds=9)
    )
    append_entries(job.pk, 1, "RUN", [("info", "after")], operation="RUN/0", operation_id="build")
    fragment = text(reader.get(address(job, found[1].replace("&amp;", "&")), **HTMX))
    assert f'data-run-news="{run.pk}"><span class="op-is op-is-completed">Completed</span>' in fragment


def test_a_window_costs_the_same_with_many_operations(reader: Reader, job: Job) -> None:
    def queries(query: str) -> int:
        with CaptureQueriesContext(connection) as found:
            reader.get(address(job, query))
        return len(found)

    operation(job, "first", ["x"])
    operation(job, "second", ["x"])
    few = [queries(query) for query in ("", "?fold=*", "?line=2", "?q=zzz")]
    for number in range(30):
        operation(job, f"op{number}", ["x"])
    assert [queries(query) for query in ("", "?fold=*", "?line=2", "?q=zzz")] == few
