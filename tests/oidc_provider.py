"""A small OpenID Connect provider for tests: real HTTP, real keys, and answers that can be made wrong one by one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

Claims = dict[str, Any]


class OidcProvider:
    """Listens on 127.0.0.1. ``claims`` is who signs in next; the other attributes make its answers wrong.

    Attributes:
        claims: What it says of the person, in the ID token.
        userinfo: What it says of the person when asked for more.
        change: Applied to the claims of the token just before it is signed.
        sign: Signs the token; the provider's own key by default.
        error: Comes back instead of a code.
        requests: Paths that were asked for.
    """

    client_id, client_secret = "clarive", "s3cret+with/signs"

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "now", "use": "sig"})
        self.published = [self.key]
        self.claims: Claims = {"sub": "u-1", "preferred_username": "eva"}
        self.userinfo: Claims | None = None
        self.change: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.error = ""
        self.document: dict[str, Any] = {}
        self.requests: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, "")

            def do_POST(self) -> None:
                provider.answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realms/test"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def signed(self, claims: Claims, key: Any = None, algorithm: str = "RS256") -> str:
        """Return a token signed by ``key``, the provider's own by default."""
        key = key or self.key
        header = {"alg": algorithm, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[algorithm])

    def signed_with_public_key(self, claims: Claims) -> str:
        """Return a token "signed" with what everybody knows: the public key as if it were a shared secret."""
        body = _parts({"alg": "HS256", "kid": self.key.kid}, claims)
        secret = self.key.as_pem(private=False)
        return f"{body}.{_encoded(hmac.digest(secret, body.encode(), 'sha256'))}"

    def unsigned(self, claims: Claims) -> str:
        """Return a token that claims to need no signature."""
        return f"{_parts({'alg': 'none', 'kid': self.key.kid}, claims)}."

    def answer(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        """Answer one request."""
        address = urlsplit(handler.path)
        self.requests.append(address.path)
        form = {name: values[0] for name, values in parse_qs(body or address.query).items()}
        name = address.path.removeprefix("/realms/test/")
        if name in {"auth", "logout"}:
            there = self._authorise(form) if name == "auth" else form["post_logout_redirect_uri"]
            handler.send_response(302)
            handler.send_header("Location", there)
            handler.end_headers()
            return
        answers: dict[str, Callable[[], Any]] = {
            ".well-known/openid-configuration": self._document,
            "keys": lambda: {"keys": [key.as_dict(private=False) for key in self.published]},
            "token": lambda: self._token(form, handler.headers.get("Authorization", "")),
            "userinfo": lambda: self.userinfo,
        }
        found = answers[name]()
        data = json.dumps(found).encode()
        handler.send_response(200 if found is not None and "error" not in found else 400)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _document(self) -> dict[str, Any]:
        names = {"authorization": "auth", "token": "token", "userinfo": "userinfo", "end_session": "logout"}
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            **{f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in names.items()},
            **self.document,
        }

    def _authorise(self, form: dict[str, str]) -> str:
        """Return where the browser goes back to. Whoever asks is signed in at once."""
        assert form["client_id"] == self.client_id
        assert form["code_challenge_method"] == "S256"
        if self.error:
            query = {"error": self.error, "state": form["state"]}
        else:
            code = f"code-{len(self._codes)}"
            self._codes[code] = form
            query = {"code": code, "state": form["state"]}
        return f"{form['redirect_uri']}?{urlencode(query)}"

    def _token(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = _encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        basic = base64.b64encode(f"{self.client_id}:s3cret%2Bwith%2Fsigns".encode()).decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
            or authorization != f"Basic {basic}"
        ):
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            **self.claims,
        }
        token = self.sign(self.change(claims))
        return {"access_token": "access", "token_type": "Bearer", "id_token": token}


def _parts(header: Claims, claims: Claims) -> str:
    """Return the beginning of a token: what is signed."""
    return ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
