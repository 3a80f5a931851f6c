"""The stream and waiting as addresses of the API, and that events tell what lists tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import filters, selectors
from jobs.lifecycle import Event
from jobs.log.writer import append_entry
from jobs.models import Job
from jobs.representation import represent_job
from jobs.stream.matching import matches
from permissions.catalog import Right
from permissions.models import User
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, NatureFactory, ProjectFactory, happen, user_with


def events_of(text: str) -> list[tuple[str, Any]]:
    """Return name and data of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def position_of(api: Api) -> str:
    """Return where a stream begins that begins now."""
    text = api.get("stream/").content.decode()
    return text.split("id: ")[-1].strip()


@pytest.mark.django_db(transaction=True)
class TestStream:
    """Where there is no event loop, as here, a stream ends when all was told, and its reader comes back."""

    def test_each_event_tells_the_job_as_it_was_then(self) -> None:
        api = Api(user_with(Right.VIEW_MONITOR))
        begin = position_of(api)
        job = JobFactory.create(natures=[NatureFactory.create()])
        first = api.get(f"jobs/?q={job.pk}").json["results"][0]
        append_entry(job.pk, 1, "INIT", "info", "one\ntwo")
        happen(job, Event.STEP_OK)
        last = api.get(f"jobs/?q={job.pk}").json["results"][0]
        entries = api.get(f"jobs/{job.pk}/log/").json["results"]

        told = events_of(api.get("stream/", **{"Last-Event-ID": begin}).content.decode())

        assert [(name, data) for name, data in told if name == "job"] == [("job", first), ("job", last)]
        lines = [{"job": job.pk, "entry": entry} for entry in entries]
        assert [data for name, data in told if name == "log"] == lines
        assert [name for name, _ in told] == ["job", "log", "log", "job"]

    def test_it_goes_on_in_the_middle_of_what_was_written_together(self) -> None:
        api = Api(user_with(Right.VIEW_MONITOR))
        begin = position_of(api)
        job = JobFactory.create()
        append_entry(job.pk, 1, "INIT", "info", "\n".join(map(str, range(5))))
        text = api.get("stream/", **{"Last-Event-ID": begin}).content.decode()
        third = next(block for block in text.split("\n\n") if '"text":"2"' in block)
        place = third.split("\n")[0].removeprefix("id: ")

        rest = events_of(api.get(f"stream/?last_event_id={place}").content.decode())

        assert [data["entry"]["text"] for _, data in rest] == ["3", "4"]

    def test_a_job_that_goes_is_told_and_its_events_are_gone_with_it(self) -> None:
        api = Api(user_with(Right.VIEW_MONITOR))
        begin = position_of(api)
        job = JobFactory.at("END", "finished")
        number = job.pk
        job.delete()
        told = events_of(api.get("stream/", **{"Last-Event-ID": begin}).content.decode())
        assert told == [("deleted", {"id": number})]

    def test_what_is_not_to_be_seen_or_not_wanted_is_not_told(self) -> None:
        here, there = EnvironmentFactory.create(), EnvironmentFactory.create()
        user = user_with(Right.VIEW_MONITOR, environments=[here])
        both = user_with(Right.VIEW_MONITOR)
        begin = position_of(Api(user))
        seen, hidden = JobFactory.create(environment=here), JobFactory.create(environment=there)
        append_entry(seen.pk, 1, "INIT", "info", "said")
        append_entry(hidden.pk, 1, "INIT", "info", "hidden")

        def told(api: Api, query: str = "") -> list[int]:
            text = api.get(f"stream/?last_event_id={begin}{query}").content.decode()
            return [data.get("job", data.get("id")) for _, data in events_of(text)]

        assert told(Api(user)) == [seen.pk, seen.pk]
        assert told(Api(user), "&events=log") == [seen.pk]
        assert told(Api(user), f"&environment={there.code}") == []
        assert told(Api(both), f"&environment={there.code}&events=job") == [hidden.pk]
        assert told(Api(both, environments=[there.code]), "&events=job") == [hidden.pk]
        assert told(Api(both), "&status=finished") == []

    def test_it_can_be_narrowed_to_one_job_that_one_may_see(self) -> None:
        here = EnvironmentFactory.create()
        api = Api(user_with(Right.VIEW_MONITOR, environments=[here]))
        begin = position_of(api)
        mine, other = JobFactory.create(environment=here), JobFactory.create(environment=here)
        hidden = JobFactory.create()
        append_entry(other.pk, 1, "INIT", "info", "not mine")

        told = events_of(api.get(f"stream/?job={mine.pk}&last_event_id={begin}").content.decode())

        assert [(name, data["id"]) for name, data in told] == [("job", mine.pk)]
        api.get(f"stream/?job={hidden.pk}").problem(404, "not_found")
        api.get(f"stream/?job={hidden.pk}&hints=true").problem(404, "not_found")

    def test_hints_are_for_servers_that_can_give_them(self) -> None:
        answer = Api(user_with(Right.VIEW_MONITOR)).get("stream/?hints=true")
        assert (answer.status, answer.content) == (204, b"")

    def test_who_was_away_for_too_long_is_told_to_list_again(self) -> None:
        api = Api(user_with(Right.VIEW_MONITOR))
        JobFactory.create()
        for place in ("99999999", "0"):
            told = events_of(api.get("stream/", **{"Last-Event-ID": place}).content.decode())
            assert [name for name, _ in told] == ["reset"]


