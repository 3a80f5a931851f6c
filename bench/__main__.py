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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import curves
from bench.figures import Figure, rows
from bench.place import Bench, place

FOLDER: Final = Path(__file__).parent
RESULTS: Final = FOLDER / "results.json"
CONDITIONS: Final = FOLDER / "conditions.json"
SIZES: Final = (1_000, 100_000, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites; return 0, also when a goal is missed: the table says so, and the machine may be a busy one."""
    suites = sorted(path.stem for path in (FOLDER / "suites").glob("[!_]*.py"))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=suites, default=suites, metavar="SUITE", help=", ".join(suites)
    )
    parser.add_argument(
        "--sizes", type=_sizes, default=SIZES, help="numbers of jobs, with commas between them"
    )
    parser.add_argument("--home", type=Path, help="where seeded databases are kept for the next time")
    options = parser.parse_args(arguments)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    with (
        tempfile.TemporaryDirectory(prefix="clarive-bench-") as temporary,
        place(options.home or Path(temporary), options.sizes) as bench,
    ):
        measured = _measure(bench, options.only)
        conditions = _conditions()
    print_table(rows(measured, before))
    _keep(measured, before, conditions)
    curves.main()
    return 0


def print_table(table: Sequence[Sequence[str]]) -> None:
    """Print lines of words under each other; the first column to the left, the others to the right."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        first, *others = (
            word.ljust(width) if not at else word.rjust(width)
            for at, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join((first, *others)).rstrip())


def _measure(bench: Bench, suites: Sequence[str]) -> list[Figure]:
    measured: list[Figure] = []
    for name in suites:
        begun = time.monotonic()
        for one in importlib.import_module(f"bench.suites.{name}").figures(bench):
            measured.append(one)
            print(f"  {one.name} ({one.size:,}): {one.median_ms:,.2f} ms", file=sys.stderr)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return measured


def _keep(measured: Sequence[Figure], before: Sequence[dict[str, Any]], conditions: dict[str, Any]) -> None:
    """Write what was measured; what was not measured this time stays as it was."""
    new = {(one.name, one.size): one.as_data() for one in measured}
    kept = {(line["name"], line["size"]): line for line in before}
    lines = [*({**kept, **new}).values()]
    RESULTS.write_text("[\n" + ",\n".join(f"  {json.dumps(line)}" for line in lines) + "\n]\n")
    CONDITIONS.write_text(json.dumps(conditions, indent=2) + "\n")


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
