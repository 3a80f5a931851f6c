"""Whether a host is the one that is meant: its key is compared in any case, and never trusted because it came first."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from rules.engine.outcomes import OperationFailed
from rules.palette.ssh.targets import DEFAULT_PORT, Target


class Trust(asyncssh.SSHClient):
    """What is known of a host's key; remembers the key that it was offered and could not trust."""

    def __init__(self, target: Target, known_hosts: Path) -> None:
        """Read what is known.

        Args:
            target: Names the key under ``host_key``, or none.
            known_hosts: Where to look then; an absent file knows nobody.

        Raises:
            OperationFailed: The key or the file cannot be read.
        """
        self._target, self._file = target, known_hosts
        self.known = _expected(target.host_key) if target.host_key is not None else _read(known_hosts)
        self.offered: asyncssh.SSHKey | None = None
        self._expects: list[asyncssh.SSHKey] = []
        self._address = ""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Note under which address the host was found: it may be known by that."""
        self._address = conn.get_extra_info("peername", ("",))[0]

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Refuse a key that is not among the known ones, and remember it for the sentence."""
        self.offered, self._expects = key, self._known()[0]
        return False

    def compare(self, key: asyncssh.SSHKey) -> None:
        """Remember a key that was looked up if others are known of this host, none of which it is."""
        keys, authorities = self._known()
        if keys and not authorities and key not in keys:
            self.offered, self._expects = key, keys

    @property
    def knows_some(self) -> bool:
        """Whether any key of the host is known: then it is asked for those kinds alone, and may have none of them."""
        return bool(self._known()[0])

    def _known(self) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """Return the known keys of the host, and of authorities that may vouch for it."""
        port = None if self._target.port == DEFAULT_PORT else self._target.port
        found = self.known.match(self._target.host, self._address, port)
        return list(found[0]), list(found[1])

    def complaint(self) -> str:
        """Return what to tell people about the key that was refused."""
        assert self.offered is not None
        line = _line(self.offered)
        if self._target.host_key is not None:
            return (
                f"{self._target} has another key than the one under host_key: it offered {_named(self.offered)}, and "
                f"{_several(self._expects)} was expected. When it was set up anew, write this under host_key: {line}"
            )
        if self._expects:
            return (
                f"{self._target} has another key than the one that is known: it offered {_named(self.offered)}, and "
                f"{_several(self._expects)} was expected. When it was set up anew, replace its line in {self._file} "
                f"on the worker's machine: {self._target.known_as} {line}"
            )
        return (
            f"The key of {self._target} is not known: it offered {_named(self.offered)}. When that is its key, put "
            f"this line into {self._file} on the worker's machine, or what follows the name under host_key: "
            f"{self._target.known_as} {line}"
        )


def _read(path: Path) -> asyncssh.SSHKnownHosts:
    """Return the known hosts; the object is never "empty" for the library, which would look elsewhere then."""
    try:
        return asyncssh.import_known_hosts(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return asyncssh.import_known_hosts("")
    except ValueError as error:
        raise OperationFailed(f"The file of known hosts {path} cannot be read: {error}.") from error


def _expected(host_key: str) -> asyncssh.SSHKnownHosts:
    line = host_key.strip()
    try:
        asyncssh.import_public_key(line)
    except ValueError as error:
        raise OperationFailed(
            "host_key is no public key: write a line such as ssh-ed25519 AAAA…, without a name before it."
        ) from error
    return asyncssh.import_known_hosts(f"* {line}")


def _named(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _several(keys: list[asyncssh.SSHKey]) -> str:
    return " or ".join(dict.fromkeys(_named(key) for key in keys)) or "another one"


def _line(key: asyncssh.SSHKey) -> str:
    """Return the key as one line, without the comment."""
    return " ".join(key.export_public_key().decode().split()[:2])
