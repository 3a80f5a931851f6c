"""Section 10, the log of a job: pages, filters, download."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.http import StreamingHttpResponse
from django.test import AsyncRequestFactory
from django.test.utils import CaptureQueriesContext

from jobs.api.doors import door
from jobs.api.log import LogDownloadView
from jobs.log.writer import append_entries, append_entry
from jobs.models import Job
from permissions import tokens
from permissions.models import Environment
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, moment, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def api(dev: Environment) -> Api:
    return Api(user_with("view_monitor", environments=[dev]))


@pytest.fixture
def job(dev: Environment) -> Job:
    """A job at its second attempt, with lines of two operations and a person in it."""
    job = JobFactory.create(environment=dev, attempt=2, name="N.DEV-7")
    append_entry(job.pk, 1, "PRE", "info", "first attempt", at=moment())
    append_entries(
        job.pk, 2, "PRE", [("info", f"line {number}") for number in range(8)], operation="PRE/0", operation_id="build",
        at=moment(),
    )  # fmt: skip
    append_entry(
        job.pk, 2, "RUN", "error", "It BROKE: ñ", operation="RUN/0", operation_id="deploy", at=moment()
    )
    append_entry(job.pk, 2, "RUN", "comment", "on it", username="oscar", at=moment())
    return job


def texts(api: Api, path: str) -> list[str]:
    return [entry["text"] for entry in api.get(path).json["results"]]


def test_an_entry_has_the_names_of_the_contract(api: Api, job: Job) -> None:
    page = api.get(f"jobs/{job.pk}/log/?step=RUN").json
    assert (page["next"], page["previous"]) == (None, None)
    assert page["results"] == [
        {
            "id": 10, "at": "2026-03-01T10:00:00Z", "attempt": 2, "step": "RUN", "operation": "deploy",
            "level": "error", "stream": "system", "text": "It BROKE: ñ", "user": None,
        },
        {
            "id": 11, "at": "2026-03-01T10:00:00Z", "attempt": 2, "step": "RUN", "operation": None,
            "level": "comment", "stream": "system", "text": "on it", "user": "oscar",
        },
    ]  # fmt: skip


def test_without_an_attempt_the_log_is_the_current_one(api: Api, job: Job) -> None:
    assert len(api.get(f"jobs/{job.pk}/log/").json["results"]) == 10
    assert texts(api, f"jobs/{job.pk}/log/?attempt=1") == ["first attempt"]
    assert "attempt 2" in api.get(f"jobs/{job.pk}/log/?attempt=3").field_errors()["attempt"]


def test_filters(api: Api, job: Job) -> None:
    log = f"jobs/{job.pk}/log/"
    assert texts(api, f"{log}?operation=deploy") == ["It BROKE: ñ"]
    assert texts(api, f"{log}?level=error&level=comment") == ["It BROKE: ñ", "on it"]
    assert texts(api, f"{log}?q=broke") == ["It BROKE: ñ"]
    assert texts(api, f"{log}?operation=nothing") == []


def test_pages_go_on_after_an_id_and_lead_back(api: Api, job: Job) -> None:
    log = f"jobs/{job.pk}/log/"
    first = api.get(f"{log}?limit=4")
    second = api.get(first.json["next"])
    assert [len(rows) for rows in (first.ids, second.ids)] == [4, 4]
    assert "after=5" in first.json["next"]
    assert api.get(second.json["previous"]).ids == first.ids
    assert first.json["previous"] is None
    assert [entry["id"] for entry in api.walk(f"{log}?limit=3")] == list(range(2, 12))
    assert api.get(f"{log}?after=9").ids == [10, 11]
    assert api.get(f"{log}?after=999").json["results"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("level=eror", "level"), ("step=run", "step"), ("attempt=0", "attempt"), ("attempt=x", "attempt"),
        ("attempt=99999999999999999999", "attempt"), ("after=-1", "after"), ("after=x", "after"),
        ("after=9223372036854775808", "after"), ("limit=5001", "limit"), ("limit=0", "limit"), ("q=a%00", "q"),
        ("q=" + "x" * 201, "q"), ("operation=%00", "operation"), ("colour=red", "colour"), ("cursor=x", "cursor"),
        ("step=RUN&step=PRE", "step"),
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_bad_parameters_are_named(api: Api, job: Job, query: str, field: str) -> None:
    assert api.get(f"jobs/{job.pk}/log/?{query}").field_errors().keys() == {field}


def test_the_largest_page_is_allowed(api: Api, job: Job) -> None:
    assert len(api.get(f"jobs/{job.pk}/log/?limit=5000&after=9223372036854775807").json["results"]) == 0


def test_a_page_costs_the_same_queries_however_long_the_log_is(api: Api, job: Job) -> None:
    api.get("me/")
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            api.get(f"jobs/{job.pk}/log/?limit=2")
        counts.append(len(queries))
        for number in range(5):
            append_entry(job.pk, 2, "RUN", "info", f"more {number}")
    assert counts[0] == counts[1]


def test_the_download_is_text(api: Api, job: Job) -> None:
    answer = api.get(f"jobs/{job.pk}/log/download/?step=RUN")
    assert answer.response["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.response["Content-Disposition"] == 'attachment; filename="N.DEV-7-2.log"'
    assert answer.content.decode() == "It BROKE: ñ\n[oscar] on it\n"
    assert api.get(f"jobs/{job.pk}/log/download/?q=broke", Accept="text/plain").content.count(b"\n") == 1
    assert api.get(f"jobs/{job.pk}/log/download/?limit=3").field_errors().keys() == {"limit"}


def test_no_line_of_a_person_looks_like_one_of_the_job(api: Api, job: Job) -> None:
    forged = "look\n10:00 RUN error: all is lost\rreally"
    append_entry(job.pk, 2, "RUN", "error", forged, username="eve")
    text = api.get(f"jobs/{job.pk}/log/download/?step=RUN").content.decode()
    assert text.endswith("[eve] look\n[eve] 10:00 RUN error: all is lost\n[eve] really\n")
    found = api.get(f"jobs/{job.pk}/log/download/?q=lost").content.decode()
    assert found.startswith("[eve] ")


def test_the_download_is_ndjson_when_asked_for(api: Api, job: Job) -> None:
    answer = api.get(f"jobs/{job.pk}/log/download/", Accept="application/x-ndjson")
    assert answer.response["Content-Type"] == "application/x-ndjson"
    weighed = api.get(
        f"jobs/{job.pk}/log/download/", Accept="text/plain;q=0.1, application/x-ndjson;q=1, */*;q=0.01"
    )
    assert weighed.response["Content-Type"] == "application/x-ndjson"
    refused = api.get(f"jobs/{job.pk}/log/download/", Accept="text/plain;q=0, */*")
    assert refused.response["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert lines == api.get(f"jobs/{job.pk}/log/").json["results"]


@pytest.mark.django_db(transaction=True)
def test_an_asgi_server_gets_the_download_in_pieces(job: Job, dev: Environment) -> None:
    token = tokens.issue(user_with("view_monitor", environments=[dev]))
    request = AsyncRequestFactory().get("/x", headers={"Authorization": f"Bearer {token}"})
    response = door(LogDownloadView)(request, job_id=job.pk)
    assert isinstance(response, StreamingHttpResponse)
    assert response.is_async

    async def read() -> bytes:
        found = b"".join([piece async for piece in response])
        # What the server does when it has sent a response.
        await sync_to_async(connections.close_all)()
        return found

    assert asyncio.run(read()).endswith("It BROKE: ñ\n[oscar] on it\n".encode())
