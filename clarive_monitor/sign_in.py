"""The first passwords of an installation, in a file that only its owner can read: never in a log."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class SignIn:
    """Names and passwords, a pair a line."""

    def __init__(self, path: Path) -> None:
        """Read the file; a missing one is empty."""
        self._path = path
        self._passwords: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_text(encoding="utf-8").splitlines():
                name, _, password = line.partition("  ")
                self._passwords[name] = password

    def password_of(self, name: str) -> str | None:
        """Return the password that was kept for ``name``."""
        return self._passwords.get(name) or None

    def keep(self, passwords: dict[str, str]) -> None:
        """Add passwords and replace the file in one go; without any nothing is written."""
        if not passwords:
            return
        self._passwords |= passwords
        text = "".join(f"{name}  {password}\n" for name, password in self._passwords.items())
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        draft.replace(self._path)
