"""Section 10, how the API behaves: tags, gzip, other sites, how often one may ask."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.conf import LazySettings, settings

from jobs.api import rates
from jobs.lifecycle import Event
from jobs.models import Job
from permissions.models import Environment
from tests.api import ROOT, Api
from tests.factories import EnvironmentFactory, JobFactory, happen, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def api(dev: Environment) -> Api:
    return Api(user_with("view_monitor", "cancel", environments=[dev], username="ana"))


@pytest.fixture
def job(dev: Environment) -> Job:
    return JobFactory.at("RUN", "running", environment=dev, project=None)


# --- tags ---


def test_a_job_is_sent_again_only_when_something_in_it_changed(api: Api, job: Job) -> None:
    address = f"jobs/{job.pk}/"
    first = api.get(address)
    tag = first.response["ETag"]
    assert not tag.startswith("W/")
    assert first.response["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= {each.strip() for each in first.response["Vary"].split(",")}
    for known in (tag, f'"x", W/{tag}', "*"):
        again = api.get(address, **{"If-None-Match": known})
        assert (again.status, again.content) == (304, b"")
        assert again.response["ETag"] == tag
        assert again.response["Cache-Control"] == "private, no-cache"
        assert "Content-Type" not in again.response.headers
    head = api.client.head(ROOT + address, headers={**api.headers, "If-None-Match": tag})
    assert head.status_code == 304
    happen(job, Event.STEP_OK)
    changed = api.get(address, **{"If-None-Match": tag})
    assert changed.status == 200
    assert changed.json["step"] == "POST"
    assert changed.response["ETag"] != tag


def test_the_tag_differs_for_whoever_may_do_something_else(api: Api, dev: Environment, job: Job) -> None:
    other = Api(user_with("view_monitor", environments=[dev]))
    tag = api.get(f"jobs/{job.pk}/").response["ETag"]
    assert other.get(f"jobs/{job.pk}/", **{"If-None-Match": tag}).status == 200


@pytest.mark.parametrize("known", ["", '"x"', "x", 'W/"', "\x00", ",,,", '"' + "x" * 5000 + '"'])
def test_a_tag_of_something_else_gets_all_of_it(api: Api, job: Job, known: str) -> None:
    assert api.get(f"jobs/{job.pk}/", **{"If-None-Match": known}).status == 200


def test_what_is_no_reading_and_what_failed_is_kept_nowhere(api: Api, job: Job) -> None:
    refused = api.get("jobs/0/", **{"If-None-Match": "*"})
    assert (refused.status, refused.response["Cache-Control"]) == (404, "no-store")
    assert "ETag" not in refused.response.headers
    done = api.post(f"jobs/{job.pk}/cancel/", {}, **{"If-None-Match": "*"})
    assert (done.status, done.response["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in done.response.headers
    download = api.get(f"jobs/{job.pk}/log/download/")
    assert (download.status, download.response["Cache-Control"]) == (200, "private, no-cache")


# --- gzip ---


def test_json_that_is_read_comes_compressed_to_those_who_take_it(api: Api, job: Job) -> None:
    plain = api.get(f"jobs/{job.pk}/")
    assert "Content-Encoding" not in plain.response.headers
    packed = api.get(f"jobs/{job.pk}/", **{"Accept-Encoding": "br, gzip"})
    assert packed.response["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.content)) == plain.json
    assert "Accept-Encoding" in packed.response["Vary"]
    tag = packed.response["ETag"]
    assert tag == f"W/{plain.response['ETag']}", "the same answer in another form"
    again = api.get(f"jobs/{job.pk}/", **{"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert (again.status, again.content) == (304, b"")


def test_weights_and_capitals_in_what_they_take(api: Api, job: Job) -> None:
    for takes, coding in (
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", None),
        ("br", None),
    ):
        answer = api.get(f"jobs/{job.pk}/", **{"Accept-Encoding": takes})
        assert answer.response.get("Content-Encoding") == coding, takes


def test_writing_under_a_condition_is_refused(api: Api, job: Job) -> None:
    for name in ("If-Match", "If-Unmodified-Since"):
        assert set(api.post(f"jobs/{job.pk}/cancel/", {}, **{name: "x"}).field_errors()) == {name}


def test_what_holds_a_secret_or_comes_in_pieces_is_not_compressed(api: Api, job: Job) -> None:
    takes = {"Accept-Encoding": "gzip"}
    assert "Content-Encoding" not in api.post(f"jobs/{job.pk}/cancel/", {}, **takes).response.headers
    assert "Content-Encoding" not in api.get(f"jobs/{job.pk}/log/download/", **takes).response.headers
    page = Api().get("/login/", **takes)
    assert page.status == 200
    assert "csrfmiddlewaretoken" in page.content.decode()
    assert "Content-Encoding" not in page.response.headers


# --- other sites ---

SITE = "https://ci.example.com"


def test_no_other_site_may_read_by_default(api: Api) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {**api.headers, "Origin": SITE, "Access-Control-Request-Method": "GET"}
        answer = api.client.generic(method, ROOT + "me/", headers=headers)
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_a_named_site_may_read_with_a_token_and_without_cookies(api: Api, settings: LazySettings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SITE]
    preflight = Api().client.options(
        ROOT + "me/", headers={"Origin": SITE, "Access-Control-Request-Method": "GET"}
    )
    assert (preflight.status_code, preflight["Access-Control-Allow-Origin"]) == (200, SITE)
    assert "authorization" in preflight["Access-Control-Allow-Headers"]
    answer = api.get("me/", Origin=SITE).response
    assert answer["Access-Control-Allow-Origin"] == SITE
    assert "ETag" in answer["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "origin" in answer["Vary"].lower()
    other = api.get("me/", Origin="https://ci.example.com.evil.test").response
    assert "Access-Control-Allow-Origin" not in other.headers
    page = Api().get("/login/", Origin=SITE).response
    assert "Access-Control-Allow-Origin" not in page.headers, "pages are nobody else's"


# --- how often one may ask ---


@pytest.fixture
def rate(broker: str, settings: LazySettings) -> Iterator[Any]:
    """Three requests an hour, counted from nothing."""
    settings.CLARIVE_API_RATE = (3, 3600)
    rates._counter.cache_clear()
    yield settings
    rates._counter.cache_clear()


def test_a_token_has_its_own_rate_and_is_told_how_much_is_left(rate: Any, api: Api, dev: Environment) -> None:
    left = [api.get("me/").response["RateLimit"] for _ in range(3)]
    assert [each.partition(";t=")[0] for each in left] == [f'"token";r={number}' for number in (2, 1, 0)]
    refused = api.get("me/")
    body = refused.problem(429, "throttled")
    assert "3 requests in 3600 s" in body["detail"]
    assert 1100 < int(refused.response["Retry-After"]) <= 1200
    assert refused.response["RateLimit-Policy"] == '"token";q=3;w=3600'
    assert refused.response["RateLimit"].startswith('"token";r=0;t=')
    api.post("jobs/0/cancel/", {}).problem(429, "throttled")
    assert Api(user_with("view_monitor", environments=[dev])).get("me/").status == 200
    assert Api().get("/healthz").status == 200


def test_two_tokens_of_one_user_are_counted_apart(rate: Any, dev: Environment) -> None:
    user = user_with("view_monitor", environments=[dev])
    first, second, browser = Api(user), Api(user), Api()
    browser.client.force_login(user)
    assert [first.get("me/").status for _ in range(4)] == [200, 200, 200, 429]
    # Neither the other one, nor the session, has less for it; and the first one stays used up.
    assert second.get("me/").response["RateLimit"].startswith('"token";r=2;')
    assert browser.get("me/").response["RateLimit"].startswith('"user";r=2;')
    first.get("me/").problem(429, "throttled")


def test_sessions_count_by_user_and_strangers_by_address(rate: Any, dev: Environment) -> None:
    user = user_with("view_monitor", environments=[dev])
    browsers = [Api(), Api()]
    for browser in browsers:
        browser.client.force_login(user)
    statuses = [browsers[turn % 2].get("me/").status for turn in range(4)]
    assert statuses == [200, 200, 200, 429]
    strangers = [Api().get("me/", Authorization=f"Bearer clv_{turn}").status for turn in range(2)]
    assert [*strangers, Api().get("me/").status, Api().get("me/").status] == [401, 401, 401, 429]


def test_several_processes_count_together(rate: Any) -> None:
    counters = [rates.Counter(settings.CELERY_BROKER_URL) for _ in range(4)]
    allowed: list[bool] = []

    def ask(counter: rates.Counter) -> None:
        for _ in range(25):
            taken = counter.take("clarive:rate:test-together", rates.Rate(40, 3600))
            assert taken is not None
            allowed.append(taken[0])

    threads = [Thread(target=ask, args=(counter,)) for counter in counters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (100, 40)


def test_a_bucket_fills_evenly(rate: Any) -> None:
    counter, quick = rates.Counter(settings.CELERY_BROKER_URL), rates.Rate(1, 1)
    assert [counter.take("clarive:rate:test-fills", quick)[0] for _ in range(2)] == [True, False]  # type: ignore[index]
    deadline = time.monotonic() + 3
    while not counter.take("clarive:rate:test-fills", quick)[0]:  # type: ignore[index]
        assert time.monotonic() < deadline


def test_without_a_broker_nobody_is_refused_and_nobody_waits(api: Api, rate: Any) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        # Takes connections and never answers: the worst that a broker can do.
        rate.CELERY_BROKER_URL = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
        answers = [api.get("me/") for _ in range(8)]
        assert {answer.status for answer in answers} == {200}
        assert "RateLimit" not in answers[0].response.headers
        began = time.monotonic()
        assert rates._counter().take("clarive:rate:x", rates.Rate(1, 1)) is None
        assert time.monotonic() - began < rates.BROKER_SECONDS, "it is left alone for a while"


def test_no_rate_counts_nothing(rate: Any, api: Api) -> None:
    rate.CLARIVE_API_RATE = None
    assert {api.get("me/").status for _ in range(5)} == {200}


@pytest.mark.parametrize(
    ("address", "name"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), (None, "local")],
)
def test_a_network_of_ipv6_is_one_asker(address: str | None, name: str) -> None:
    assert rates._network(address) == name
