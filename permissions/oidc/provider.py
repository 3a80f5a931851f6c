"""An OpenID Connect provider: what it publishes, what it is asked, and whether its word can be believed."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from permissions.exceptions import SignInRefused
from permissions.external import CREATE, Person, Rules

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures with a key pair only: with a shared secret, whoever can check a token can make one."""

LEEWAY_SECONDS: Final = 60
_TIMEOUT: Final = httpx.Timeout(10, connect=3)
_KEPT_SECONDS: Final = 300
_LONGEST_ANSWER: Final = 1_000_000

_documents: dict[str, tuple[float, Mapping[str, Any]]] = {}


@dataclass(frozen=True)
class Provider:
    """Who vouches for people; each field is a variable ``CLARIVE_OIDC_…``."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    label: str = "OpenID Connect"
    username_claim: str = "preferred_username"
    groups_claim: str = ""
    signs_out: bool = False
    accounts: str = CREATE
    groups: Mapping[str, str] = field(default_factory=dict)
    admin_group: str = ""

    @classmethod
    def configured(cls) -> Provider | None:
        """Return the provider of this installation, ``None`` when it has none."""
        return None if settings.CLARIVE_OIDC is None else cls(**settings.CLARIVE_OIDC)

    @property
    def rules(self) -> Rules:
        """Return what its people may become here."""
        return Rules(self.accounts, self.groups, self.admin_group)

    def sign_in_address(self, *, state: str, nonce: str, verifier: str, redirect_uri: str) -> str:
        """Return where a browser goes to sign in.

        Args:
            state: Comes back unchanged.
            nonce: Comes back inside the signed token.
            verifier: The secret of PKCE; only its digest is sent now.
            redirect_uri: Where the browser comes back to.

        Raises:
            SignInRefused: The provider does not answer as it should.
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        return _with_query(
            self._endpoint("authorization_endpoint"),
            {
                "response_type": "code",
                "client_id": self.client_id,
                "redirect_uri": redirect_uri,
                "scope": " ".join(self.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
            },
        )

    def sign_out_address(self, *, id_token: str, redirect_uri: str) -> str | None:
        """Return where a browser goes to end its session at the provider too, ``None`` when that is not to be had."""
        if not self.signs_out:
            return None
        try:
            endpoint = self._endpoint("end_session_endpoint")
        except SignInRefused:
            return None
        query = {"client_id": self.client_id, "post_logout_redirect_uri": redirect_uri}
        return _with_query(endpoint, query | ({"id_token_hint": id_token} if id_token else {}))

    def redeem(self, code: str, *, nonce: str, verifier: str, redirect_uri: str) -> tuple[Person, str]:
        """Return for whom the provider vouches with ``code``, and the token in which it does.

        Raises:
            SignInRefused: The provider does not answer, or its answer cannot be believed.
        """
        answer = self._token(code, verifier, redirect_uri)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise SignInRefused("provider", "There is no ID token in the answer.")
        claims = self._verified(id_token, nonce)
        needed = {self.username_claim, *([self.groups_claim] if self.groups_claim else [])}
        if not needed <= claims.keys() and isinstance(answer.get("access_token"), str):
            claims = self._userinfo(answer["access_token"], claims["sub"]) | claims
        return self._person(claims), id_token

    def _token(self, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        methods = self._document().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self.client_secret and "client_secret_basic" in methods:
            # Both are form-encoded first, as RFC 6749 section 2.3.1 wants it.
            auth = httpx.BasicAuth(quote_plus(self.client_id), quote_plus(self.client_secret))
        else:
            form["client_id"] = self.client_id
            if self.client_secret:
                form["client_secret"] = self.client_secret
        return _ask("POST", self._endpoint("token_endpoint"), data=form, auth=auth)

    def _verified(self, id_token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of a token that this provider signed, for this client and this very sign-in, just now."""
        keys = _ask("GET", self._endpoint("jwks_uri"))
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            usable = [
                key
                for key in keys.get("keys", ())
                if key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC")
            ]
            token = jwt.decode(id_token, KeySet.import_key_set({"keys": usable}), algorithms=ALGORITHMS)
            claims = dict(token.claims)
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise SignInRefused("untrusted", f"{type(error).__name__}: {error}") from None
        _check_ours(claims, self.client_id, nonce)
        return claims

    def _userinfo(self, access_token: str, subject: str) -> dict[str, Any]:
        """Return what more the provider says of the same person."""
        if "userinfo_endpoint" not in self._document():
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        found = dict(_ask("GET", self._endpoint("userinfo_endpoint"), headers=headers))
        if found.get("sub") != subject:
            raise SignInRefused("untrusted", "The user information is about somebody else.")
        return found

    def _person(self, claims: Mapping[str, Any]) -> Person:
        username = claims.get(self.username_claim)
        if not isinstance(username, str) or not username:
            raise SignInRefused("name", f"The claim {self.username_claim} is missing.")
        verified = claims.get("email_verified") is not False
        groups = None
        if self.groups_claim:
            given = claims.get(self.groups_claim, [])
            texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
            # Keycloak writes the path of a group unless told otherwise.
            groups = frozenset(str(name).removeprefix("/") for name in texts)
        return Person(
            self.issuer,
            claims["sub"],
            username,
            _text(claims, "email") if verified else "",
            _text(claims, "given_name"),
            _text(claims, "family_name"),
            groups,
        )

    def _endpoint(self, name: str) -> str:
        """Return one of the addresses that the provider publishes; none may be less safe than the issuer's."""
        found = self._document().get(name)
        secure = urlsplit(self.issuer).scheme == "https"
        if not isinstance(found, str) or urlsplit(found).scheme not in (
            {"https"} if secure else {"http", "https"}
        ):
            raise SignInRefused("provider", f"The provider publishes no usable {name}.")
        return found

    def _document(self) -> Mapping[str, Any]:
        """Return what the provider publishes about itself, asked for at most every five minutes."""
        kept = _documents.get(self.issuer)
        if kept is not None and time.monotonic() - kept[0] < _KEPT_SECONDS:
            return kept[1]
        found = _ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            raise SignInRefused("provider", f"The provider calls itself {found.get('issuer')!r}.")
        _documents[self.issuer] = (time.monotonic(), found)
        return found


def forget() -> None:
    """Ask providers again what they publish."""
    _documents.clear()


def _check_ours(claims: Mapping[str, Any], client_id: str, nonce: str) -> None:
    """Refuse a token of another sign-in, or one that was given to another client."""
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise SignInRefused("untrusted", "The token is of another sign-in.")
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", client_id) != client_id or (several and "azp" not in claims):
        raise SignInRefused("untrusted", "The token was given to another client.")
    if not 0 < len(claims["sub"]) <= 255 or "\x00" in claims["sub"]:
        raise SignInRefused("untrusted", "The subject cannot be used.")


def _ask(method: str, address: str, **arguments: Any) -> Mapping[str, Any]:
    """Return the JSON object behind an address.

    Raises:
        SignInRefused: There is none.
    """
    try:
        # No redirects: what is sent is for this address alone.
        with httpx.Client(
            timeout=_TIMEOUT, headers={"Accept": "application/json"}, verify=_authorities()
        ) as client:
            answer = client.request(method, address, **arguments)
        found = answer.json() if len(answer.content) <= _LONGEST_ANSWER else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise SignInRefused("provider", f"{address}: {type(error).__name__}: {error}") from None
    if answer.status_code != 200 or not isinstance(found, dict):
        said = found.get("error") if isinstance(found, dict) else None
        raise SignInRefused("provider", f"{address} answered {answer.status_code} {said or ''}".rstrip())
    return found


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Return whom to believe about certificates: the system's authorities, with an organisation's own, and the usual ones."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _with_query(address: str, query: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""
