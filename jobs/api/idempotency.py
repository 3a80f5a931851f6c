"""The header ``Idempotency-Key``: a POST that is sent twice is done once."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from typing import Any, Final

from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import APIView

from jobs import idempotency
from jobs.exceptions import InvalidInput
from jobs.secrets import vault
from jobs.secrets.sealing import CannotOpen
from permissions.models import User

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
"""Says that an answer is one that was given before."""

_PURPOSE: Final = b"answers under idempotency keys, "

Post = Callable[..., Response]


def once(post: Post) -> Post:
    """Return the method ``post`` of a view as one that minds the header; without it nothing changes."""

    @functools.wraps(post)
    def guarded(view: APIView, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None or not isinstance(request.user, User):
            return post(view, request, *args, **kwargs)
        _check(key)
        taken = idempotency.take(request.user, key, _digest(request), timezone.now())
        if isinstance(taken, idempotency.Answer):
            headers = {**taken.headers, REPLAYED: "true"}
            body = _opened(taken.body, key) if _is_secret(view) else taken.body
            answer = json.loads(body)
            # What may be asked at all was looked at by the view's permissions; this looks at what the answer is about.
            if (still := getattr(view, "require_replay", None)) is not None:
                still(request, answer)
            return Response(answer, status=taken.status, headers=headers)
        try:
            response = post(view, request, *args, **kwargs)
            refused = response.status_code >= 400
        except (OperationalError, InterfaceError):
            # Whether it was done is not known; as after a crash, the key stays in use: twice would be worse than not at all.
            raise
        except BaseException:
            idempotency.release(taken)
            raise
        if refused:
            idempotency.release(taken)
        else:
            headers = {name: value for name, value in response.items() if name != "Content-Type"}
            # What is shown once is kept sealed.
            body = json.dumps(response.data, cls=JSONEncoder)
            body = _sealed(body, key) if _is_secret(view) else body
            idempotency.answer(taken, idempotency.Answer(response.status_code, body, headers))
        return response

    return guarded


def _is_secret(view: APIView) -> bool:
    """Return whether the answers of ``view`` hold what is shown once and is kept nowhere in the clear."""
    return getattr(view, "answers_secret", False) is True


def _sealed(body: str, key: str) -> str:
    return base64.b64encode(vault.key_ring().seal(body, _PURPOSE + key.encode())).decode()


def _opened(body: str, key: str) -> str:
    try:
        return vault.key_ring().open(base64.b64decode(body), _PURPOSE + key.encode())
    except (CannotOpen, ValueError):
        # Sealed under a key that the operator took away, or kept in the clear, without its secret, by an earlier version.
        raise idempotency.KeyReused from None


def _check(key: str) -> None:
    if not (1 <= len(key) <= idempotency.LONGEST and key.isascii() and key.isprintable()):
        raise InvalidInput({HEADER: [f"Use 1 to {idempotency.LONGEST} printable ASCII characters."]})


def _digest(request: Request) -> str:
    """Return what tells two requests apart: the same JSON with its names in another order is the same body.

    A limited token is told apart too: an answer may show more than it may see. It is a keyed digest, as a body may hold a
    password, which is short enough to be guessed from a plain one.
    """
    limits = request.user.limits if isinstance(request.user, User) else None
    asked = [request.path, request.data] if limits is None else [request.path, request.data, limits.key]
    written = json.dumps(asked, sort_keys=True)
    return salted_hmac(HEADER, written, algorithm="sha256").hexdigest()
