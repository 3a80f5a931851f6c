"""Where webhooks may lead: to nobody inside, unless the operator says so.

The same judgement is made when an address is saved and again when it is connected to, on the very address that is then
used: a name may mean something else by then.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Sequence
from typing import Final

import httpx
from django.conf import settings

from jobs.plain_data import mistake_in_text

LONGEST: Final = 500
RESOLVE_SECONDS: Final = 3.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME: Final = re.compile(r"(?!.{254}[^.])[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_SPECIAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        # The registries of special purposes (IANA), of which Python knows as much as there was when it was made: its
        # answer differs from version to version.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2620:4f:8000::/48",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        # Public by its number, and yet the machine that a virtual one of Azure runs on.
        "168.63.129.16/32",
    )
)  # fmt: skip
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")


class TargetRefused(Exception):
    """The address may not be connected to."""


class NoAddress(OSError):
    """The name has no address, or none was found in time."""


def mistake_in_url(written: str, *, resolve: bool = True) -> str | None:
    """Return why a webhook cannot lead there, ``None`` when nothing speaks against it.

    Args:
        written: The address.
        resolve: Ask what a name means now. One that means nothing now is no mistake: it may be new.
    """
    if mistake := mistake_in_text(written):
        return mistake
    try:
        url = httpx.URL(written)
        host, port = url.host, url.port
    except (httpx.InvalidURL, ValueError):
        return "This is no address that can be read."
    if len(written) > LONGEST:
        return f"At most {LONGEST} characters."
    if url.scheme not in {"http", "https"} or not host:
        return "It must begin with http:// or https:// and a host."
    if port is not None and not 1 <= port <= 65535:
        return "The port must be between 1 and 65535."
    if _literal(host) is None and not _NAME.fullmatch(url.raw_host.decode("ascii")):
        return "The host is no name that can be looked up."
    if url.userinfo or url.fragment:
        return "User, password and fragment are not sent; leave them out."
    return _mistake_in_host(host, resolve=resolve)


def _mistake_in_host(host: str, *, resolve: bool) -> str | None:
    try:
        if resolve or _literal(host) is not None or _is_this_machine(host):
            check(host, addresses_of(host, RESOLVE_SECONDS))
    except TargetRefused as error:
        return str(error)
    except NoAddress:
        return None
    return None


def check(host: str, addresses: Sequence[str]) -> None:
    """Do nothing when each of the addresses that ``host`` means may be connected to.

    Raises:
        TargetRefused: One of them may not.
    """
    if _is_named(host):
        return
    for written in addresses:
        if not _may_lead_to(ipaddress.ip_address(written.partition("%")[0])):
            raise TargetRefused(
                f"{host} leads to {written}, which is not a public address. CLARIVE_WEBHOOK_PRIVATE_TARGETS can allow it."
            )


def addresses_of(host: str, seconds: float) -> list[str]:
    """Return the addresses that ``host`` means, each once.

    Raises:
        NoAddress: There is none, or the answer takes longer than ``seconds``.
    """
    literal = _literal(host)
    if literal is not None:
        return [str(literal)]
    if _is_this_machine(host):
        return ["127.0.0.1"]
    found: list[str] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            errors.append(error)

    # The system's resolver knows no limit of time; what it says too late is nobody's business.
    asking = threading.Thread(target=ask, name="resolve", daemon=True)
    asking.start()
    asking.join(seconds)
    if not found:
        said = getattr(errors[0], "strerror", None) or str(errors[0]) if errors else "no answer in time"
        raise NoAddress(f"There is no address for the name {host}: {said}.")
    return list(found)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    """Return whether the name is of the machine itself by definition, whatever the resolver says (RFC 6761)."""
    return f".{host.rstrip('.').lower()}".endswith(".localhost")


def _is_named(host: str) -> bool:
    """Return whether the operator allows this very name."""
    return host.rstrip(".").lower() in {name.lower() for name in settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS}


def _may_lead_to(address: Address) -> bool:
    address = _inner(address)
    for written in settings.CLARIVE_WEBHOOK_PRIVATE_TARGETS:
        try:
            network = ipaddress.ip_network(written, strict=False)
        except ValueError:
            continue  # a name
        if address.version == network.version and address in network:
            return True
    if any(address.version == network.version and address in network for network in _SPECIAL):
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_loopback
        or address.is_link_local
        or address.is_private
        or address.is_reserved
        or address.is_unspecified
    )


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
