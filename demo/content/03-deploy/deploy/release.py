"""What a deployment does on the machine of an environment.

An environment is a folder: ``releases/<commit>`` for each release, ``current`` that points to the one in service, ``port``
where it listens, and ``restart``, which whoever looks after the service takes as the wish to start it again.
"""

import json
import os
import shutil
import sys
import tarfile
import time
from pathlib import Path
from urllib.request import urlopen

RESTART_SECONDS = 5


def install(environment: Path, archive: Path, commit: str) -> None:
    """Unpack an archive into a release of its own; a release that is there already is replaced as a whole."""
    draft, release = (environment / "releases" / name for name in (f"{commit}.new", commit))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        # Refuses what leads out of the folder; Python before 3.11.4 has no such filter and looks at no such name.
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(draft)
    found = (draft / "COMMIT").read_text(encoding="ascii").strip()
    if found != commit:
        sys.exit(f"The archive holds {found}, not {commit}.")
    if release.exists():
        release.rename(release.with_name(f"{commit}.old"))
    draft.rename(release)
    release.touch()
    shutil.rmtree(release.with_name(f"{commit}.old"), ignore_errors=True)
    sys.stdout.write(f"{release} holds {sum(path.is_file() for path in release.rglob('*'))} files\n")


def switch(environment: Path, commit: str) -> None:
    """Point ``current`` to a release in one go and ask for a restart of the service."""
    if not (environment / "releases" / commit).is_dir():
        sys.exit(f"There is no release {commit}.")
    draft = environment / f"current.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(Path("releases") / commit)
    draft.replace(environment / "current")
    (environment / "restart").touch()
    sys.stdout.write(f"current is {commit} now\n")


def current(environment: Path) -> None:
    """Print the commit in service; nothing when there is none."""
    link = environment / "current"
    if link.is_symlink():
        sys.stdout.write(link.readlink().name)


def ask(address: str) -> object:
    """Return what the service answers, or why it does not."""
    try:
        with urlopen(address, timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        return f"nothing useful ({error})"


def verify(environment: Path, commit: str) -> None:
    """Ask the service for its version until it is the one of the release, for as long as a restart may take."""
    port = (environment / "port").read_text(encoding="ascii").strip()
    address = f"http://127.0.0.1:{port}/version"
    version = (environment / "releases" / commit / "VERSION").read_text(encoding="ascii").strip()
    give_up_at = time.monotonic() + RESTART_SECONDS
    while (found := ask(address)) != {"version": version, "commit": commit}:
        if time.monotonic() > give_up_at:
            sys.exit(f"{address} answers {found}, not {version} of {commit}.")
        time.sleep(0.2)
    sys.stdout.write(f"{address} answers {version} of {commit}\n")


if __name__ == "__main__":
    action, folder, *rest = sys.argv[1:]
    if action == "install":
        install(Path(folder), Path(rest[0]), rest[1])
    else:
        {"switch": switch, "verify": verify, "current": current}[action](Path(folder), *rest)
