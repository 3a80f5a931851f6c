"""The variables of signing in: failures, passwords, sessions, OpenID Connect and LDAP."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from clarive_monitor.variables import BadVariable, Reader

LOCAL_PASSWORDS: Final = ("everybody", "administrators")
ACCOUNTS: Final = ("create", "link", "both")
_MINUTES_OF_30_DAYS: Final = 30 * 24 * 60


@dataclass(frozen=True)
class SignInConfiguration:
    """How people sign in; ``.env.example`` explains each field's variable.

    Attributes:
        oidc: Keys of ``permissions.oidc.provider.Provider``; ``None`` without a provider.
        ldap: Keys of ``permissions.ldap.Directory``; ``None`` without a directory.
    """

    failures: int
    address_failures: int
    lockout_minutes: int
    history_days: int
    proxies: int
    password_min_length: int
    local_passwords: str
    session_hours: int
    session_idle_minutes: int
    oidc: Mapping[str, Any] | None
    ldap: Mapping[str, Any] | None


def read_sign_in(reader: Reader, *, https: bool) -> SignInConfiguration:
    """Return how people sign in.

    Args:
        reader: Reads the variables.
        https: Whether a proxy stands in front, whose word on addresses counts then.

    Raises:
        BadVariable: One of them cannot be used.
    """
    failures = reader.number("CLARIVE_LOGIN_FAILURES", default=10, maximum=1000)
    oidc, ldap = _oidc(reader), _ldap(reader)
    local = reader.choice("CLARIVE_LOCAL_PASSWORDS", default=LOCAL_PASSWORDS[0], allowed=LOCAL_PASSWORDS)
    if local != LOCAL_PASSWORDS[0] and oidc is None and ldap is None:
        raise BadVariable(
            "CLARIVE_LOCAL_PASSWORDS can be administrators only with CLARIVE_OIDC_ISSUER or CLARIVE_LDAP_URL."
        )
    return SignInConfiguration(
        failures=failures,
        address_failures=reader.number(
            "CLARIVE_LOGIN_ADDRESS_FAILURES", default=max(100, failures), minimum=failures, maximum=100_000
        ),
        lockout_minutes=reader.number("CLARIVE_LOGIN_LOCKOUT_MINUTES", default=15, maximum=24 * 60),
        history_days=reader.number("CLARIVE_LOGIN_HISTORY_DAYS", default=365, maximum=3650),
        proxies=reader.number("CLARIVE_PROXIES", default=int(https), minimum=0, maximum=10),
        password_min_length=reader.number("CLARIVE_PASSWORD_MIN_LENGTH", default=12, minimum=8, maximum=64),
        local_passwords=local,
        session_hours=reader.number("CLARIVE_SESSION_HOURS", default=7 * 24, maximum=365 * 24),
        session_idle_minutes=reader.number(
            "CLARIVE_SESSION_IDLE_MINUTES", default=0, minimum=0, maximum=_MINUTES_OF_30_DAYS
        ),
        oidc=oidc,
        ldap=ldap,
    )


def _oidc(reader: Reader) -> Mapping[str, Any] | None:
    issuer = reader.address("CLARIVE_OIDC_ISSUER", schemes=("https", "http"))
    if not issuer:
        return None
    if urlsplit(issuer).scheme == "http" and not _is_this_machine(urlsplit(issuer).hostname):
        raise BadVariable("CLARIVE_OIDC_ISSUER must begin with https://, unless it is on this machine.")
    client_id = _required(reader, "CLARIVE_OIDC_CLIENT_ID", "CLARIVE_OIDC_ISSUER")
    scopes = reader.text("CLARIVE_OIDC_SCOPES", "openid profile email").split()
    if "openid" not in scopes:
        raise BadVariable("CLARIVE_OIDC_SCOPES must contain openid.")
    groups_claim = reader.text("CLARIVE_OIDC_GROUPS_CLAIM", "")
    return {
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": reader.text("CLARIVE_OIDC_CLIENT_SECRET", ""),
        "scopes": tuple(scopes),
        "label": reader.text("CLARIVE_OIDC_LABEL", "OpenID Connect"),
        "username_claim": reader.text("CLARIVE_OIDC_USERNAME_CLAIM", "preferred_username"),
        "groups_claim": groups_claim,
        "signs_out": reader.boolean("CLARIVE_OIDC_SIGN_OUT", default=False),
        **_accounts(reader, "CLARIVE_OIDC", groups_claim, "CLARIVE_OIDC_GROUPS_CLAIM"),
    }


def _ldap(reader: Reader) -> Mapping[str, Any] | None:
    url = reader.address("CLARIVE_LDAP_URL", schemes=("ldaps", "ldap"))
    if not url:
        return None
    start_tls = reader.boolean("CLARIVE_LDAP_START_TLS", default=url.startswith("ldap://"))
    if start_tls and url.startswith("ldaps://"):
        raise BadVariable(
            "CLARIVE_LDAP_START_TLS is for ldap:// only; ldaps:// is encrypted from its beginning."
        )
    if url.startswith("ldap://") and not start_tls and not _is_this_machine(urlsplit(url).hostname):
        raise BadVariable("CLARIVE_LDAP_START_TLS must be 1: passwords would cross the network unencrypted.")
    group_base = reader.text("CLARIVE_LDAP_GROUP_BASE", "")
    return {
        "url": url,
        "start_tls": start_tls,
        "ca_file": reader.file("CLARIVE_LDAP_CA_FILE"),
        "bind_dn": reader.text("CLARIVE_LDAP_BIND_DN", ""),
        "bind_password": reader.text("CLARIVE_LDAP_BIND_PASSWORD", ""),
        "user_base": _required(reader, "CLARIVE_LDAP_USER_BASE", "CLARIVE_LDAP_URL"),
        "user_filter": _filter(reader, "CLARIVE_LDAP_USER_FILTER", "(uid={username})", "username"),
        "username_attribute": reader.text("CLARIVE_LDAP_USERNAME_ATTRIBUTE", "uid"),
        "id_attribute": reader.text("CLARIVE_LDAP_ID_ATTRIBUTE", "entryUUID"),
        "group_base": group_base,
        "group_filter": _filter(
            reader, "CLARIVE_LDAP_GROUP_FILTER", "(|(member={dn})(uniqueMember={dn}))", "dn"
        ),
        "group_attribute": reader.text("CLARIVE_LDAP_GROUP_ATTRIBUTE", "cn"),
        "timeout_seconds": reader.number("CLARIVE_LDAP_TIMEOUT_SECONDS", default=5, maximum=60),
        **_accounts(reader, "CLARIVE_LDAP", group_base, "CLARIVE_LDAP_GROUP_BASE"),
    }


def _accounts(reader: Reader, prefix: str, source: str, source_name: str) -> dict[str, Any]:
    """Return which accounts a source of identities may use, and what its groups do."""
    groups = reader.pairs(f"{prefix}_GROUPS")
    admin_group = reader.text(f"{prefix}_ADMIN_GROUP", "")
    for name, given in ((f"{prefix}_GROUPS", groups), (f"{prefix}_ADMIN_GROUP", admin_group)):
        if given and not source:
            raise BadVariable(f"{name} needs {source_name}.")
    return {
        "accounts": reader.choice(f"{prefix}_ACCOUNTS", default=ACCOUNTS[0], allowed=ACCOUNTS),
        "groups": groups,
        "admin_group": admin_group,
    }


def _filter(reader: Reader, name: str, default: str, field: str) -> str:
    """Return a filter of LDAP after trying it."""
    value = reader.text(name, default)
    try:
        tried = value.format(**{"username": "x", "dn": "x"})
    except (KeyError, IndexError, ValueError, AttributeError):
        tried = ""
    if f"{{{field}}}" not in value or not (tried.startswith("(") and tried.endswith(")")):
        raise BadVariable(f"{name} must be a filter in brackets with {{{field}}} in it, not {value!r}.")
    return value


def _required(reader: Reader, name: str, because: str) -> str:
    value = reader.text(name, "")
    if not value:
        raise BadVariable(f"{name} is required with {because}.")
    return value


def _is_this_machine(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
