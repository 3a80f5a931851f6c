"""Test modules compiled once for a whole run: the processes of a run share the work instead of each doing all of it.

pytest rewrites the asserts of every test module, which takes more than half of the collection where no earlier run has left
the result. The workers of pytest-xdist collect all modules in the same order at the same time, so each would rewrite nearly
all of them. Before it collects, each does those of its own that no other does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from _pytest.assertion import rewrite


def compile_share(config: pytest.Config) -> None:
    """Rewrite and compile this worker's share of the test modules in the folders that were asked for.

    Whatever it does not get to is done by the collection, as it would be without it.
    """
    if sys.dont_write_bytecode:
        return
    place = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    together = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    folders = [folder for each in config.args if (folder := config.invocation_params.dir / each).is_dir()]
    modules = sorted(module for folder in folders for module in folder.rglob("test_*.py"))
    for module in modules[place::together]:
        _compile(module, config)


def _compile(module: Path, config: pytest.Config) -> None:
    """Leave the compiled module where pytest looks for it."""
    folder = rewrite.get_cache_dir(module)
    compiled = folder / (module.name.removesuffix(".py") + rewrite.PYC_TAIL)
    if rewrite.try_makedirs(folder) and rewrite._read_pyc(module, compiled) is None:
        source_hash, code = rewrite._rewrite_test(module, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source_hash, compiled)