@pytest.mark.django_db
class TestParameters:
    @pytest.mark.parametrize(
        ("query", "headers", "field", "message"),
        [
            ("stats=ready", {}, "stats", "Did you mean status?"),
            ("status=redy", {}, "status", "Did you mean ready?"),
            ("events=jobs", {}, "events", "Did you mean job?"),
            ("limit=5", {}, "limit", "Unknown parameter"),
            ("job=first", {}, "job", "whole number"),
            ("hints=yes", {}, "hints", "true or false"),
            ("hints=true&last_event_id=5", {}, "last_event_id", "no ids"),
            ("last_event_id=abc", {}, "last_event_id", "not the id"),
            ("", {"Last-Event-ID": "1;DROP"}, "Last-Event-ID", "not the id"),
        ],
    )
    def test_what_is_not_usable_is_refused_and_named(
        self, query: str, headers: dict[str, str], field: str, message: str
    ) -> None:
        api = Api(user_with(Right.VIEW_MONITOR))
        assert message in api.get(f"stream/?{query}", **headers).field_errors()[field]

    def test_it_is_for_those_who_are_signed_in_and_read_only(self) -> None:
        Api().get("stream/").problem(401, "not_authenticated")
        api = Api(user_with(Right.VIEW_MONITOR))
        api.post("stream/", {}).problem(405, "method_not_allowed")
        assert api.call("HEAD", "stream/").status == 200

    def test_a_browser_s_way_to_ask_is_answered(self) -> None:
        answer = Api(user_with(Right.VIEW_MONITOR)).get("stream/", Accept="text/event-stream")
        assert answer.status == 200
        assert answer.response["Content-Type"] == "text/event-stream"


@pytest.mark.django_db
class TestWait:
    def test_it_is_the_job_when_it_is_so_and_as_it_is_when_not_yet(self) -> None:
        user = user_with(Right.VIEW_MONITOR)
        api, job = Api(user), JobFactory.at("RUN", "ready")
        answer = api.get(f"jobs/{job.pk}/wait/?timeout=0")
        assert (answer.status, answer.json) == (202, api.get(f"jobs/{job.pk}/").json)
        assert api.get(f"jobs/{job.pk}/wait/?until=ready&timeout=0").status == 200
        happen(job, Event.CANCEL)
        answer = api.get(f"jobs/{job.pk}/wait/")
        assert (answer.status, answer.json) == (200, api.get(f"jobs/{job.pk}/").json)

    @pytest.mark.parametrize(
        ("query", "field"),
        [("until=end", "until"), ("timeout=301", "timeout"), ("timeout=-1", "timeout"), ("until=ready&until=error", "until"),
         ("timeout=1.5", "timeout"), ("for=1", "for")],
    )  # fmt: skip
    def test_what_is_not_usable_is_refused_and_named(self, query: str, field: str) -> None:
        api, job = Api(user_with(Right.VIEW_MONITOR)), JobFactory.create()
        assert field in api.get(f"jobs/{job.pk}/wait/?{query}").field_errors()

    def test_what_one_may_not_see_does_not_exist(self) -> None:
        job = JobFactory.create()
        api = Api(user_with(Right.VIEW_MONITOR, environments=[EnvironmentFactory.create()]))
        api.get(f"jobs/{job.pk}/wait/").problem(404, "not_found")
        api.get("jobs/99999999/wait/").problem(404, "not_found")


@pytest.mark.django_db
def test_events_are_narrowed_as_lists_are() -> None:
    user: User = user_with(Right.VIEW_MONITOR)
    nature, project = NatureFactory.create(code="python"), ProjectFactory.create()
    jobs = [
        JobFactory.create(
            comment="Ñandú 100%_", project=project, natures=[nature], revisions=["v1.0.0", "main"]
        ),
        JobFactory.at("END", "finished", comment="Straße"),
        JobFactory.at("RUN", "cancelled", type="demote", project=None),
        JobFactory.create(name="N.PROD-7", urgent=True),
    ]
    Job.objects.filter(pk=jobs[1].pk).update(
        started_at="2026-03-01T00:00:00Z", created_at="2026-02-01T00:00:00Z"
    )
    sha = jobs[0].revisions.all()[0].sha
    words = st.sampled_from(
        [
            "ñandú",
            "ÑANDÚ",
            "%",
            "_",
            "v1.0.0",
            "v1.0",
            "main",
            sha[:7],
            sha[:6],
            sha.upper(),
            str(jobs[1].pk),
            "n.prod",
            "z",
        ]
    )
    dates = st.sampled_from(
        ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2030-01-01T00:00:00Z"]
    )
    parameters = st.fixed_dictionaries(
        {},
        optional={
            "status": st.lists(st.sampled_from(["running", "finished", "cancelled"]), max_size=2),
            "step": st.lists(st.sampled_from(["INIT", "END", "RUN"]), max_size=2),
            "type": st.lists(st.sampled_from(["promote", "demote"]), max_size=1),
            "nature": st.just(["python"]),
            "environment": st.just([jobs[0].environment.code]),
            "project": st.sampled_from([[project.code], ["nobody"]]),
            "created_by": st.just([jobs[1].created_by.username]),
            "exclude_status": st.lists(st.sampled_from(["running", "finished"]), max_size=2),
            "exclude_nature": st.just(["python"]),
            "exclude_project": st.sampled_from([[project.code], ["nobody"]]),
            "exclude_created_by": st.just([jobs[1].created_by.username]),
            "q": st.lists(words, max_size=2).map(lambda found: [" ".join(found)]),
            "started_after": st.lists(dates, max_size=1),
            "finished_before": st.lists(dates, max_size=1),
            "created_before": st.lists(dates, max_size=1),
        },
    )
    shown = [represent_job(job) for job in selectors.jobs_as_listed(job.pk for job in jobs).values()]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(parameters)
    def compare(given_: dict[str, list[str]]) -> None:
        wanted = filters.parse_filter(given_)
        listed = set(selectors.listed_jobs(user, wanted).values_list("pk", flat=True))
        assert {each["id"] for each in shown if matches(wanted, each)} == listed

    compare()
