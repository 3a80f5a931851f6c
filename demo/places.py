"""Where the demo keeps its things, and on which ports its environments listen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 8100
ENVIRONMENTS: Final = ("DEV", "QA", "PROD")


@dataclass(frozen=True, slots=True)
class EnvironmentFolder:
    """The machine of an environment, which here is a folder.

    Attributes:
        code: Of the environment.
        folder: Absolute path.
    """

    code: str
    folder: Path

    @property
    def releases(self) -> Path:
        """One folder a release, named by its commit."""
        return self.folder / "releases"

    @property
    def current(self) -> Path:
        """A link to the release in service; absent before the first."""
        return self.folder / "current"

    @property
    def port_file(self) -> Path:
        """Where the service listens, as a number."""
        return self.folder / "port"

    @property
    def restart_file(self) -> Path:
        """Its appearance asks for a restart of the service."""
        return self.folder / "restart"


@dataclass(frozen=True, slots=True)
class DemoPlaces:
    """The demo's part of a ``CLARIVE_HOME``."""

    home: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.home / "demo"

    @property
    def repository(self) -> Path:
        """The shop's bare git repository."""
        return self.folder / "shop.git"

    @property
    def environments(self) -> tuple[EnvironmentFolder, ...]:
        """Every environment, in the order a release goes through them."""
        root = self.folder / "environments"
        return tuple(EnvironmentFolder(code, root / code) for code in ENVIRONMENTS)


def wanted_port(base: int, index: int, round_: int) -> int:
    """Return the port to try for an environment.

    Args:
        base: The demo's base port; the first environment has the one after it.
        index: Place of the environment, from 0.
        round_: How many ports were taken before, each ten above the last.
    """
    return base + 1 + index + 10 * round_
