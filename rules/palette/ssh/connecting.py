"""A connection to a host that is trusted, with every way in which it can fail told in a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import asyncssh

from rules.engine.outcomes import OperationFailed
from rules.palette.failures import reason
from rules.palette.ssh.targets import Target
from rules.palette.ssh.trust import Trust

CONNECT_SECONDS: Final = 30.0
"""How long connecting may take, from the look-up of the name to the accepted key."""

KEEPALIVE_SECONDS = 10.0
"""A host is asked for a sign of life when it is silent for so long; the third question without an answer ends it."""

_KEEPALIVES: Final = 3
_LOOK_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 1.0


@contextlib.asynccontextmanager
async def connected(target: Target, known_hosts: Path) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Connect for the length of a ``with`` block.

    Args:
        target: Whom to.
        known_hosts: The file of known hosts.

    Raises:
        OperationFailed: There is no connection, the host is not trusted, or it does not let us in.
    """
    connection = await _connect(target, Trust(target, known_hosts))
    try:
        yield connection
    except BaseException:
        connection.abort()
        raise
    else:
        connection.close()
    finally:
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            await asyncio.wait_for(connection.wait_closed(), _CLOSE_SECONDS)


async def _connect(target: Target, trust: Trust) -> asyncssh.SSHClientConnection:
    options = _options(target)
    try:
        return await asyncssh.connect(
            target.host, target.port, known_hosts=trust.known, client_factory=lambda: trust, **options
        )
    except asyncssh.HostKeyNotVerifiable as error:
        if trust.offered is None:
            raise OperationFailed(f"The key of {target} cannot be trusted: {error.reason}.") from error
        raise OperationFailed(trust.complaint()) from error
    except (asyncssh.PermissionDenied, asyncssh.IllegalUserName) as error:
        raise OperationFailed(_not_let_in(target)) from error
    except asyncssh.Error as error:
        # A host that has a key of none of the known kinds ends the connection, and who says so first is a matter of luck.
        await _look_at_the_key(target, trust)
        said = f"The connection to {target} failed: {error.reason.rstrip('.')}."
        raise OperationFailed(said if trust.offered is None else trust.complaint()) from error
    except TimeoutError as error:
        raise OperationFailed(f"{target} did not answer within {CONNECT_SECONDS:g} s.") from error
    except socket.gaierror as error:
        raise OperationFailed(f"There is no address for the name {target.host}: {error.strerror}.") from error
    except OSError as error:
        raise OperationFailed(f"{target} cannot be reached: {reason(error)}.") from error


def _options(target: Target) -> dict[str, Any]:
    """Return what does not depend on trust: the worker's own configuration of SSH is not read, nothing is forwarded."""
    found: dict[str, Any] = {
        "config": None,
        "username": target.user or (),
        "preferred_auth": ("publickey",),
        "password_auth": False,
        "kbdint_auth": False,
        "host_based_auth": False,
        "gss_host": None,
        "gss_auth": False,
        "x509_trusted_certs": None,
        "agent_forwarding": False,
        "connect_timeout": CONNECT_SECONDS,
        "login_timeout": CONNECT_SECONDS,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": _KEEPALIVES,
    }
    if target.key is not None:
        found |= {"client_keys": [_private_key(target.key)], "agent_path": None}
    return found


def _private_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text.replace("\r\n", "\n").strip() + "\n")
    except ValueError as error:
        # Without the cause: it may quote the key.
        if "passphrase" in str(error).lower():
            raise OperationFailed("key is protected by a passphrase: give one without.") from None
        raise OperationFailed("key is no private key that can be read.") from None


async def _look_at_the_key(target: Target, trust: Trust) -> None:
    """Look whether the host has another key than those that are known, so that people can be told."""
    if not trust.knows_some:
        return
    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
        async with asyncio.timeout(_LOOK_SECONDS):
            key = await asyncssh.get_server_host_key(target.host, target.port, config=None)
        if key is not None:
            trust.compare(key)


def _not_let_in(target: Target) -> str:
    user = target.user or "the user that the worker runs as"
    which = "the key" if target.key is not None else "any key that the worker has"
    return f"{target} did not accept {which} for {user}."
