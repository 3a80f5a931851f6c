"""Operations of third parties."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rules.engine.registry import OperationAlreadyRegistered, OperationType, Registry


def install(folder: Path, target: str) -> None:
    """Lay out a distribution with one entry point, as pip would."""
    (folder / "thirdparty.py").write_text(
        "from rules.engine.registry import OperationType\n"
        "def _greet(call):\n    return 'hello ' + call.arguments\n"
        "GREET = OperationType('greet', {'type': 'string'}, 'Greets.', execute=_greet)\n"
        "def several():\n    return [GREET]\n"
    )
    info = folder / "thirdparty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[clarive_monitor.operations]\nthirdparty = thirdparty:{target}\n"
    )


@pytest.mark.parametrize("target", ["GREET", "several"])
def test_an_installed_distribution_adds_operations(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, target)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "thirdparty", raising=False)
    registry = Registry()
    registry.load_entry_points()
    found = registry.get("greet")
    assert found is not None
    assert found.help == "Greets."


def test_a_key_is_taken_once() -> None:
    registry = Registry()
    operation = OperationType("x", {}, "", execute=lambda call: None)
    registry.register(operation)
    with pytest.raises(OperationAlreadyRegistered):
        registry.register(operation)


def test_an_operation_is_a_leaf_or_a_composite() -> None:
    with pytest.raises(TypeError):
        OperationType("x", {}, "")
    with pytest.raises(TypeError):
        OperationType("x", {}, "", execute=lambda call: None, walk=lambda walker, frame: None)
