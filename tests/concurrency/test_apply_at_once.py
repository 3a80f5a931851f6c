"""Two runs of apply do not mix: the second waits and then sees all the first one did."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from jobs.configuration import apply
from jobs.configuration.documents import Source
from permissions import locks

DOCUMENT = Source("site.yaml", "groups:\n  - {name: ops}\n", Path())


def apply_and_close() -> list[str]:
    """Apply in a thread of its own, whose connection must not outlive it."""
    try:
        return apply.apply_documents([DOCUMENT], now=timezone.now())
    finally:
        connection.close()


def wait_for_a_waiter() -> None:
    """Return once somebody waits for an advisory lock of this database."""
    deadline = time.monotonic() + 20
    query = """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone() == (1,):
                return
    raise AssertionError("Nobody waits: the two runs are under way at the same time.")


@pytest.mark.django_db(transaction=True)
def test_the_second_waits_and_finds_nothing_to_change() -> None:
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            locks.hold()
            second = pool.submit(apply_and_close)
            wait_for_a_waiter()
            Group.objects.create(name="ops")
        assert second.result(timeout=20) == []
    assert Group.objects.count() == 1
