"""Asking a web service and judging what it answers."""

from __future__ import annotations

import codecs
import http
import json
import math
import socket
import ssl
from typing import Any, Final, NoReturn

import httpx

from rules.engine.call import Call
from rules.engine.outcomes import OperationFailed
from rules.palette import interruptible
from rules.palette.failures import causes, reason
from rules.palette.http.question import Question
from rules.palette.output import KEPT_BYTES, as_text

MOST_SECONDS: Final = 60.0
"""How long it may take where the rule gives no timeout."""

_SHOWN: Final = 500
"""How much of an unexpected answer's body the failure shows."""


def ask(call: Call) -> dict[str, Any]:
    """Ask what ``call`` says, and return what ``save_as`` holds.

    Raises:
        OperationFailed: There was no answer, or none that was expected.
    """
    question = Question.of(call.arguments)
    value = interruptible.run(
        call,
        lambda _pipe: _answer(question),
        most_seconds=MOST_SECONDS if call.node.options.timeout is None else None,
        late=f"{question.place} did not answer within {MOST_SECONDS:g} s.",
    )
    said = f"{question} answered {_named(value['status'])}"
    if value["status"] in question.expect:
        call.log(f"{said}.")
        return value
    beginning = value["body"].strip()[:_SHOWN]
    raise OperationFailed(
        f"{said}, which was not expected" + (f": {beginning}" if beginning else "."), value=value
    )


def _named(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


async def _answer(question: Question) -> dict[str, Any]:
    try:
        async with (
            httpx.AsyncClient(
                verify=_certificates(), trust_env=False, timeout=None, follow_redirects=False
            ) as client,
            client.stream(
                question.method, question.url, headers=list(question.headers), content=question.body
            ) as response,
        ):
            return _value(response, await _beginning(response))
    except (httpx.HTTPError, OSError) as error:
        _fail(question, error)


def _certificates() -> ssl.SSLContext:
    """Trust what the machine trusts, and the authorities that come with the library."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


async def _beginning(response: httpx.Response) -> bytes:
    """Return the first 64 KiB; what comes after is read and dropped, so that the service can say all it wants to."""
    kept = bytearray()
    async for piece in response.aiter_bytes(KEPT_BYTES):
        kept += piece[: KEPT_BYTES - len(kept)]
    return bytes(kept)


def _value(response: httpx.Response, body: bytes) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "headers": {name: as_text(value.encode()) for name, value in response.headers.items()},
        "body": as_text(body, _encoding(response)),
        "json": _parsed(body),
    }


def _encoding(response: httpx.Response) -> str:
    try:
        return codecs.lookup(response.charset_encoding or "utf-8").name
    except LookupError:
        return "utf-8"


def _parsed(body: bytes) -> Any:
    """Return the body as data, ``None`` when it is no JSON or holds what cannot be kept."""
    try:
        return json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("There is no such number in JSON.")


def _finite(written: str) -> float:
    if not math.isfinite(number := float(written)):
        raise ValueError("The number is too large.")
    return number


def _fail(question: Question, error: Exception) -> NoReturn:
    """Say what went wrong on the way.

    Raises:
        OperationFailed: Always.
    """
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            said = f"There is no address for the name {question.url.host}: {cause.strerror}."
            raise OperationFailed(said) from error
        if isinstance(cause, ssl.SSLCertVerificationError):
            said = f"The certificate of {question.place} is not trusted: {cause.verify_message}."
            raise OperationFailed(said) from error
        if isinstance(cause, ssl.SSLError):
            said = f"There is no TLS connection with {question.place}: {cause.reason or cause}."
            raise OperationFailed(said) from error
    if isinstance(error, httpx.ConnectError):
        raise OperationFailed(f"{question.place} cannot be reached: {reason(error).rstrip('.')}.") from error
    raise OperationFailed(
        f"The connection with {question.place} broke: {reason(error).rstrip('.')}."
    ) from error
