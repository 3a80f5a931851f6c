"""Probes: alive without a database, ready only with everything, quick even when the broker hangs."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from jobs import health, workers
from jobs.acting import COMMAND
from jobs.models import DaemonState, WorkerSeen
from tests.api import Api


@pytest.fixture
def hanging_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A broker that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setitem(current_app.conf, "broker_url", f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        monkeypatch.setitem(current_app.conf, "broker_read_url", None)
        yield


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    response = client.get("/readyz")
    return response.status_code, json.loads(response.content)


def test_healthz_needs_no_database(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, json.loads(response.content)) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_a_probe_is_answered_whatever_is_asked_for_besides(broker: str) -> None:
    """With a form of the answer that there is not, the token of nobody, and a parameter against caches."""
    for path, fine in (("/healthz", {200}), ("/readyz", {503})):
        api = Api()
        for headers in ({"Accept": "text/html"}, {"Authorization": "Bearer nobody"}, {"Host": "localhost"}):
            answer = api.get(f"{path}?_=17", **headers)
            assert answer.status in fine, (path, headers)
            assert answer.response["Cache-Control"] == "no-store"
            assert "RateLimit" not in answer.response
        assert api.call("HEAD", path).status in fine
        for method in ("OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            api.call(method, path, "{").problem(405, "method_not_allowed")


@pytest.mark.django_db
def test_ready_when_everything_is_there(client: Client, broker: str) -> None:
    now = timezone.now()
    both = ["create", "jobs"]
    WorkerSeen.objects.create(name="w", host="h", pid=1, queues=both, started_at=now, seen_at=now)
    DaemonState.objects.create(pk=1, ticked_at=now, steady_since=now)
    status, body = ready(client)
    assert (status, body["status"]) == (200, "ok"), body
    assert {name: check["ok"] for name, check in body["checks"].items()} == {
        "database": True, "broker": True, "worker": True, "daemon": True,
    }  # fmt: skip


@pytest.mark.django_db
def test_not_ready_without_worker_and_daemon(client: Client, broker: str) -> None:
    status, body = ready(client)
    assert (status, body["status"]) == (503, "unavailable")
    assert not body["checks"]["worker"]["ok"]
    assert body["checks"]["daemon"]["detail"] == "No daemon was ever seen."
    old = timezone.now() - timedelta(minutes=2)
    WorkerSeen.objects.create(name="w", host="h", pid=1, queues=["jobs"], started_at=old, seen_at=old)
    assert "120 s ago" in ready(client)[1]["checks"]["worker"]["detail"]


@pytest.mark.django_db
def test_not_ready_while_no_worker_creates_jobs(client: Client, broker: str) -> None:
    now = timezone.now()
    DaemonState.objects.create(pk=1, ticked_at=now, steady_since=now)
    for name, queues in (("w", ["jobs"]), ("c", ["create"])):
        WorkerSeen.objects.create(name=name, host="h", pid=1, queues=queues, started_at=now, seen_at=now)
    assert ready(client)[0] == 200
    workers.drain("c", COMMAND, now=now)
    status, body = ready(client)
    said = "All workers that create jobs are drained: no job is created."
    assert (status, body["checks"]["worker"]) == (503, {"ok": False, "detail": said})
    WorkerSeen.objects.filter(name="c").delete()
    status, body = ready(client)
    said = "No worker that creates jobs was ever seen."
    assert (status, body["checks"]["worker"]) == (503, {"ok": False, "detail": said})


@pytest.mark.django_db
def test_a_broker_that_hangs_costs_a_second_and_no_more(client: Client, hanging_broker: None) -> None:
    begun = time.monotonic()
    status, body = ready(client)
    assert time.monotonic() - begun < 3 * health.BROKER_SECONDS
    assert (status, body["checks"]["broker"]["ok"]) == (503, False)


def test_a_database_that_is_away_is_said(
    client: Client, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseError

    monkeypatch.setattr(connection, "cursor", away)
    status, body = ready(client)
    assert status == 503
    assert [name for name, check in body["checks"].items() if check["ok"]] == ["broker"]
