"""Puts the demo into an installation: the repository, the folders of the environments, and the configuration.

It is put there once, and again when the demo itself has changed; in between whatever people change stays theirs.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from demo.places import DemoPlaces
from demo.repository import make_repository
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.models import Project
from permissions.models import User

FOLDER: Final = Path(__file__).resolve().parent
PROJECT: Final = "shop"


def set_up(home: Path, password_of: Callable[[str], str], *, now: datetime) -> dict[str, str]:
    """Make all of the demo that is missing.

    Args:
        home: The installation's ``CLARIVE_HOME``.
        password_of: Chooses the password of a new user.
        now: The moment of what is written.

    Returns:
        Passwords of the users that were made now, by name.

    Raises:
        RepositoryNotMade: Git is missing or refused.
    """
    places = DemoPlaces(home)
    make_repository(places.repository)
    for environment in places.environments:
        environment.releases.mkdir(parents=True, exist_ok=True)
    mark = places.folder / "applied"
    wanted = _digest(places)
    done = mark.is_file() and mark.read_text(encoding="ascii") == wanted
    if done and Project.objects.filter(code=PROJECT).exists():
        return {}
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(FOLDER / "demo.yaml")
    passwords = _complete(document, places, password_of)
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(document, text)
    apply_documents([Source("demo/demo.yaml", text.getvalue(), FOLDER)], now=now)
    for name, password in passwords.items():
        # Past the rules for passwords: simple ones are given where only this machine can use them.
        user = User.objects.get(username=name)
        user.set_password(password)
        user.save(update_fields=["password"])
    mark.write_text(wanted, encoding="ascii")
    return passwords


def _complete(
    document: dict[str, Any], places: DemoPlaces, password_of: Callable[[str], str]
) -> dict[str, str]:
    """Add to the document what differs between installations; return the passwords of users that are new."""
    folders = {environment.code: environment for environment in places.environments}
    for item in document["environments"]:
        item["variables"] = {"path": str(folders[item["code"]].folder)}
    (project,) = document["projects"]
    project["repository"] = str(places.repository)
    # Whatever Python runs the product can run its demo as well.
    project["variables"] = {"python": sys.executable}
    passwords = {}
    for item in document["users"]:
        if not User.objects.filter(username=item["username"]).exists():
            passwords[item["username"]] = password_of(item["username"])
    return passwords


def _digest(places: DemoPlaces) -> str:
    """Return a digest of what the configuration of the demo is made from."""
    digest = hashlib.sha256(f"{places.home} {sys.executable}".encode())
    for path in sorted([FOLDER / "demo.yaml", *(FOLDER / "rules").glob("*.yaml")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
