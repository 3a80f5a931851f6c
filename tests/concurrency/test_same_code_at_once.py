"""Several administrators make things with one code, in whatever case, at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import close_old_connections, connection

from tests.api import Api
from tests.factories import EnvironmentFactory, UserFactory


@pytest.mark.parametrize("kind", ["environments", "projects", "natures"])
@pytest.mark.django_db(transaction=True)
def test_one_gets_the_code(kind: str) -> None:
    EnvironmentFactory.create(code="DEV")
    codes = ["qa", "QA", "Qa", "qa"]
    api, barrier = Api(UserFactory.create(is_superuser=True)), Barrier(len(codes))

    def make(code: str) -> int:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            return api.post(f"{kind}/", {"code": code}).status
        finally:
            connection.close()

    with ThreadPoolExecutor(len(codes)) as pool:
        assert sorted(pool.map(make, codes)) == [201, 409, 409, 409]
    made = [each["code"] for each in api.walk(f"{kind}/")]
    assert len([code for code in made if code != "DEV"]) == 1
