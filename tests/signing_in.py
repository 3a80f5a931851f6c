"""People who sign in with what they type, for tests: hashing is quick here, since it is not what they are about."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.contrib.auth.hashers import make_password
from django.http import HttpResponse
from django.test import Client

from permissions.models import User
from tests.factories import UserFactory

WORD: Final = "a-long-enough-word"
ENGLISH: Final = {"accept-language": "en"}


@pytest.fixture
def quick_hashes(settings: Any) -> None:
    """Hash quickly."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def person(username: str, password: str | None = WORD, **fields: Any) -> User:
    """Return a user with this password, or with none that can be used."""
    user: User = UserFactory.create(username=username, **fields)
    User.objects.filter(pk=user.pk).update(password=make_password(password))
    user.refresh_from_db()
    return user


class Browser:
    """Somebody at an address, with a browser of their own."""

    def __init__(self, address: str = "192.0.2.1", **headers: str) -> None:
        self.client = Client(headers={**ENGLISH, **headers}, REMOTE_ADDR=address)

    def sign_in(self, username: str, password: str = WORD, following: str = "") -> HttpResponse:
        """Return the answer to the sign-in form."""
        answer: Any = self.client.post(
            "/login/", {"username": username, "password": password, "next": following}
        )
        return answer  # type: ignore[no-any-return]

    def fail(self, username: str, times: int) -> HttpResponse:
        """Return the answer to the last of some wrong passwords."""
        for _ in range(times):
            answer = self.sign_in(username, "wrong")
        return answer

    def get(self, address: str, **headers: str) -> HttpResponse:
        """Return the answer to a GET."""
        answer: Any = self.client.get(address, headers=headers)
        return answer  # type: ignore[no-any-return]

    def post(self, address: str, data: dict[str, Any] | None = None) -> HttpResponse:
        """Return the answer to a form."""
        answer: Any = self.client.post(address, data or {})
        return answer  # type: ignore[no-any-return]

    @property
    def is_in(self) -> bool:
        """Whether the account page opens."""
        return self.get("/account/").status_code == 200
