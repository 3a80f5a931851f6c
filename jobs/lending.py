"""What opens a repository, lent to git for one command: in a file that only its own user can read, gone when git has ended.

Neither a command line nor an environment holds it, so no list of processes shows it. Each use has a folder of its own and holds
a lock in it; a use that was killed loses its lock, and the next one takes away what it left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jobs.addresses import Account

_ANSWER: Final = '!f() { test "$1" = get || return 0; cat "$CLARIVE_GIT_ACCOUNT"; }; f'
"""A credential helper of git: what it says is in a file, whose name is in the environment."""
_SSH: Final = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes"
_REFUSALS: Final = re.compile(
    r"Authentication failed|could not read (?:Username|Password)|Access denied|Permission denied|Load key|error: 40[13]"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A private key for an ssh address.

    Attributes:
        text: As OpenSSH writes it, without a passphrase.
        known_hosts: The file of the keys by which hosts are known.
    """

    text: str = field(repr=False)
    known_hosts: Path


@dataclass(frozen=True, slots=True)
class Credential:
    """What a project names to open its repository with.

    Attributes:
        project: Code of the project.
        secret: Name of the secret.
        identity: Tells it from what others open the same address with.
        opens: User and password, or a key; ``None`` when there is a ``problem``.
        problem: Why it cannot be used, in a sentence that holds no value.
    """

    project: str
    secret: str
    identity: str
    opens: Account | Key | None = field(default=None, repr=False)
    problem: str = ""

    def refused(self, complaint: str, said: str) -> str:
        """Return what people are told of git's complaint: that this was not accepted, when it is about that.

        Args:
            complaint: The sentence that would be told otherwise.
            said: All that git said.
        """
        if _REFUSALS.search(said) is None:
            return complaint
        return (
            f"The secret {self.secret}, which the project {self.project} names, was not accepted: {complaint}"
        )


@dataclass(frozen=True, slots=True)
class Lent:
    """How git learns it: options of its configuration, and variables of its environment, neither of which holds it."""

    options: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def lent(what: Account | Key | None, folder: Path) -> Iterator[Lent]:
    """Lend git a user with a password, or a key.

    Args:
        what: ``None`` for nothing.
        folder: Where such files are while they are used; nothing else is there.

    Raises:
        OSError: This machine cannot keep the file.
    """
    if what is None:
        yield Lent()
        return
    with _place(folder) as place:
        if isinstance(what, Account):
            file = _written(place / "account", f"username={what.user}\npassword={what.password}\n")
            # Only for this host: a server that sends git elsewhere does not learn it.
            yield Lent({f"credential.{what.place}.helper": _ANSWER}, {"CLARIVE_GIT_ACCOUNT": str(file)})
            return
        file = _written(place / "key", what.text.rstrip("\n") + "\n")
        # Not the keys of an agent, nor those of the worker's user: who is let in should depend on this one alone.
        words = [f"-oIdentityFile={file}", "-oIdentitiesOnly=yes", "-oIdentityAgent=none"]
        words.append(f'-oUserKnownHostsFile="{what.known_hosts}"')
        yield Lent({}, {"GIT_SSH_COMMAND": f"{_SSH} {shlex.join(words)}"})


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """Lend a folder that is gone afterwards; those of uses that were killed go first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        for other in folder.iterdir():
            if other.is_dir() and _is_left(other):
                shutil.rmtree(other, ignore_errors=True)
        place = Path(tempfile.mkdtemp(dir=folder))
        held = (place / "held").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    with held:
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _is_left(place: Path) -> bool:
    """Return whether whoever used it is dead."""
    try:
        with (place / "held").open("r") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


def _written(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path
