"""Pages as a signed-in reader gets them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, Final

from django.http import HttpResponseBase
from django.http.response import HttpResponse
from django.test import Client

from permissions.models import User

HTMX: Final = {"HX-Request": "true"}


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        """Collect what stands between the tags."""
        self.words += data.split()


class Reader:
    """A person with a browser, without scripts."""

    def __init__(self, user: User, language: str = "es") -> None:
        self.client = Client(headers={"accept-language": language})
        self.client.force_login(user)

    def get(self, address: str, **headers: str) -> HttpResponse:
        """Return the answer to a GET; ``HTMX`` asks for the fragment."""
        answer: Any = self.client.get(address, headers=headers)
        return answer  # type: ignore[no-any-return]

    def poll(self, address: str, version: str) -> HttpResponse:
        """Ask as a page does that shows ``version``."""
        return self.get(address, **HTMX, **{"If-None-Match": f'"{version}"'})

    def post(self, address: str, data: dict[str, Any]) -> HttpResponse:
        """Return the answer to a form."""
        answer: Any = self.client.post(address, data)
        return answer  # type: ignore[no-any-return]


def text(answer: HttpResponseBase) -> str:
    """Return the markup of an answer."""
    assert isinstance(answer, HttpResponse)
    return answer.content.decode()


def words(answer: HttpResponseBase) -> str:
    """Return what people read, with single spaces."""
    parser = _Words()
    parser.feed(text(answer))
    return " ".join(parser.words)


def version(answer: HttpResponseBase) -> str:
    """Return the version that the page says it shows."""
    found = re.search(r'"If-None-Match": "\\"(\w+)\\""', text(answer))
    assert found is not None, "the page does not ask again"
    return found[1]
