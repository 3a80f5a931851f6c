"""Two administrators change the rights of one user at the same moment."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import pytest
from django.db import close_old_connections, connection, transaction

from permissions import locks, policy
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import set_rights
from tests.factories import EnvironmentFactory, UserFactory
from tests.pages import Reader

WISHES: Final = (
    frozenset({Right.VIEW_MONITOR, Right.RESTART, Right.CREATE}),
    frozenset({Right.VIEW_MONITOR, Right.CANCEL, Right.DELETE}),
)


def at_once(ana: User, dev: Environment, barrier: Barrier) -> None:
    """Let each wish be set by a thread of its own."""

    def one(rights: Iterable[Right]) -> None:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            set_rights(User.objects.get(pk=ana.pk), Environment.objects.get(pk=dev.pk), rights)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(WISHES)) as pool:
        list(pool.map(one, WISHES))


@pytest.mark.django_db(transaction=True)
def test_one_of_them_wins_as_a_whole() -> None:
    ana, dev = UserFactory.create(), EnvironmentFactory.create()
    for _ in range(8):
        set_rights(ana, dev, ())
        at_once(ana, dev, Barrier(2))
        assert policy.granted_on(ana, dev) in WISHES


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_they_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    both_read = Barrier(2)
    read = policy.granted_on

    def read_and_wait(principal: policy.Principal, environment: Environment | None) -> frozenset[Right]:
        found = read(principal, environment)
        both_read.wait(timeout=10)
        return found

    ana, dev = UserFactory.create(), EnvironmentFactory.create()
    monkeypatch.setattr(locks, "hold", lambda: None)
    monkeypatch.setattr(policy, "granted_on", read_and_wait)
    at_once(ana, dev, Barrier(2))
    assert read(ana, dev) == WISHES[0] | WISHES[1]


@pytest.mark.django_db(transaction=True)
def test_the_lock_lasts_as_long_as_the_transaction() -> None:
    ana, dev = UserFactory.create(), EnvironmentFactory.create()

    def waits() -> bool:
        close_old_connections()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
                set_rights(ana, dev, {Right.CREATE})
        except Exception as error:
            return "lock timeout" in str(error)
        finally:
            connection.close()
        return False

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            set_rights(ana, dev, {Right.VIEW_MONITOR})
            assert pool.submit(waits).result()
        assert not pool.submit(waits).result()
    assert policy.granted_on(ana, dev) == {Right.CREATE}


@pytest.mark.django_db(transaction=True)
def test_of_two_forms_that_show_the_same_one_is_told() -> None:
    ana, dev, barrier = UserFactory.create(), EnvironmentFactory.create(code="DEV"), Barrier(2)
    readers = [Reader(UserFactory.create(is_staff=True, is_superuser=True)) for _ in range(2)]

    def save(reader: Reader, right: Right) -> int:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            form = {"shown": ["DEV="], "granted": ["DEV=view_monitor", f"DEV={right.value}"]}
            return reader.post(f"/admin/permissions/user/{ana.pk}/rights/", form).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(save, readers, (Right.CANCEL, Right.CREATE))) == [302, 409]
    kept = policy.granted_on(ana, dev)
    assert kept in ({Right.VIEW_MONITOR, Right.CANCEL}, {Right.VIEW_MONITOR, Right.CREATE})
