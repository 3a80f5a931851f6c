"""A program sends the same POST several times at the same moment."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import pytest
from django.db import close_old_connections, connection
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from jobs.api.doors import door
from jobs.models import Nature
from permissions.models import User
from tests.factories import NatureFactory, UserFactory

AT_ONCE: Final = 8


class MakesOne(APIView):
    """Makes a row each time it is asked."""

    def post(self, request: Request) -> Response:
        """Make it."""
        return Response({"code": NatureFactory.create().code}, status=201)


def send(user: User, headers: dict[str, str]) -> list[tuple[int, str]]:
    """Send the same POST in several threads and return status and code or kind of problem of each."""
    view, barrier = door(MakesOne), Barrier(AT_ONCE)

    def one(_number: int) -> tuple[int, str]:
        close_old_connections()
        try:
            request = APIRequestFactory().post("/made/", {"a": 1}, format="json", headers=headers)
            force_authenticate(request, user)
            barrier.wait(timeout=10)
            answer = view(request)
            if isinstance(answer, Response):
                answer.render()
            return answer.status_code, json.loads(answer.content)["code"]  # type: ignore[attr-defined]
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


@pytest.mark.django_db(transaction=True)
def test_one_does_it_and_the_others_get_its_answer_or_are_told_to_wait() -> None:
    user = UserFactory.create()
    answers = send(user, {"Idempotency-Key": "k"})
    (made,) = Nature.objects.values_list("code", flat=True)
    assert (201, made) in answers
    assert set(answers) <= {(201, made), (409, "idempotency_key_in_use")}
    assert set(send(user, {"Idempotency-Key": "k"})) == {(201, made)}


@pytest.mark.django_db(transaction=True)
def test_without_the_key_each_does_it() -> None:
    assert len(set(send(UserFactory.create(), {}))) == AT_ONCE
    assert Nature.objects.count() == AT_ONCE
