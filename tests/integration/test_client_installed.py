"""The command line client as it is installed: by its entry point, in a shell that completes it, and on a terminal."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clarive_monitor.client.main import main
from clarive_monitor.supervisor.services import BASE_DIR
from tests.unit.client.stub import TOKEN, Answer, Asked, Pieces, Stub, entry, event, job, page, serving

BAR = re.compile(r"\[[#.]{20}\] +(\d+)%")
END = "N.DEV-00000007 is finished in END after 1m05s."


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package was installed into, without what it needs."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(
        BASE_DIR / "clarive_monitor", source / "clarive_monitor", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(BASE_DIR / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable,
         "--target", folder / "target", source],
        check=True,
    )  # fmt: skip
    return folder / "target"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as found:
        yield found


def variables(installed: Path, home: Path, stub: Stub | None = None) -> dict[str, str]:
    """Return the environment of somebody who has it in their path, and is signed in to the stub."""
    found = {"PATH": f"{installed / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(installed), "TZ": "UTC"}
    found |= {"XDG_CONFIG_HOME": str(home), "NO_PROXY": "127.0.0.1", "TERM": "xterm"}
    return found if stub is None else {**found, "CLARIVE_URL": stub.address, "CLARIVE_TOKEN": TOKEN}


def test_the_entry_point_is_the_command(installed: Path, tmp_path: Path) -> None:
    (there,) = importlib.metadata.distributions(name="clarive-monitor", path=[str(installed)])
    (point,) = there.entry_points.select(group="console_scripts", name="clarive")
    assert point.load() is main

    def run(*words: str) -> str:
        environment = variables(installed, tmp_path)
        done = subprocess.run(
            ["clarive", *words], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert run("--version") == f"clarive {there.version}\n"
    assert run("--help").startswith("Usage: clarive [OPTIONS] COMMAND")
    # In a checkout, where nothing is installed, it is the same.
    words = [sys.executable, "-m", "clarive_monitor.client", "--version"]
    assert subprocess.run(words, cwd=BASE_DIR, capture_output=True, text=True).stdout == run("--version")


def test_shells_complete_it(installed: Path, stub: Stub, tmp_path: Path) -> None:
    """By bash itself; zsh and fish read their scripts where they are."""
    stub.on("GET jobs/", page(job(7), job(71)))
    environment = variables(installed, tmp_path, stub)

    def bash(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in words)
        script = f"""
            eval "$(clarive completion bash)"
            complete -p clarive > /dev/null || exit 1
            COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _clarive_completion clarive
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    assert bash("clarive", "jobs", "wa") == ["wait", "watch"]
    assert bash("clarive", "jobs", "show", "7") == ["7", "71"]
    for shell in ("zsh", "fish"):
        script = tmp_path / shell
        script.write_text(
            subprocess.check_output(["clarive", "completion", shell], env=environment, text=True)
        )
        if path := shutil.which(shell):
            subprocess.run([path, "-n", script], check=True)


def tells_a_story(stub: Stub) -> None:
    """Let a job go from its beginning to its end while it is watched: three lines, and progress between them."""
    lines = [entry(number) for number in range(1, 4)]
    over, is_read = False, threading.Event()

    def at(percent: int) -> dict[str, Any]:
        progress = {
            "operations_done": 1,
            "operations_expected": 4,
            "percent": percent,
            "basis": "tree",
            "eta": None,
        }
        return job(7, progress=progress)

    def story() -> Iterator[bytes]:
        nonlocal over
        # Nothing happens before it has read what there is.
        is_read.wait(10)
        for place, line in enumerate(lines):
            yield event("log", {"job": 7, "entry": line}, 100 + 2 * place).encode()
            yield event("job", at(30 * (place + 1)), 101 + 2 * place).encode()
        over = True
        yield event("job", job(7, "finished"), 120).encode()

    def log(asked: Asked) -> Answer:
        is_read.set()
        return page(*(lines[int(asked.query["after"][0]) :] if over else []))

    stub.on("GET jobs/7/", lambda _asked: Answer(job(7, "finished") if over else at(0)))
    stub.on("GET jobs/7/log/", log)
    stub.on("GET stream/", lambda _asked: Pieces(story()))


def on_a_terminal(environment: dict[str, str], *words: str, columns: int = 80) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and all that was written there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 4096):
            written += piece
    except OSError:  # nobody has the other end any more
        pass
    finally:
        os.close(ours)
    return process.wait(30), written.decode().replace("\r\n", "\n")


def seen(written: str) -> list[str]:
    """Return the lines that are on the terminal in the end: without colours, and without what was taken away."""
    rows = [re.split(r"\r\x1b\[K", row)[-1] for row in written.split("\n")]
    return [re.sub(r"\x1b\[[0-9;]*m", "", row) for row in rows if row]


@pytest.mark.parametrize("columns", [80, 30])
def test_who_watches_on_a_terminal_sees_a_bar_that_reaches_the_end(
    installed: Path, stub: Stub, tmp_path: Path, columns: int
) -> None:
    tells_a_story(stub)
    environment = variables(installed, tmp_path, stub)
    code, written = on_a_terminal(environment, "clarive", "jobs", "watch", "7", columns=columns)
    assert code == 0, written
    shown = [int(percent) for percent in BAR.findall(written)]
    assert shown == sorted(shown)
    assert set(shown) == {0, 30, 60, 90, 100}
    assert "\x1b[32m" in written
    # The bar is gone, also where it was wider than the terminal, and the log is whole.
    assert seen(written) == ["line 1", "line 2", "line 3", END]
    assert all(len(bar) < columns for bar in re.findall(r"\[[#.]+[^\r\n\x1b]*", written))


def test_elsewhere_there_are_no_codes(installed: Path, stub: Stub, tmp_path: Path) -> None:
    tells_a_story(stub)
    environment = variables(installed, tmp_path, stub)
    done = subprocess.run(["clarive", "jobs", "watch", "7"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"line 1\nline 2\nline 3\n{END}\n")
    assert done.stderr == ""
    tells_a_story(stub)
    code, written = on_a_terminal({**environment, "TERM": "dumb"}, "clarive", "jobs", "watch", "7")
    assert (code, written) == (0, f"line 1\nline 2\nline 3\n{END}\n")
