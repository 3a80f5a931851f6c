"""A log of any shape is read in pages of a bounded size."""

import re

import pytest

from jobs.log.writer import append_entries
from jobs.models import Job
from permissions.models import Environment
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.pages import HTMX, Reader, text

pytestmark = pytest.mark.django_db

LONG = 60_000
SHOWN = 4000
WHOLE = "ver la línea entera"


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def reader(dev: Environment) -> Reader:
    return Reader(user_with("view_monitor", environments=[dev]))


@pytest.fixture
def api(dev: Environment) -> Api:
    return Api(user_with("view_monitor", environments=[dev]))


@pytest.fixture
def job(dev: Environment) -> Job:
    return JobFactory.create(environment=dev, name="N.DEV-7")


def write(job: Job, lines: list[str]) -> None:
    append_entries(job.pk, 1, "PRE", [("info", line) for line in lines])


def ids(markup: str) -> list[int]:
    return [int(found) for found in re.findall(r'id="L(\d+)"', markup)]


def edge(markup: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}"\s+href="([^"]+)"', markup)
    return found and found[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    "line",
    [
        "x" * LONG,
        "\x00" * LONG,
        "\x00a" * (LONG // 2),
        "\x1b[1;4;31mx" * (LONG // 10),
        '"' * LONG,
        "\u202e" * 20_000,
    ],
    ids=["plain", "zeros", "zeros and text", "colours", "quotes", "reordering marks"],
)
def test_pages_are_small_and_leave_nothing_out(reader: Reader, job: Job, line: str) -> None:
    write(job, [line] * 150)
    address = f"/jobs/{job.pk}/log/"
    seen: list[int] = []
    following: str | None = ""
    while following is not None:
        markup = text(reader.get(address + following))
        assert len(markup.encode()) < 1.6e6
        seen = ids(markup) + seen
        following = edge(markup, "prev")
    assert seen == list(range(1, 151))


def test_pages_lead_on_to_later_lines(reader: Reader, job: Job) -> None:
    write(job, ["x" * LONG] * 600)
    address = f"/jobs/{job.pk}/log/"
    seen: list[int] = []
    following: str | None = "?after=0"
    while following is not None:
        markup = text(reader.get(address + following))
        seen += ids(markup)
        following = edge(markup, "next")
    assert seen == list(range(1, 601))


def test_a_cut_line_says_how_much_is_left_out_and_leads_to_all_of_it(reader: Reader, job: Job) -> None:
    write(job, ["short", "x" * LONG, "x" * SHOWN])
    address = f"/jobs/{job.pk}/log/"
    markup = text(reader.get(address))
    cuts = re.findall(r'>(x*)<a class="cut" href="([^"]+)" data-whole>([^<]+)</a>', markup)
    assert [(shown, label) for shown, _, label in cuts] == [("x" * SHOWN, f"… {WHOLE} (+56\xa0000)")]
    whole = text(reader.get(address + cuts[0][1].replace("&amp;", "&")))
    assert f'<span class="text">{"x" * LONG}</span>' in whole
    assert f'href="{address}?line=2&amp;whole=2#L2"' in text(reader.get(f"/jobs/{job.pk}/"))
    answer = reader.client.get(f"{address}download/?line=2")
    assert answer["Content-Disposition"] == 'attachment; filename="N.DEV-7-2.log"'
    assert b"".join(answer.streaming_content) == b"x" * LONG + b"\n"  # type: ignore[attr-defined]


def test_a_line_that_is_too_long_for_any_page_leads_to_the_file(reader: Reader, job: Job) -> None:
    """A build that writes one line over and over makes lines of megabytes."""
    last = job.log_lines + 1
    append_entries(job.pk, 1, "RUN", [("info", "0 %\r" + "x" * 3_000_000)])
    markup = text(reader.get(f"/jobs/{job.pk}/log/?line={last}&whole={last}&part=1"))
    assert len(markup) < 400_000
    assert f'href="download/?line={last}" download' in markup
    answer = reader.client.get(f"/jobs/{job.pk}/log/download/?line={last}")
    assert len(b"".join(answer.streaming_content)) > 3_000_000  # type: ignore[attr-defined]


def test_a_line_that_is_linked_to_is_on_its_page(reader: Reader, job: Job) -> None:
    write(job, ['"' * LONG] * 300)
    for line in (1, 5, 150, 300):
        assert line in ids(text(reader.get(f"/jobs/{job.pk}/log/?line={line}")))


def test_a_poll_is_small_and_says_what_it_left_out(reader: Reader, job: Job) -> None:
    write(job, ["x" * LONG] * 600)
    markup = text(reader.get(f"/jobs/{job.pk}/log/?after=10&attempt=1", **HTMX))
    assert len(markup.encode()) < 1.6e6
    shown = ids(markup)
    assert shown == list(range(shown[0], 601))
    assert f"{shown[0] - 11} líneas" in markup


@pytest.mark.parametrize(("line", "most"), [("x" * LONG, 34), ("\x00" * LONG, 5)], ids=["plain", "zeros"])
def test_the_api_sends_whole_lines_in_small_pages(api: Api, job: Job, line: str, most: int) -> None:
    write(job, [line] * 80)
    log = f"jobs/{job.pk}/log/?limit=5000"
    first = api.get(log)
    assert len(first.content) < 2.2e6
    assert len(first.json["results"]) == most
    rows = api.walk(log)
    assert [row["id"] for row in rows] == list(range(1, 81))
    assert {row["text"] for row in rows} == {line}
    second = api.get(first.json["next"])
    assert api.get(second.json["previous"]).ids == first.ids
