"""What suites ask of a running product: rules, jobs, and a person who looks at pages."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

ENVIRONMENT: Final = "BENCH"
LONGEST_SECONDS: Final = 170.0
_LOOK_SECONDS: Final = 0.05
_REDIRECTS: Final = frozenset({301, 302, 303})


class TooLong(Exception):
    """A job has not ended in the time that one measurement may take."""


Ask = Callable[..., Any]
"""``api(method, path, body)`` of a running product: the answer as plain data."""


def patient(connect: Callable[[], Ask]) -> Ask:
    """Return what asks over a connection that is made anew when the server has hung up because it was quiet for long.

    Args:
        connect: Returns a client with a connection of its own, such as ``product.api``.
    """
    kept = [connect()]

    def ask(method: str, path: str, body: object = None) -> Any:
        try:
            return kept[0](method, path, body)
        except RemoteDisconnected:
            kept[0] = connect()
            return kept[0](method, path, body)

    return ask


def prepare(api: Ask) -> None:
    """Make the environment in which the jobs of suites run."""
    there = api("GET", "api/v1/environments/")
    rows = there["results"] if isinstance(there, dict) else there
    if ENVIRONMENT not in {row["code"] for row in rows}:
        api("POST", "api/v1/environments/", {"code": ENVIRONMENT, "name": "Of the bench"})


def publish(api: Ask, slug: str, steps: str) -> str:
    """Publish a rule and return its slug.

    Args:
        api: Of the product.
        slug: A name that no rule has.
        steps: YAML of its steps, ``PRE:`` at the left margin.
    """
    source = f"name: {slug}\nsteps:\n{textwrap.indent(textwrap.dedent(steps).strip(), '  ')}\n"
    api("POST", "api/v1/rules/", {"source": source})
    return slug


def create(api: Ask, slug: str, **wish: Any) -> int:
    """Create a job and return its id."""
    return int(api("POST", "api/v1/jobs/", {"rule": slug, "environment": ENVIRONMENT, **wish})["id"])


def ended(api: Ask, job_id: int, seconds: float = LONGEST_SECONDS) -> dict[str, Any]:
    """Wait until a job has finished and return it as the API shows it.

    Raises:
        RuntimeError: It ended otherwise.
        TooLong: Not in time; it was cancelled.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job: dict[str, Any] = api("GET", f"api/v1/jobs/{job_id}/")
        if job["status"] == "finished":
            return job
        if job["finished_at"]:
            raise RuntimeError(f"{job['name']}: {job['status']}: {job.get('reason')}")
        time.sleep(_LOOK_SECONDS)
    api("POST", f"api/v1/jobs/{job_id}/cancel/", {"comment": "It takes too long."})
    raise TooLong(f"Job {job_id} did not end within {seconds:g} s.")


def step_ms(job_id: int, step: str = "PRE") -> float:
    """Return for how long a step of a job lasted, from its beginning to the commit that closed it, in milliseconds."""
    from jobs.models import StepRun

    began, finished = StepRun.objects.values_list("started_at", "finished_at").get(job=job_id, step=step)
    assert isinstance(finished, datetime)
    return (finished - began).total_seconds() * 1000


@dataclass
class Visitor:
    """A signed-in administrator whose browser keeps its connection."""

    address: str

    def __post_init__(self) -> None:
        """Sign in, in the database: how people do that is no matter of speed."""
        from django.conf import settings
        from django.test import Client

        from permissions.models import User

        client = Client()
        client.force_login(User.objects.filter(is_superuser=True).order_by("pk")[0])
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        self.headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie.value}"}
        parts = urlsplit(self.address)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self._connection = HTTPConnection(self.host, self.port, timeout=60)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of a page, having followed where it led to."""
        while True:
            answer = self._ask(path, headers)
            body = answer.read()
            if answer.status not in _REDIRECTS:
                return answer.status, body
            path = urljoin(path, answer.getheader("Location", "")).partition("#")[0]

    def _ask(self, path: str, headers: dict[str, str]) -> HTTPResponse:
        try:
            self._connection.request("GET", path, headers={**self.headers, **headers})
            return self._connection.getresponse()
        except RemoteDisconnected:  # it was quiet for so long that the server hung up
            self._connection.close()
            self._connection.request("GET", path, headers={**self.headers, **headers})
            return self._connection.getresponse()

    def page(self, path: str) -> str:
        """Return a page.

        Raises:
            RuntimeError: It is none.
        """
        status, body = self.get(path)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
        return body.decode()
