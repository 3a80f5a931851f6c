"""A program that talks to the REST API with a token."""

from __future__ import annotations

import json
from typing import Any, Final

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client

from permissions import tokens
from permissions.models import User
from tests import contract

ROOT: Final = "/api/v1/"
PROBLEM: Final = "application/problem+json"


class Answer:
    """What came back."""

    def __init__(self, response: HttpResponseBase) -> None:
        """Keep the response, which must be one that the description of the API promises."""
        contract.check(response)
        self.response = response
        self.status = response.status_code

    @property
    def content(self) -> bytes:
        """The bytes of the body, streamed or not."""
        if isinstance(self.response, StreamingHttpResponse):
            return self.response.getvalue()
        assert isinstance(self.response, HttpResponse)
        return self.response.content

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.content)

    @property
    def ids(self) -> list[int]:
        """Ids of the rows of a page."""
        return [row["id"] for row in self.json["results"]]

    def problem(self, status: int, code: str) -> Any:
        """Return the problem details, which must be complete and of this kind."""
        assert self.status == status, self.content
        assert self.response["Content-Type"] == PROBLEM
        body = self.json
        assert {"type", "title", "status", "detail", "code"} <= body.keys()
        assert (body["status"], body["code"]) == (status, code)
        return body

    def field_errors(self, code: str = "invalid") -> dict[str, str]:
        """Return the messages of a refusal of bad input, by field."""
        return {error["field"]: error["message"] for error in self.problem(400, code)["errors"]}


class Api:
    """Calls as one user, or anonymously."""

    def __init__(self, user: User | None = None, **limits: Any) -> None:
        """Give the user a token, limited to ``rights`` and ``environments`` when they are given."""
        self.client = Client(raise_request_exception=True)
        self.headers = {"Authorization": f"Bearer {tokens.issue(user, **limits)}"} if user else {}

    def get(self, path: str, **headers: str) -> Answer:
        """Read ``path``, an address or what follows ``/api/v1/``."""
        return Answer(self.client.get(_address(path), headers={**self.headers, **headers}))

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Send ``body`` as JSON; bytes are sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        return Answer(
            self.client.post(
                ROOT + path, data, content_type="application/json", headers={**self.headers, **headers}
            )
        )

    def call(self, method: str, path: str, body: str = "", content_type: str = "application/json") -> Answer:
        """Do anything else."""
        response = self.client.generic(
            method, _address(path), body, content_type=content_type, headers=self.headers
        )
        return Answer(response)

    def walk(self, path: str) -> list[Any]:
        """Return the rows of all pages."""
        page = self.get(path).json
        rows = list(page["results"])
        while page["next"]:
            page = self.get(page["next"]).json
            rows += page["results"]
        return rows


def _address(path: str) -> str:
    return path if path.startswith(("/", "http://")) else ROOT + path
