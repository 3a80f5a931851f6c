"""A directory: finds a person by name, tries the password, reads the groups. Nothing is ever written there."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPInvalidCredentialsResult
from ldap3.utils.conv import escape_filter_chars

from permissions.external import CREATE, Person, Rules

_CONNECT_SECONDS: Final = 3
_MOST_GROUPS: Final = 1000


class DirectoryFailed(Exception):
    """The directory does not answer, or not as it should."""


@dataclass(frozen=True)
class Directory:
    """Where people are looked for; each field is a variable ``CLARIVE_LDAP_…``."""

    url: str
    user_base: str
    start_tls: bool = True
    ca_file: str = ""
    bind_dn: str = ""
    bind_password: str = field(default="", repr=False)
    user_filter: str = "(uid={username})"
    username_attribute: str = "uid"
    id_attribute: str = "entryUUID"
    group_base: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn}))"
    group_attribute: str = "cn"
    timeout_seconds: int = 5
    accounts: str = CREATE
    groups: Mapping[str, str] = field(default_factory=dict)
    admin_group: str = ""

    @property
    def rules(self) -> Rules:
        """Return what its people may become here."""
        return Rules(self.accounts, self.groups, self.admin_group)

    @property
    def issuer(self) -> str:
        """Return the name under which its identities are kept: another server of the same directory keeps them."""
        return f"ldap:{self.user_base.lower()}"[:300]

    def person(self, username: str, password: str) -> Person | None:
        """Return who has this name and password, ``None`` for nobody.

        Args:
            username: As it was typed.
            password: The same; an empty one is nobody's, although directories take it for an anonymous bind.

        Raises:
            DirectoryFailed: It cannot be asked within the time-out.
        """
        if not username or not password:
            return None
        try:
            with self._connection(self.bind_dn, self.bind_password) as service:
                entry = self._find(service, username)
                if entry is None or not self._opens(entry["dn"], password):
                    return None
                groups = self._groups(service, entry["dn"])
        except (LDAPException, OSError, ssl.SSLError) as error:
            raise DirectoryFailed(f"{type(error).__name__}: {error}") from None
        return self._describe(entry, groups)

    def _find(self, connection: Any, username: str) -> dict[str, Any] | None:
        """Return the one entry of this name; two are nobody."""
        wanted = [self.username_attribute, self.id_attribute, "mail", "givenName", "sn"]
        query = self.user_filter.format(username=escape_filter_chars(username))
        found = self._search(connection, self.user_base, query, wanted, most=2)
        return found[0] if len(found) == 1 else None

    def _opens(self, dn: str, password: str) -> bool:
        """Return whether the password opens the entry, tried on a connection of its own."""
        try:
            with self._connection(dn, password):
                return True
        except LDAPInvalidCredentialsResult:
            return False

    def _groups(self, connection: Any, dn: str) -> frozenset[str] | None:
        if not self.group_base:
            return None
        query = self.group_filter.format(dn=escape_filter_chars(dn))
        found = self._search(connection, self.group_base, query, [self.group_attribute], most=_MOST_GROUPS)
        return frozenset(
            name for entry in found for name in _texts(entry["raw_attributes"], self.group_attribute)
        )

    def _search(
        self, connection: Any, base: str, query: str, attributes: list[str], *, most: int
    ) -> list[dict[str, Any]]:
        connection.search(
            base, query, attributes=attributes, size_limit=most, time_limit=self.timeout_seconds
        )
        # Referrals are answers as well; they are not followed, or a password would go to whoever they name.
        return [answer for answer in connection.response or [] if answer.get("type") == "searchResEntry"]

    def _describe(self, entry: Mapping[str, Any], groups: frozenset[str] | None) -> Person:
        attributes = entry["raw_attributes"]
        names = _texts(attributes, self.username_attribute)
        if not names:
            raise DirectoryFailed(f"{entry['dn']} has no {self.username_attribute}.")
        first = {name: next(iter(_texts(attributes, name)), "") for name in ("mail", "givenName", "sn")}
        return Person(
            self.issuer,
            self._identity(attributes, entry["dn"]),
            names[0],
            first["mail"],
            first["givenName"],
            first["sn"],
            groups,
        )

    def _identity(self, attributes: Mapping[str, list[bytes]], dn: str) -> str:
        """Return what names the entry for ever. Names can be given to somebody else, so there is no other way."""
        values = next(
            (values for name, values in attributes.items() if name.lower() == self.id_attribute.lower()), []
        )
        if not values:
            raise DirectoryFailed(f"{dn} has no {self.id_attribute}.")
        if self.id_attribute.lower() == "objectguid":
            return str(uuid.UUID(bytes_le=values[0]))
        return values[0].decode("utf-8", "replace").replace("\x00", "")[:255]

    @contextmanager
    def _connection(self, dn: str, password: str) -> Iterator[Any]:
        """Open a connection, encrypted with the server's certificate checked, bind, and close it again."""
        parts = urlsplit(self.url)
        is_tls = parts.scheme == "ldaps"
        checks = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self.ca_file or None, sni=parts.hostname)
        server = ldap3.Server(
            parts.hostname,
            port=parts.port or (636 if is_tls else 389),
            use_ssl=is_tls,
            tls=checks if is_tls or self.start_tls else None,
            get_info=ldap3.NONE,
            connect_timeout=min(_CONNECT_SECONDS, self.timeout_seconds),
        )
        connection = ldap3.Connection(
            server,
            user=dn or None,
            password=password or None,
            receive_timeout=self.timeout_seconds,
            auto_referrals=False,
            raise_exceptions=True,
            read_only=True,
            check_names=False,
        )
        try:
            connection.open(read_server_info=False)
            if self.start_tls and not is_tls:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
            yield connection
        finally:
            # Where connecting failed, unbinding leaves the socket open.
            left = connection.socket
            connection.unbind()
            if left is not None:
                left.close()


def _texts(attributes: Mapping[str, list[bytes]], name: str) -> list[str]:
    """Return the values of an attribute, whose name may be written in any case."""
    return [
        value.decode("utf-8", "replace")
        for key, values in attributes.items()
        if key.lower() == name.lower()
        for value in values
    ]
