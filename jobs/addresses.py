"""Addresses of repositories, and the user information that may be in them. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

_SCHEME: Final = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
_WHOLE: Final = re.compile(_SCHEME + r"(?P<rest>.*)", re.DOTALL)
_IN_TEXT: Final = re.compile(_SCHEME + r"(?P<rest>[^\s'\"]*)")
_SSH: Final = frozenset({"ssh", "git+ssh", "ssh+git"})
_TRANSPORTS: Final = frozenset({"http", "https", "git", "file", *_SSH})
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]+::")
MASK: Final = "***"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^:@\[\]]*)(:[0-9]*)?")


def is_usable(address: str) -> bool:
    """Return whether git may be given the address: no option of its own, and no transport that runs a program."""
    if not address.isprintable() or address.startswith("-") or _HELPER.match(address):
        return False
    url = _WHOLE.fullmatch(address)
    return url is None or url["scheme"].lower() in _TRANSPORTS


def public_address(address: str) -> str:
    """Return the address of a repository without the user information in it.

    The user of an ssh address stays, without a password: it belongs to the address and is nobody's secret, while
    that of a web address is often a token.
    """
    return _WHOLE.sub(lambda found: _split(found)[0], address)


def shown_address(address: str) -> str:
    """Return the address of a repository with ``***`` for the user information of a web address: often a token."""
    public = public_address(address)
    is_web = public.startswith(("http://", "https://"))
    return public.replace("://", "://***@", 1) if is_web and public != address else public


def masked_address(address: str) -> str:
    """Return the address of a repository with ``***`` for all that is secret in it, also in an ssh address.

    What is masked already stays as it is.
    """
    url = _WHOLE.fullmatch(address)
    public, information = _split(url) if url else (address, "")
    if url is None or not information or public == address:
        return address
    user = ""
    if url["scheme"].lower() in _SSH:
        user = information.partition(":")[0] + ":"
    start = len(url["scheme"]) + len("://")
    host = public[start + len(user) :] if user else public[start:]
    return f"{public[:start]}{user}{MASK}@{host}"


def is_masked(address: str) -> bool:
    """Return whether ``***`` stands where a user and password were."""
    return masked_address(address) == address and public_address(address) != address


def public_text(text: str) -> str:
    """Return a text with every address in it made public."""
    return _IN_TEXT.sub(lambda found: _split(found)[0], text)


def _split(url: re.Match[str]) -> tuple[str, str]:
    """Return a URL without its user information, and that."""
    scheme, rest = url["scheme"], url["rest"]
    place = re.search(r"[/?#]", rest)
    end = place.start() if place else len(rest)
    information, _, host = rest[:end].rpartition("@")
    if _HOST.fullmatch(host) is None:
        # No host looks like this: a password with a slash in it, written as it is.
        information, _, host = rest.rpartition("@")
        end = len(rest)
    kept = ""
    if scheme.lower() in _SSH and information:
        kept = information.partition(":")[0] + "@"
    return f"{scheme}://{kept}{host}{rest[end:]}", information


def is_ssh(address: str) -> bool:
    """Return whether git goes there by ssh: by such an address, or as ``user@host:path``."""
    url = _WHOLE.fullmatch(address)
    if url is not None:
        return url["scheme"].lower() in _SSH
    host, colon, _path = address.partition(":")
    return bool(host and colon) and "/" not in host


def is_web(address: str) -> bool:
    """Return whether git goes there by http or https."""
    url = _WHOLE.fullmatch(address)
    return url is not None and url["scheme"].lower() in {"http", "https"}


def user_of(address: str) -> str:
    """Return the user in a web address, an empty text when there is none."""
    found = Account.of(address)
    return found.user if found else ""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a password for the host of a web address alone."""

    place: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, address: str) -> Account | None:
        """Return that of ``address``, ``None`` when there is none, or git has no use for it."""
        url = _WHOLE.fullmatch(address)
        if url is None or not is_web(address):
            return None
        information = _split(url)[1]
        if not information:
            return None
        user, _, password = information.partition(":")
        return cls.at(address, unquote(user), unquote(password))

    @classmethod
    def at(cls, address: str, user: str, password: str) -> Account | None:
        """Return one for the host of ``address``, ``None`` when that is no web address."""
        if not is_web(address):
            return None
        place = re.match(r"[^/]*//[^/?#]*", public_address(address))
        assert place is not None
        return cls(place.group(), user, password)

    def forms(self) -> tuple[str, ...]:
        """Return what a server gets to know of the password, in each way in which it may be repeated."""
        basic = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return basic, self.password, quote(self.password, safe="")

    def is_sayable(self) -> bool:
        """Return whether git's way of asking can carry it: line by line."""
        return not any(sign in self.user + self.password for sign in "\n\r\0")
