"""Who asks for jobs through the API while everything around it falls."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ASKERS: Final = 4
_ANSWER_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.3
_KEY_SECONDS: Final = 12.0
"""A key that is in use for so long belongs to a request that died half-way: it stays so."""


@dataclass
class Asker:
    """Asks for jobs at an even pace, each with a key, again and again until it is answered.

    Attributes:
        address: Of the installation.
        token: Of a user who may create jobs.
        rule: What to run.
        created: The keys that were answered with a job, and its number.
        given_up: Keys of requests that died half-way; a job may have come of each.
        answers: How often which status came back, 0 for none at all.
        surprises: Answers that nothing of all this explains.
    """

    address: str
    token: str
    rule: str
    created: dict[str, int] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def ask(self, count: int, seconds: float, give_up_at: float) -> None:
        """Ask for ``count`` jobs within ``seconds``, or as soon after as may be; returns when all are there."""
        began = time.monotonic()
        places = iter(range(count))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    place = next(places, None)
                if place is None:
                    return
                time.sleep(max(0.0, began + place * seconds / count - time.monotonic()))
                self._create(give_up_at)

        threads = [
            threading.Thread(target=work, name=f"asker {number}", daemon=True) for number in range(ASKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs, oldest first."""
        return list(self._pages(f"{self.address}api/v1/jobs/?limit=200&ordering=id"))

    def last_error(self, job_id: int) -> str:
        """Return the last line of a job's log that tells an error."""
        entries = list(self._pages(f"{self.address}api/v1/jobs/{job_id}/log/?level=error"))
        return str(entries[-1]["text"]) if entries else ""

    def statuses(self) -> dict[str, int]:
        """Return how many jobs have which status; nothing while there is no answer."""
        status, body = self._send(f"{self.address}api/v1/jobs/summary/")
        found: dict[str, int] = body["by_status"] if status == 200 else {}
        return found

    def _pages(self, address: str | None) -> Iterator[dict[str, Any]]:
        while address is not None:
            status, page = self._send(address)
            assert status == 200, (status, page)
            yield from page["results"]
            address = page["next"]

    def _create(self, give_up_at: float) -> None:
        """Ask for one job until there is one."""
        key, in_use_since = str(uuid.uuid4()), 0.0
        while time.monotonic() < give_up_at:
            body = {"rule": self.rule, "environment": "DEV", "comment": key}
            status, answer = self._send(f"{self.address}api/v1/jobs/", body, key)
            self.answers[status] += 1
            if status == 201:
                self.created[key] = answer["id"]
                return
            if status == 409 and answer["code"] == "idempotency_key_in_use":
                in_use_since = in_use_since or time.monotonic()
                if time.monotonic() - in_use_since > _KEY_SECONDS:
                    self.given_up.append(key)
                    key, in_use_since = str(uuid.uuid4()), 0.0
            elif status not in {0, 503}:
                self.surprises.append(f"{status} {answer}")
            time.sleep(_PAUSE_SECONDS)
        self.surprises.append(f"No job of {key} in time.")

    def _send(self, address: str, body: object = None, key: str = "") -> tuple[int, Any]:
        """Return status and body of the answer, 0 when there is none."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(address, data, headers), timeout=_ANSWER_SECONDS) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except (URLError, OSError, http.client.HTTPException, ValueError) as error:
            return 0, str(error)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"code": "", "text": text.decode(errors="replace")[:500]}
