"""What the asker of a refused CHECK reads of its log."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any, Final

from jobs.execution.check_host import CheckHost
from jobs.secrets.masking import Mask

SECRET: Final = "user=bo\npw=k9\nx=17a" + "zq" * 60


def test_a_secret_of_several_lines_is_hidden_whole_and_encoded() -> None:
    facts: Any = SimpleNamespace(secrets=SimpleNamespace(mask=Mask([SECRET])), names=dict, environ=dict)
    host = CheckHost(facts, "request")
    encoded = base64.encodebytes(SECRET.encode())
    operation: Any = None
    for begin in range(0, len(encoded), 7):
        host.output("CHECK/0", operation, "stdout", encoded[begin : begin + 7])
    host.output("CHECK/0", operation, "stdout", b"done\n")
    host.output("CHECK/1", operation, "stderr", f"it is {SECRET}\n".encode())
    host.log("CHECK/2", operation, "info", f"said {SECRET}")
    host.directory.rmdir()
    shown = " ".join(text for _level, text in host.lines())
    assert "done" in shown
    assert "it is ***" in shown
    assert "said ***" in shown
    for part in ("bo", "k9", "17a", "zq", *encoded.decode().split()):
        assert part not in shown
