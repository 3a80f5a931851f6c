"""Whoever hangs up while the answer is being made takes nothing along: the web process keeps its few connections."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from permissions.catalog import Right
from tests.factories import JobFactory, user_with
from tests.web import HOST, Web, bearer, web_process

pytestmark = [pytest.mark.heavy, pytest.mark.django_db(transaction=True)]

CONNECTIONS = 3
CALLERS, CALLS = 8, 6
LONGEST_PATIENCE_SECONDS = 0.3


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder: Path = tmp_path_factory.mktemp("web")
    with web_process(folder, CLARIVE_POOL_SIZE=str(CONNECTIONS)) as process:
        yield process


def _hang_up(port: int, path: str, headers: dict[str, str], seed: int) -> None:
    """Ask again and again, and never wait for the answer."""
    dice = random.Random(seed)
    lines = [f"GET /api/v1/{path} HTTP/1.1", f"Host: {HOST}", *(f"{n}: {v}" for n, v in headers.items())]
    for _ in range(CALLS):
        with socket.create_connection((HOST, port)) as caller:
            caller.sendall("\r\n".join([*lines, "", ""]).encode())
            time.sleep(dice.random() * LONGEST_PATIENCE_SECONDS)


@pytest.mark.parametrize("path", ["stream/", "jobs/{job}/wait/?timeout=30", "jobs/"])
def test_all_connections_come_back(web: Web, transactional_db: None, path: str) -> None:
    job = JobFactory.create()
    headers = bearer(user_with(Right.VIEW_MONITOR))
    assert web.ask("me/", headers)[0] == 200
    asked = path.format(job=job.pk)
    with ThreadPoolExecutor(CALLERS) as callers:
        for each in [callers.submit(_hang_up, web.port, asked, headers, seed) for seed in range(CALLERS)]:
            each.result()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        begun = time.monotonic()
        answers = [pool.submit(web.ask, "me/", headers) for _ in range(CONNECTIONS * 2)]
        assert {each.result()[0] for each in answers} == {200}
        # A pool without connections lets wait for ten seconds.
        assert time.monotonic() - begun < 8
    assert connection.is_usable()
