"""Section 9, the monitor: columns that the reader chooses, groups that fold, and the view as a file."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.http.response import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobs.models import Job
from jobs.monitor import export
from jobs.monitor.columns import COLUMNS, USUAL, Column
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import revoke
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    UserFactory,
    user_with,
)
from tests.pages import HTMX, Reader, text, version, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV", position=1)


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana, "en")


@pytest.fixture
def make(dev: Environment) -> Callable[..., Job]:
    """Make a job in DEV that shares all it can with the others."""
    common = {"rule": RuleFactory.create(slug="web"), "created_by": UserFactory.create(username="bea")}

    def create(name: str, **fields: Any) -> Job:
        return JobFactory.at("END", "finished", **{"environment": dev, "name": name, **common, **fields})

    return create


def headings(page: str) -> list[str]:
    """Return the headings of the columns, without those of the box and the menu of a row."""
    head = page[page.index("<thead") : page.index("</thead>")]
    found = [re.sub(r"<[^>]+>", "", each).strip() for each in re.findall(r"<th.*?</th>", head, re.DOTALL)]
    return found[1:-1]


def groups(page: str) -> list[tuple[str, str, bool]]:
    """Return heading, count and whether it is unfolded of each group."""
    found = re.findall(
        r'class="group-fold".*?aria-expanded="(\w+)">.*?</svg>\s*(.*?)\s*<span class="group-count">(.*?)</span>',
        page,
        re.DOTALL,
    )
    return [(heading, count, is_open == "true") for is_open, heading, count in found]


def names(page: str) -> list[str]:
    return re.findall(r'class="job-name"[^>]*>([^<]+)</a>', page)


def pieces_of(answer: Any) -> Iterator[bytes]:
    assert isinstance(answer, StreamingHttpResponse)
    yield from answer.streaming_content  # type: ignore[misc]


def file_of(answer: Any) -> str:
    return b"".join(pieces_of(answer)).decode()


def test_columns_are_those_that_were_asked_for_in_their_order(
    reader: Reader, make: Callable[..., Job]
) -> None:
    make("A", comment="because", urgent=True, revisions=["v1.2"])
    page = text(reader.get("/?columns=status,comment,name,revisions"))
    assert headings(page) == ["Status", "Comment", "Name", "Revision"]
    cells = re.findall(r'role="(?:cell|rowheader)"[^>]*class="(cell-\w+)|class="(cell-name)"', page)
    shown = ["".join(each) for each in cells]
    assert shown == ["cell-select", "cell-status", "cell-text", "cell-name", "cell-revisions", "cell-menu"]
    assert headings(text(reader.get("/?columns=status"))) == ["Name", "Status"], "the way to the job is there"
    refused = reader.get("/?columns=name,colour")
    assert (
        refused.status_code,
        "Columns: colour is no value here. Use one of: name, environment," in words(refused),
    ) == (400, True)


def test_every_column_has_a_cell_for_every_job(
    reader: Reader, make: Callable[..., Job], dev: Environment
) -> None:
    make(
        "A",
        project=ProjectFactory.create(code="shop"),
        natures=[NatureFactory.create(code="py")],
        comment="c",
    )
    JobFactory.at("PRE", "ready", environment=dev, name="B", project=None, revisions=[])
    page = text(reader.get(f"/?columns={','.join(COLUMNS)}"))
    assert page.count('role="cell"') == 2 * (len(COLUMNS) - 1 + 2), "the row's box and menu are cells, too"
    assert len(headings(page)) == len(COLUMNS)


def test_markup_in_any_cell_is_text(reader: Reader, dev: Environment) -> None:
    evil = "<i>\"'&"
    job = JobFactory.at(
        "RUN", "ready", environment=dev, name=evil, comment=evil,
        project=ProjectFactory.create(code=evil), natures=[NatureFactory.create(code=evil, name=evil)],
        created_by=user_with(username=evil), revisions=[evil],
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(reason=evil)
    Environment.objects.filter(pk=dev.pk).update(name=evil, colour=evil)
    page = text(reader.get(f"/?columns={','.join(COLUMNS)}"))
    row = page[page.index(f'id="row-{job.pk}"') : page.index("</tr>", page.index(f'id="row-{job.pk}"'))]
    assert row.count("&lt;i&gt;&quot;&#x27;&amp;") == 17
    assert "<i>" not in page
    assert evil not in page


def test_the_panel_of_columns_works_without_scripts(reader: Reader) -> None:
    page = text(reader.get("/?panel=columns&status=error"))
    assert page.count('name="at"') == len(COLUMNS)
    assert re.search(r'value="natures"\s+checked', page)
    assert 'name="status" value="error"' in page
    order = "&".join(f"at={key}" for key in COLUMNS)
    ticked = "&".join(f"column={key}" for key in USUAL if key != "step")

    def chosen(more: str) -> dict[str, str]:
        answer = reader.get(f"/?status=error&{order}&{ticked}{more}")
        assert answer.status_code == 302
        return dict(parse_qsl(urlsplit(answer["Location"]).query))

    without_step = ",".join(key for key in USUAL if key != "step")
    assert chosen("&move=") == {"status": "error", "columns": without_step}
    assert chosen("&move=&column=step") == {"status": "error"}, "the usual columns need no parameter"
    moved = chosen("&move=environment:up")
    assert moved["columns"].startswith("environment,name,status")
    assert moved["panel"] == "columns", "the panel stays open to move on"


@pytest.mark.parametrize(
    "column", [column for column in COLUMNS.values() if column.ordering], ids=lambda column: str(column.key)
)
def test_columns_with_an_order_sort_both_ways(
    reader: Reader, make: Callable[..., Job], column: Column
) -> None:
    now = timezone.now()
    for days, name in enumerate(["A", "B", "C"]):
        make(name, now=now - timedelta(days=9 - days))
    first, second = (
        reader.get(f"/?columns={column.key}&ordering={sign}{column.ordering}") for sign in ("", "-")
    )
    assert names(text(first)) == list(reversed(names(text(second)))) == ["A", "B", "C"]
    assert ('aria-sort="ascending"' in text(first), 'aria-sort="descending"' in text(second)) == (True, True)
    assert f"ordering=-{column.ordering}" in text(first)


def test_groups_of_time_fold_and_count(reader: Reader, make: Callable[..., Job], dev: Environment) -> None:
    now = timezone.now()
    for name, days in {"OLD": 900, "LAST": 1, "NOW1": 0, "NOW2": 0}.items():
        make(name, created_at=now - timedelta(days=days))
    JobFactory.at("RUN", "ready", environment=dev, name="SOON", scheduled_at=now + timedelta(days=2))
    page = text(reader.get("/"))
    assert groups(page) == [
        ("Upcoming", "1", True),
        ("Today", "2", True),
        ("Yesterday", "1", True),
        ("Older", "1", True),
    ]
    folded = text(reader.get("/?fold=today&fold=upcoming&fold=older"))
    assert groups(folded) == [
        ("Upcoming", "1", False),
        ("Today", "2", False),
        ("Yesterday", "1", True),
        ("Older", "1", False),
    ]
    assert names(folded) == ["LAST"]
    assert 'href="?fold=upcoming&amp;fold=older"' in folded, "the heading unfolds it again"
    assert version(reader.get("/")) != version(reader.get("/?fold=today"))
    assert names(text(reader.get("/?fold=nonsense"))) == names(page)
    everything = text(reader.get("/?fold=today&fold=upcoming&fold=older&fold=yesterday"))
    assert (names(everything), len(groups(everything))) == ([], 4), "no empty page without a way to unfold"


def test_a_group_that_goes_on_says_so_and_a_folded_one_makes_room(
    reader: Reader, make: Callable[..., Job]
) -> None:
    job = make("N-000", revisions=[], created_at=timezone.now() - timedelta(days=1))
    template = Job.objects.get(pk=job.pk)
    copies = []
    for number in range(1, 61):
        copy = Job.objects.get(pk=template.pk)
        copy.pk, copy.name, copy.created_at = None, f"N-{number:03}", timezone.now()
        copies.append(copy)
    Job.objects.bulk_create(copies)
    page = text(reader.get("/"))
    assert groups(page) == [("Today", "50+", True)]
    second = text(reader.get("/" + re.findall(r'rel="next"\s+href="([^"]+)"', page)[0].replace("&amp;", "&")))
    assert groups(second) == [("Today", "10+", True), ("Yesterday", "1", True)]
    folded = text(reader.get("/?fold=today"))
    assert groups(folded) == [("Today", "60", False), ("Yesterday", "1", True)]
    assert names(folded) == ["N-000"]


def test_another_date_makes_groups_of_its_own(
    reader: Reader, make: Callable[..., Job], dev: Environment
) -> None:
    now = timezone.now()
    make("DONE", now=now - timedelta(days=1))
    JobFactory.at("PRE", "ready", environment=dev, name="OPEN")
    page = text(reader.get("/?ordering=-finished_at"))
    assert [heading for heading, _count, _open in groups(page)] == ["Without this date", "Yesterday"]
    assert names(text(reader.get("/?ordering=-finished_at&fold=undated"))) == ["DONE"]
    assert names(text(reader.get("/?ordering=-finished_at&fold=yesterday"))) == ["OPEN"]
    assert groups(text(reader.get("/?ordering=name"))) == [], "names are no stretches of time"


def test_the_newest_of_each_environment_status_and_project(
    ana: User, dev: Environment, make: Callable[..., Job]
) -> None:
    prod, hidden = (
        EnvironmentFactory.create(code="PROD", position=2),
        EnvironmentFactory.create(code="HIDDEN", position=3),
    )
    user = user_with("view_monitor", environments=[dev, prod], username="carla")
    reader, shop = Reader(user, "en"), ProjectFactory.create(code="shop")
    for number in range(12):
        make(f"D{number}", project=None)
    make("P", environment=prod, project=shop)
    make("H", environment=hidden, project=ProjectFactory.create(code="hidden-project"))
    page = text(reader.get("/?group=environment"))
    shown = groups(page)
    assert [heading.partition(" ")[0] for heading, _count, _open in shown] == ["DEV", "PROD"]
    assert [count for _heading, count, _open in shown] == ["12", "1"]
    assert names(page) == [*(f"D{number}" for number in range(11, 1, -1)), "P"]
    assert 'href="?environment=DEV"' in page, "a way to all of the group"
    assert names(text(reader.get("/?group=environment&fold=environment-DEV"))) == ["P"]
    by_project = text(reader.get("/?group=project"))
    assert [heading for heading, _count, _open in groups(by_project)] == ["shop", "Without a project"]
    assert "hidden-project" not in by_project
    assert groups(text(reader.get("/?group=status&environment=PROD"))) == [("Finished", "1", True)]
    assert groups(text(reader.get("/?group=none"))) == []
    assert reader.get("/?group=colour").status_code == 400


@pytest.mark.parametrize("group", ["time", "environment", "status", "project"])
def test_groups_cost_the_same_queries_with_any_number_of_rows(
    reader: Reader, make: Callable[..., Job], django_assert_num_queries: DjangoAssertNumQueries, group: str
) -> None:
    natures = [NatureFactory.create()]
    make("A", natures=natures)
    address = f"/?group={group}&fold=yesterday"
    reader.get(address, **HTMX)
    with CaptureQueriesContext(connection) as few:
        reader.get(address, **HTMX)
    for number in range(15):
        make(
            f"B{number}",
            natures=natures,
            project=ProjectFactory.create(),
            created_at=timezone.now() - timedelta(days=number),
        )
    with django_assert_num_queries(len(few.captured_queries)):
        reader.get(address, **HTMX)


def test_csv_is_the_view(reader: Reader, make: Callable[..., Job], dev: Environment) -> None:
    make("=1+1", comment='says "hi", é', revisions=["v1", "v2"], urgent=True)
    JobFactory.at("PRE", "ready", environment=dev, name="B")
    JobFactory.at("END", "finished", environment=EnvironmentFactory.create(code="HIDDEN"), name="hidden")
    answer = reader.get(
        "/?format=csv&columns=name,comment,revisions,finished_at,urgent,id,outcome&status=finished&group=status"
    )
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="jobs-\d{4}-\d\d-\d\d-\d{4}\.csv"', answer["Content-Disposition"]
    )
    content = file_of(answer)
    assert content.startswith("\ufeffname,comment,")
    heading, row = csv.reader(io.StringIO(content.removeprefix("\ufeff")))
    assert heading == ["name", "comment", "revisions", "finished_at", "urgent", "id", "outcome"]
    job = Job.objects.get(name="=1+1")
    assert row[:3] == ["'=1+1", 'says "hi", é', "v1 v2"]
    assert row[4:] == ["true", str(job.pk), "finished"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", row[3])


def test_json_has_every_page_once_in_order(
    reader: Reader, make: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        make(f"J{number}")
    make("J9", environment=EnvironmentFactory.create(code="HIDDEN"))
    monkeypatch.setattr(export, "ROWS", 2)
    found = json.loads(file_of(reader.get("/?format=json&columns=name,natures,project&ordering=name")))
    assert [each["name"] for each in found] == ["J0", "J1", "J2", "J3", "J4"]
    assert set(found[0]) == {"name", "natures", "project"}
    assert json.loads(file_of(reader.get("/?format=json&q=nothing-has-this"))) == []
    assert reader.get("/?format=xls").status_code == 400


def test_a_right_withdrawn_while_a_file_is_read_ends_its_rows(
    reader: Reader, ana: User, dev: Environment, make: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make(f"J{number}")
    monkeypatch.setattr(export, "ROWS", 2)
    answer = reader.get("/?format=json&columns=name")
    pieces = pieces_of(answer)
    first = next(pieces)
    revoke(ana, Right.VIEW_MONITOR, dev)
    assert [each["name"] for each in json.loads(first + b"".join(pieces))] == ["J3", "J2"]
