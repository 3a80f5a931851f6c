"""What only one may have: the home, through its lock, and a port."""

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import IO, Final

PORTS_TRIED: Final = 100


class AlreadyRunning(Exception):
    """Another supervisor has this home; the text says which."""


class NoFreePort(Exception):
    """Every port that was tried is taken, or the address cannot be used."""


def take_home(home: Path) -> IO[str]:
    """Lock the home for this process until it ends, however it ends.

    Returns:
        The open lock; ``describe`` writes into it what others are told.

    Raises:
        AlreadyRunning: It is locked.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (home / "supervisor.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "it is still starting"
        lock.close()
        raise AlreadyRunning(f"Clarive Monitor runs already with {home}: {holder}.") from None
    describe(lock, f"process {os.getpid()}, still starting")
    return lock


def describe(lock: IO[str], text: str) -> None:
    """Replace what a second supervisor is told."""
    lock.truncate(0)
    lock.write(text)
    lock.flush()


def free_port(host: str, wanted: int) -> int:
    """Return the wanted port, or the next one that nobody listens to.

    Args:
        host: Address to listen to.
        wanted: First port to try.

    Raises:
        NoFreePort: None is free, or the host is none of this machine's.
    """
    try:
        family, _, _, _, _ = socket.getaddrinfo(host, wanted, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise NoFreePort(f"CLARIVE_HOST={host} cannot be listened to: {error.strerror}.") from None
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except PermissionError:
                continue
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise NoFreePort(f"CLARIVE_HOST={host} cannot be listened to: {error.strerror}.") from None
            return port
    raise NoFreePort(f"No free port from {wanted} on: give another one with CLARIVE_PORT.")
