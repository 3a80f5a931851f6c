"""``/metrics``: true figures for Prometheus, for those who may know them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.lifecycle import Event
from jobs.models import DaemonState, WorkerSeen
from tests.api import Api
from tests.factories import EnvironmentFactory, JobFactory, UserFactory, happen, user_with

pytestmark = pytest.mark.django_db

LINE = re.compile(r'^([a-z_]+)(?:\{([a-z]+)="([a-z_]+)"\})? (\S+)$')


@pytest.fixture
def root(broker: str) -> Api:
    return Api(UserFactory.create(is_superuser=True))


def read(api: Api, **headers: str) -> dict[str, float]:
    """Return the figures, every line of which must be one."""
    answer = api.get("/metrics", **headers)
    assert answer.status == 200, answer.content
    assert answer.response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for line in answer.content.decode().splitlines():
        if line.startswith("# TYPE "):
            _hash, _type, name, kind = line.split()
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            match = LINE.match(line)
            assert match, line
            name, _label, value, figure = match.groups()
            assert name in kinds
            assert (kinds[name] == "counter") == name.endswith("_total")
            found[f"{name} {value}" if value else name] = float(figure)
    return found


def test_the_figures_are_those_of_all_environments(root: Api) -> None:
    now = timezone.now()
    dev, prod = EnvironmentFactory.create(code="DEV-zz"), EnvironmentFactory.create(code="PROD-zz")
    options: dict[str, Any] = {"project": None}
    for environment in (dev, prod):
        JobFactory.at("RUN", "running", environment=environment, **options)
    JobFactory.at("PRE", "ready", environment=dev, **options)
    JobFactory.at("PRE", "pending_approval", environment=dev, **options)
    newest = happen(JobFactory.at("RUN", "running", environment=dev, **options), Event.CANCEL)
    DaemonState.objects.update_or_create(
        pk=1,
        defaults={"ticked_at": now - timedelta(seconds=9), "steady_since": now, "seconds": 0.25},
    )
    for name, seconds in (("a", 0), ("b", 3600)):
        seen = now - timedelta(seconds=seconds)
        WorkerSeen.objects.create(name=name, host="h", pid=1, queues=["jobs"], started_at=seen, seen_at=seen)
    found = read(root)
    assert found["clarive_jobs running"] == 2
    assert found["clarive_jobs ready"] == found["clarive_jobs_waiting worker"] == 1
    assert found["clarive_jobs_waiting approval"] == 1
    assert found["clarive_jobs_ended_last_hour cancelled"] == 1
    assert found["clarive_jobs_created_total"] == newest.pk
    assert 9 <= found["clarive_daemon_tick_age_seconds"] < 60
    assert found["clarive_daemon_tick_seconds"] == 0.25
    assert (found["clarive_workers up"], found["clarive_workers gone"]) == (1, 1)
    assert found["clarive_broker_up"] == 1
    assert found["clarive_queue_messages jobs"] >= 0
    assert b"-zz" not in root.get("/metrics").content, "no environment is named"


def test_they_cost_the_same_with_more_jobs(root: Api) -> None:
    dev = EnvironmentFactory.create()
    read(root)
    counts = []
    for jobs in (1, 5):
        for _ in range(jobs):
            JobFactory.at("RUN", "running", environment=dev, project=None)
        with CaptureQueriesContext(connection) as queries:
            read(root)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_they_are_not_for_everybody(root: Api, settings: LazySettings) -> None:
    settings.CLARIVE_METRICS_TOKEN = "m" * 40
    stranger = Api()
    stranger.get("/metrics").problem(401, "not_authenticated")
    stranger.get("/metrics", Authorization="Bearer x").problem(401, "authentication_failed")
    Api(user_with("view_monitor")).get("/metrics").problem(403, "permission_denied")
    limited = Api(UserFactory.create(is_superuser=True), rights=["view_monitor"])
    limited.get("/metrics").problem(403, "permission_denied")
    assert read(stranger, Authorization=f"Bearer {'m' * 40}", Accept="application/openmetrics-text")
    stranger.get("me/", Authorization=f"Bearer {'m' * 40}").problem(401, "authentication_failed")
    settings.CLARIVE_METRICS_TOKEN = ""
    stranger.get("/metrics", Authorization="Bearer ").problem(401, "authentication_failed")


def test_without_anything_there_are_figures_too(root: Api) -> None:
    found = read(root)
    assert found["clarive_daemon_tick_age_seconds"] == float("inf")
    assert found["clarive_jobs running"] == 0
