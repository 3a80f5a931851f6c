"""The variable of the API's rate: what it may be, and that the product says so and does not start with anything else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clarive_monitor.configuration import BadVariable, read
from clarive_monitor.supervisor import services

SAID = "CLARIVE_API_RATE must be 0 or a rate such as 600/minute or 10/second, not "


def test_a_rate_is_read() -> None:
    for text, rate in (("", (3000, 60)), ("600/minute", (600, 60)), (" 5 / second ", (5, 1)), ("0", None)):
        assert read({"CLARIVE_API_RATE": text}).api.rate == rate


WRONG = (
    "fast", "600", "600/", "/minute", "0/minute", "-1/second", "1.5/second", "6e2/minute", "600/fortnight", "1000001/hour",
    "600/minute/2", "600 per minute", "٣/minute", "9" * 5000 + "/hour",
)  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(BadVariable) as refused:
        read({"CLARIVE_API_RATE": text})
    assert str(refused.value) == f"{SAID}{text!r}."


def test_nothing_is_started_with_one_that_is_wrong(tmp_path: Path) -> None:
    variables = {"CLARIVE_HOME": str(tmp_path / "home"), "CLARIVE_ENV_FILE": os.devnull}
    done = subprocess.run(
        [sys.executable, "-m", "clarive_monitor.supervisor"],
        env={"PATH": os.environ["PATH"], **variables, "CLARIVE_API_RATE": "fast"},
        cwd=services.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{SAID}'fast'.\n")
    assert not (tmp_path / "home").exists()
