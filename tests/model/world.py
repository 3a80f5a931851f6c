"""What the probes of the model's rules do: nothing but what the machine wants of them now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jobs.execution import draining
from rules.engine.call import Call
from rules.engine.outcomes import OperationFailed
from rules.engine.registry import OperationType, registry
from tests.model.execution import World


class Death(BaseException):
    """The worker's process is gone: nothing of ours catches this."""


class Probes:
    """The operation ``probe``."""

    def __init__(self) -> None:
        self.world = World()
        self.executed: list[str] = []

    def execute(self, call: Call) -> object:
        """Note that the probe was executed and do what the world wants."""
        probe = str(call.arguments)
        self.executed.append(probe)
        if probe == self.world.dies_at:
            raise Death
        if probe == self.world.drains_at:
            draining.begin()
        if probe in self.world.failing:
            raise OperationFailed(f"{probe} fails.")
        return None


@contextmanager
def registered() -> Iterator[Probes]:
    """Register the operation while the block lasts."""
    probes = Probes()
    operation = OperationType("probe", {"type": "string"}, "Of the model.", execute=probes.execute)
    registry.register(operation)
    try:
        yield probes
    finally:
        del registry._types["probe"]
