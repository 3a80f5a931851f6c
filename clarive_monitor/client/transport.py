"""Asking the server: with patience for networks, and none for what would be done twice."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from clarive_monitor.client.config import Context
from clarive_monitor.client.errors import BadUsage, Refused, Unreachable

if TYPE_CHECKING:
    import httpx

ROOT: Final = "/api/v1/"
ATTEMPTS: Final = 5
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
TIMEOUT: Final = 60.0
"""Seconds for an answer; creating a job waits for a worker that long at most."""

_BUSY: Final = frozenset({429, 502, 503, 504})
_KEY_IN_USE: Final = "idempotency_key_in_use"
_FINAL: Final = frozenset({"no_worker"})
"""Codes of 503 that say that the server is well and did nothing: whoever asked decides whether to ask again."""

Parameters = Mapping[str, Any]


class Server:
    """One server, asked by one user."""

    def __init__(
        self,
        context: Context,
        *,
        attempts: int = ATTEMPTS,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            context: Which server, and the key to it.
            attempts: How often something is tried in all.
            timeout: Seconds until no answer counts as a lost connection.
            sleep: Waits for some seconds.
            tell: Takes sentences for whoever waits.
        """
        self.context = context
        self._attempts, self._timeout, self._sleep, self._tell = attempts, timeout, sleep, tell
        self._client: httpx.Client | None = None

    def get(self, path: str, parameters: Parameters | None = None, *, timeout: float | None = None) -> Any:
        """Return the JSON at ``path``, which is relative to ``/api/v1/``.

        Raises:
            Refused: The server answered with an error.
            Unreachable: No usable answer came, however often it was tried.
        """
        return self.answer("GET", path, parameters=parameters, timeout=timeout)[1]

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        """Send ``body`` and return the answer; what is tried again carries the same key, so it is done once.

        Raises:
            Refused: As ``get``.
            Unreachable: As ``get``.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self.answer("POST", path, body=body, headers=headers)[1]

    def delete(self, path: str) -> None:
        """Delete what is at ``path``; gone after a lost answer counts as done.

        Raises:
            Refused: As ``get``.
            Unreachable: As ``get``.
        """
        self.answer("DELETE", path)

    def pages(self, path: str, parameters: Parameters, limit: int | None, size: int = 200) -> Iterator[Any]:
        """Yield the rows of a list, page by page, at most ``limit`` of them."""
        left = limit
        query: list[tuple[str, str]] = _pairs(parameters)
        while left is None or left > 0:
            wanted = str(size if left is None else min(size, left))
            page = self.get(path, dict_of([*query, ("limit", wanted)]))
            yield from page["results"]
            if left is not None:
                left -= len(page["results"])
            if not page["next"]:
                return
            # Only its query: behind a proxy the server may know itself by another name, and a token goes nowhere else.
            query = [pair for pair in parse_qsl(urlsplit(page["next"]).query) if pair[0] != "limit"]

    def answer(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> tuple[int, Any]:
        """Return status and JSON of an answer below 400.

        Raises:
            Refused: The answer is an error that asking again does not change.
            Unreachable: No usable answer came.
        """
        for turn in range(1, self._attempts + 1):
            pause = FIRST_PAUSE * 2 ** (turn - 1)
            found = self._sent(method, path, parameters, body, headers, timeout or self._timeout)
            if isinstance(found, Unreachable):
                failure: Refused | Unreachable = found
            else:
                if found.status_code < 400:
                    return found.status_code, self._read(found)
                if method == "DELETE" and found.status_code == 404 and turn > 1:
                    return 204, None
                failure, pause = self._refused(found), _retry_after(found, pause)
            if turn == self._attempts or not _may_change(failure):
                raise failure
            self._tell(f"{str(failure).splitlines()[0]} Trying again in {pause:.0f} s…")
            self._sleep(pause)
        raise AssertionError("unreachable")

    def _sent(
        self,
        method: str,
        path: str,
        parameters: Parameters | None,
        body: Any,
        headers: Mapping[str, str] | None,
        timeout: float,
    ) -> httpx.Response | Unreachable:
        """Return the answer to one request, or why none came.

        Raises:
            Refused: The request cannot be sent.
        """
        import httpx

        try:
            return self._client_now().request(
                method, ROOT + path, params=parameters, json=body, headers=headers, timeout=timeout
            )
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            raise _unsendable() from None
        except httpx.RequestError as error:
            return self._lost(error)

    @contextmanager
    def stream(
        self, path: str, parameters: Parameters, headers: Mapping[str, str], *, read_timeout: float
    ) -> Iterator[Iterator[str]]:
        """Open a stream of lines; once, without trying again.

        Raises:
            Refused: The server answered with an error.
            Unreachable: The connection cannot be made, or breaks while lines are read.
        """
        import httpx

        timeout = httpx.Timeout(self._timeout, connect=10.0, read=read_timeout)
        try:
            with self._client_now().stream(
                "GET", ROOT + path, params=parameters, timeout=timeout,
                headers={**headers, "Accept": "text/event-stream"},
            ) as response:  # fmt: skip
                if response.status_code >= 400:
                    response.read()
                    raise self._refused(response)
                if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                    raise self._not_clarive(response)
                yield response.iter_lines()
        except httpx.LocalProtocolError:
            raise _unsendable() from None
        except httpx.RequestError as error:
            raise self._lost(error) from None

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _client_now(self) -> httpx.Client:
        if self._client is None:
            import httpx

            # Without TLS nothing is to be verified, and reading all certificates takes a while.
            trusted: ssl.SSLContext | bool = self.context.url.startswith("https://")
            if trusted and self.context.ca_file:
                try:
                    trusted = ssl.create_default_context(cafile=self.context.ca_file)
                except (OSError, ssl.SSLError) as error:
                    raise BadUsage(f"{self.context.ca_file} holds no certificates: {error}") from None
            try:
                self._client = httpx.Client(
                    base_url=self.context.url,
                    headers={
                        "Authorization": f"Bearer {self.context.token}",
                        "Accept": "application/json",
                        "User-Agent": "clarive-client",
                    },
                    verify=trusted,
                )
            except httpx.InvalidURL as error:
                raise BadUsage(f"{self.context.url} is no address of a server: {error}.") from None
            except ValueError:
                raise _unsendable() from None
        return self._client

    def _lost(self, error: Exception) -> Unreachable:
        what = str(error) or type(error).__name__
        if "illegal status line" in what:
            return Unreachable(
                f"{self.context.url} is not a Clarive server: it does not speak HTTP.", not_clarive=True
            )
        if "CERTIFICATE_VERIFY_FAILED" in what:
            what += ". Name the certificate of its authority with --ca-file"
        elif "WRONG_VERSION_NUMBER" in what or "RECORD_LAYER_FAILURE" in what:
            what += ". It does not speak TLS: perhaps its address begins with http://"
        return Unreachable(f"{self.context.url} cannot be reached: {what}.", not_clarive=_is_lasting(error))

    def _read(self, response: httpx.Response) -> Any:
        if response.status_code == 204:
            return None
        if response.status_code >= 300:
            raise Unreachable(
                f"{self.context.url} sends elsewhere: {response.headers.get('Location', '?')}. Use that address.",
                not_clarive=True,
            )
        if not response.headers.get("Content-Type", "").startswith("application/json"):
            raise self._not_clarive(response)
        try:
            return response.json()
        except ValueError:
            raise self._not_clarive(response) from None

    def _refused(self, response: httpx.Response) -> Refused | Unreachable:
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("application/problem+json"):
            try:
                problem = response.json()
            except ValueError:
                problem = None
            if isinstance(problem, dict):
                return Refused(response.status_code, problem)
        if response.status_code in _BUSY or response.status_code >= 500:
            return Unreachable(f"{self.context.url} answered {response.status_code}.")
        return self._not_clarive(response)

    def _not_clarive(self, response: httpx.Response) -> Unreachable:
        return Unreachable(
            f"{self.context.url} is not a Clarive server: {response.request.url.path} answered"
            f" {response.status_code} {response.headers.get('Content-Type', 'without a type')}.",
            not_clarive=True,
        )


def dict_of(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return query parameters with all their values."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _pairs(parameters: Parameters) -> list[tuple[str, str]]:
    return [
        (name, str(each))
        for name, value in parameters.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]


def _may_change(failure: Refused | Unreachable) -> bool:
    """Return whether asking the same again may be answered in another way."""
    if isinstance(failure, Unreachable):
        return not failure.not_clarive
    return (failure.status in _BUSY and failure.code not in _FINAL) or failure.code == _KEY_IN_USE


def _is_lasting(error: Exception) -> bool:
    """Return whether a connection fails for a reason that does not go away by itself."""
    text = str(error)
    # What TLS says of a connection that broke is of the network.
    is_of_tls = "[SSL: " in text and "EOF" not in text
    return is_of_tls or type(error).__name__ == "UnsupportedProtocol"


def _unsendable() -> BadUsage:
    """Return what is said of a header that cannot be sent: not what is in it, for it may be the token."""
    return BadUsage("The token or another value cannot be sent in a header: it holds a line break or such.")


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdecimal() else otherwise
