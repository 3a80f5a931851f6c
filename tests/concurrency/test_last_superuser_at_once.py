"""Two superusers delete one another at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import close_old_connections, connection

from permissions.models import User
from tests.factories import UserFactory
from tests.pages import Reader


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("door", ["page", "list"])
def test_one_of_them_stays(door: str) -> None:
    for _ in range(4):
        User.objects.all().delete()
        both = [UserFactory.create(is_staff=True, is_superuser=True) for _ in range(2)]
        readers, barrier = [Reader(user, "en") for user in both], Barrier(2)

        def delete(reader: Reader, other: User, barrier: Barrier = barrier) -> int:
            close_old_connections()
            try:
                barrier.wait(timeout=10)
                if door == "page":
                    address, form = f"/admin/permissions/user/{other.pk}/delete/", {"post": "yes"}
                else:
                    address = "/admin/permissions/user/"
                    form = {"action": "delete_selected", "_selected_action": str(other.pk), "post": "yes"}
                return reader.post(address, form).status_code
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(delete, readers, reversed(both)))
        assert User.objects.filter(is_superuser=True, is_active=True).count() == 1
