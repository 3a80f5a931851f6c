"""Whom a rule wants to connect to. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rules.engine.outcomes import OperationFailed

DEFAULT_PORT: Final = 22

_WITH_PORT: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:]+)(:(?P<port>[0-9]{1,5}))?")
_NO_HOST: Final = re.compile(r"[\s\x00-\x1f\x7f/@,*?!|#]")


@dataclass(frozen=True, slots=True)
class Target:
    """A host, and how to get in.

    Attributes:
        host: Name or address.
        port: Of its SSH server.
        user: ``None`` for the name of the user that the worker runs as.
        key: Text of a private key, ``None`` for the worker's own ones.
        host_key: The public key that the host must have, ``None`` to look into the file of known hosts.
    """

    host: str
    port: int = DEFAULT_PORT
    user: str | None = None
    key: str | None = None
    host_key: str | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Target:
        """Return the target that an operation's arguments name.

        Raises:
            OperationFailed: The host or the port makes no sense.
        """
        host, port = _host_and_port(arguments["host"].strip())
        given = arguments.get("port")
        if port is not None and given is not None and port != given:
            raise OperationFailed(f"There are two ports: {port} under host and {given} under port.")
        return cls(
            host=host,
            port=port or given or DEFAULT_PORT,
            user=arguments.get("user"),
            key=arguments.get("key"),
            host_key=arguments.get("host_key"),
        )

    @property
    def known_as(self) -> str:
        """The name it has in a file of known hosts."""
        return self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        if self.port == DEFAULT_PORT:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host_and_port(written: str) -> tuple[str, int | None]:
    """Split ``name:port``; an IPv6 address with a port stands in brackets, one without may."""
    if "@" in written:
        raise OperationFailed("host must be a host alone: write the user under user.")
    if written.count(":") > 1 and not written.startswith("["):
        return _checked(written), None
    found = _WITH_PORT.fullmatch(written)
    if found is None:
        raise OperationFailed(f"host must be a name or name:port, not {written[:100]!r}.")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise OperationFailed(f"The port must be between 1 and 65535, not {port}.")
    return _checked(found["host"].strip("[]")), port


def _checked(host: str) -> str:
    if not host or host.startswith("-") or len(host) > 255 or _NO_HOST.search(host):
        raise OperationFailed(f"host must be a name or an address, not {host[:100]!r}.")
    return host
