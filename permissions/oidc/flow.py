"""One sign-in through the provider, from leaving to coming back.

What belongs to it is kept in a signed cookie of the browser that left: no row is written for people who never come back, and
an answer that another browser brings finds nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from permissions.exceptions import SignInRefused

MOST_SECONDS: Final = 600
_SALT: Final = "permissions.oidc.flow"


@dataclass(frozen=True)
class Departure:
    """What is remembered of a browser that went to the provider.

    Attributes:
        state: Names the departure; comes back in the address.
        nonce: Comes back in the token.
        verifier: The secret of PKCE.
        next: The page to go to afterwards.
    """

    state: str
    nonce: str
    verifier: str
    next: str

    @classmethod
    def new(cls, following: str) -> Departure:
        """Return a departure that nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (32, 32, 48))
        return cls(state, nonce, verifier, following)

    def keep(self, response: HttpResponse, path: str) -> None:
        """Give it to the browser, for the address under ``path`` alone."""
        response.set_cookie(
            _name(self.state),
            signing.dumps(asdict(self), salt=_SALT, compress=True),
            max_age=MOST_SECONDS,
            path=path,
            secure=settings.CLARIVE_HTTPS,
            httponly=True,
            samesite="Lax",
        )

    @classmethod
    def of(cls, request: HttpRequest) -> Departure:
        """Return the departure that ``request`` comes back from.

        Raises:
            SignInRefused: This browser has not left, or too long ago, or has come back already.
        """
        state = request.GET.get("state", "")
        try:
            found = cls(**signing.loads(request.COOKIES[_name(state)], salt=_SALT, max_age=MOST_SECONDS))
        except (KeyError, TypeError, signing.BadSignature):
            raise SignInRefused("state") from None
        if not secrets.compare_digest(found.state.encode(), state.encode()):
            raise SignInRefused("state")
        return found


def forget(request: HttpRequest, response: HttpResponse, path: str) -> None:
    """Take the departure away from the browser: it comes back once."""
    state = request.GET.get("state", "")
    if _name(state) in request.COOKIES:
        response.delete_cookie(_name(state), path=path, samesite="Lax")


def _name(state: str) -> str:
    # Several tabs may be on their way at once.
    return f"clarive_oidc_{''.join(sign for sign in state if sign.isascii() and sign.isalnum())[:12]}"
