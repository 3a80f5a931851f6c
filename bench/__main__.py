"""Measure, print the table, and keep the results: ``python -m bench``, or ``make bench``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench import curves
from bench.figures import Figure, rows
from bench.place import Bench, place

FOLDER: Final = Path(__file__).parent
RESULTS: Final = FOLDER / "results.json"
SIZES: Final = (1_000, 100_000, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites; return 1 when one of them could not be run to its end, else 0.

    A goal that is missed is no failure: the table says so, and the machine may be a busy one.
    """
    suites = sorted(path.stem for path in (FOLDER / "suites").glob("[!_]*.py"))
    options = _parser(suites).parse_args(arguments)
    results = Results(options.results)
    with (
        tempfile.TemporaryDirectory(prefix="clarive-bench-") as temporary,
        place(options.home or Path(temporary), options.sizes, large=options.large) as bench,
    ):
        conditions = _conditions()
        failed = measure(bench, options.only, lambda found: results.keep(found, conditions))
    if results.measured:
        print_table(rows(results.measured, results.before))
    is_ours = options.results == RESULTS
    curves.main(options.results, curves.PICTURE if is_ours else options.results.with_suffix(".svg"))
    for name, reason in failed.items():
        print(f"{name} was not measured to its end: {reason}", file=sys.stderr)
    return 1 if failed else 0


def _parser(suites: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=suites, default=suites, metavar="SUITE", help=", ".join(suites)
    )
    parser.add_argument(
        "--sizes", type=_sizes, default=SIZES, help="numbers of jobs, with commas between them"
    )
    parser.add_argument("--home", type=Path, help="where seeded databases are kept for the next time")
    parser.add_argument(
        "--large",
        action="store_true",
        help="take hours and 25 GB of disk for what grows: 10,000 jobs for memory, a log of 10 GB",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        help="where results are kept; conditions and the picture of another file than the usual one lie beside it",
    )
    return parser


class Results:
    """What was measured, written down after each suite, so that nothing is lost when a later one breaks.

    Attributes:
        before: The lines of the file before.
        measured: What was measured since.
    """

    def __init__(self, path: Path) -> None:
        """Take the file; it need not be there."""
        self._path = path
        self.before: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        self.measured: list[Figure] = []

    def keep(self, found: Sequence[Figure], conditions: dict[str, Any]) -> None:
        """Write what a suite has measured; what was not measured this time stays as it was."""
        self.measured += found
        new = {(one.name, one.size): one.as_data() for one in self.measured}
        kept = {(line["name"], line["size"]): line for line in self.before}
        lines = [*({**kept, **new}).values()]
        text = "[\n" + ",\n".join(f"  {json.dumps(line)}" for line in lines) + "\n]\n" if lines else "[]\n"
        self._path.write_text(text)
        beside = "conditions.json" if self._path == RESULTS else f"{self._path.stem}-conditions.json"
        self._path.with_name(beside).write_text(json.dumps(conditions, indent=2) + "\n")


def print_table(table: Sequence[Sequence[str]]) -> None:
    """Print lines of words under each other; the first column to the left, the others to the right."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        first, *others = (
            word.ljust(width) if not at else word.rjust(width)
            for at, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join((first, *others)).rstrip())


def measure(bench: Bench, suites: Sequence[str], keep: Callable[[list[Figure]], None]) -> dict[str, str]:
    """Run suites one after the other; return why, by name, those failed that did.

    Args:
        bench: Where.
        suites: Their names.
        keep: Called behind each suite with what it has measured, also when it failed in the middle.
    """
    failed: dict[str, str] = {}
    for name in suites:
        begun, measured = time.monotonic(), list[Figure]()
        try:
            for one in importlib.import_module(f"bench.suites.{name}").figures(bench):
                measured.append(one)
                print(f"  {one.name} ({one.size:,}): {one.median_ms:,.2f} ms", file=sys.stderr)
        except KeyboardInterrupt:
            failed[name] = "interrupted"
            break
        except Exception as error:
            # Whatever it met, the others are measured all the same.
            traceback.print_exc()
            failed[name] = f"{type(error).__name__}: {error}"
        finally:
            keep(measured)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return failed


def _conditions() -> dict[str, Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('shared_buffers')"
        )
        version, fsync, buffers = cursor.fetchone()
    return {
        "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "postgresql": {"version": version, "fsync": fsync, "shared_buffers": buffers},
        "load": [round(one, 2) for one in os.getloadavg()],
        "commit": _commit(),
    }


def _commit() -> str:
    told = subprocess.run(
        ("git", "describe", "--always", "--dirty"), cwd=FOLDER, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.replace("_", "").split(","))


if __name__ == "__main__":
    raise SystemExit(main())
