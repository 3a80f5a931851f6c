"""What a rule wants to ask of a web service, checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from rules.engine.outcomes import OperationFailed

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DEFAULTS: Final = {
    "User-Agent": "clarive-monitor",
    # What comes is kept as it is and bounded, so a body that grows when it is unpacked is of no use.
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A request.

    Attributes:
        method: In capitals.
        url: Of http or https, with a host.
        headers: As bytes, in the order they are sent.
        body: What is sent, ``None`` for nothing.
        expect: The statuses that are no failure.
    """

    method: str
    url: httpx.URL
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None
    expect: frozenset[int]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Question:
        """Return what an operation's arguments ask.

        Raises:
            OperationFailed: The address or a header makes no sense.
        """
        content = arguments.get("body")
        body, kind = _body(content)
        expect = arguments.get("expect", range(200, 300))
        return cls(
            method=arguments.get("method") or ("GET" if body is None else "POST"),
            url=_url(arguments["url"]),
            headers=_headers(arguments.get("headers") or {}, kind),
            body=body,
            expect=frozenset([expect] if isinstance(expect, int) else expect),
        )

    def __str__(self) -> str:
        """Method and host: path and query may hold what is nobody's business."""
        return f"{self.method} {self.place}"

    @property
    def place(self) -> str:
        """The host and, where it is not the usual one, the port."""
        return self.url.netloc.decode("ascii", "replace")


def _url(written: str) -> httpx.URL:
    try:
        url = httpx.URL(written.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise OperationFailed("url is no address that can be read.") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise OperationFailed("url must begin with http:// or https:// and a host.")
    return url


def _body(content: Any) -> tuple[bytes | None, str]:
    """Return what is sent for ``content``, and what kind it is."""
    if content is None:
        return None, ""
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode(), "application/json"


def _headers(written: Mapping[str, str], kind: str) -> tuple[tuple[bytes, bytes], ...]:
    for name, value in written.items():
        if _NAME.fullmatch(name) is None:
            raise OperationFailed(f"{name[:50]!r} cannot be the name of a header.")
        if _CONTROL.search(value):
            raise OperationFailed(f"The header {name} holds a line break or another control character.")
    given = {name.lower() for name in written}
    defaults = _DEFAULTS | ({"Content-Type": kind} if kind else {})
    found = {name: value for name, value in defaults.items() if name.lower() not in given} | dict(written)
    return tuple((name.encode(), value.strip().encode()) for name, value in found.items())
