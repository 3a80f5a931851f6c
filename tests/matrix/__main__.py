"""``python -m tests.matrix [--write]``: try every door; with ``--write`` keep the table when all was as it should be."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("test_matrix.py")

if __name__ == "__main__":
    write = "--write" in sys.argv
    without = ["--deselect", f"{TESTS.relative_to(Path.cwd())}::test_the_table_is_current"] if write else []
    code = pytest.main([str(TESTS), *without])
    if write and code == pytest.ExitCode.OK:
        from tests.matrix import table

        table.PATH.write_text(table.render(), encoding="utf-8")
    sys.exit(code)
