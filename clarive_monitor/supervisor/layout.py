"""Where an installation keeps its things, and the addresses of the embedded servers that follow from it."""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DATABASE_NAME = "clarive"
DATABASE_USER = "clarive"
# A Unix socket's path may have 107 bytes; PostgreSQL's file name in the folder takes 20 of them.
LONGEST_SOCKET_FOLDER = 80


class UnsafeFolder(Exception):
    """A folder that must be private belongs to somebody else or is a link."""


@dataclass(frozen=True)
class Layout:
    """The folders of one ``CLARIVE_HOME``.

    Attributes:
        home: Absolute path of the folder that holds database, broker data, job directories and logs.
    """

    home: Path

    @classmethod
    def at(cls, home: str | os.PathLike[str]) -> "Layout":
        """Return the layout of a home given as the operator wrote it, absolute or relative."""
        return cls(Path(home).expanduser().resolve())

    @property
    def database(self) -> Path:
        """The PostgreSQL cluster."""
        return self.home / "postgres"

    @property
    def broker(self) -> Path:
        """Valkey's append-only file."""
        return self.home / "valkey"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.home / "logs"

    @property
    def mail(self) -> Path:
        """Mail that is written to files where no server is configured."""
        return self.home / "mail"

    @property
    def static(self) -> Path:
        """Collected static files."""
        return self.home / "static"

    @property
    def secret_key(self) -> Path:
        """The signing key made at first start."""
        return self.home / "secret_key"

    @property
    def sign_in(self) -> Path:
        """User and password made at first start."""
        return self.home / "sign-in.txt"

    @property
    def sockets(self) -> Path:
        """The folder of both servers' sockets: short, per user and per home.

        The path has to be the same for everybody who looks, so ``/tmp`` is preferred to a ``TMPDIR`` that may
        differ between a terminal and a service.
        """
        base = Path("/tmp")
        if not os.access(base, os.W_OK):
            base = Path(tempfile.gettempdir())
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:10]
        return base / f"clarive-{os.getuid()}-{digest}"

    @property
    def broker_socket(self) -> Path:
        """Valkey's socket."""
        return self.sockets / "valkey.sock"

    @property
    def database_url(self) -> str:
        """The embedded database as a URL that libpq's tools understand as well."""
        return f"postgresql://{DATABASE_USER}@{quote(str(self.sockets), safe='')}/{DATABASE_NAME}"

    @property
    def broker_url(self) -> str:
        """The embedded broker as Celery writes it."""
        return f"redis+socket://{self.broker_socket}"


def make_private(folder: Path, *, also_owner: int | None = None) -> Path:
    """Create a folder for this user alone, or check that an existing one is that.

    Args:
        folder: Absolute path; its parent exists.
        also_owner: Another user id whose folder is accepted: of a server that root starts as somebody else.

    Returns:
        The same path.

    Raises:
        UnsafeFolder: It is a link, no folder, or somebody else's.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.getuid(), also_owner}:
        raise UnsafeFolder(
            f"{folder} is not a folder of this user; remove it or choose another CLARIVE_HOME."
        )
    folder.chmod(0o700)
    return folder
