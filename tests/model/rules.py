"""The rules of the model's jobs: what they are made of, how they are written, and a small set of them.

The only operation that does anything is ``probe``, registered by ``world``: it notes that it was executed, and fails, kills its
runner or tells it to stop when the machine wants so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Literal

STEPS: Final = ("INIT", "PRE", "RUN", "POST")


@dataclass(frozen=True)
class Trap:
    """What a rule says of a trap."""

    timeout: timedelta = timedelta(days=1)
    on_timeout: Literal["abort", "skip", "retry"] = "abort"
    max_retries: int = 0


@dataclass(frozen=True)
class Approval:
    """What a rule says of an approval."""

    approvers: tuple[str, ...]
    minimum: int = 1
    exclude_creator: bool = False


@dataclass(frozen=True)
class Operation:
    """One operation: a probe, an approval, or a group of probes."""

    id: str = ""
    on_error: Literal["fail", "trap", "ignore"] = "fail"
    trap: Trap = field(default_factory=Trap)
    undo: int = 0
    undo_if_failed: bool = False
    approval: Approval | None = None
    members: tuple[Operation, ...] = ()

    @property
    def rollback(self) -> tuple[str, ...]:
        """The probes that undo it, in the order in which they are written."""
        return tuple(f"undo-{self.id}-{number}" for number in range(self.undo))


@dataclass(frozen=True)
class Rule:
    """A rule: operations by step."""

    slug: str
    steps: dict[str, tuple[Operation, ...]]

    def operations(self, *steps: str) -> Iterator[Operation]:
        """Yield every operation of some steps, members after their group."""
        for step in steps:
            for operation in self.steps.get(step, ()):
                yield operation
                yield from operation.members

    def probes(self, step: str) -> list[str]:
        """Return the probes of a step, rollbacks left out."""
        return [found.id for found in self.operations(step) if found.approval is None and not found.members]

    @property
    def document(self) -> dict[str, Any]:
        """The rule as it is written; JSON is YAML."""
        return {
            "name": self.slug,
            "steps": {
                step: [_written(operation) for operation in operations]
                for step, operations in self.steps.items()
            },
        }


def _written(operation: Operation) -> dict[str, Any]:
    """Return an operation as it is written."""
    written: dict[str, Any] = {"id": operation.id}
    if operation.approval is not None:
        wanted = operation.approval
        written["approval"] = {
            "approvers": list(wanted.approvers),
            "min": wanted.minimum,
            "exclude_creator": wanted.exclude_creator,
        }
        return written
    if operation.members:
        written["group"] = [_written(member) for member in operation.members]
    else:
        written["probe"] = operation.id
    if operation.on_error != "fail":
        written["on_error"] = operation.on_error
    if operation.on_error == "trap":
        written["trap"] = {
            "timeout": f"{int(operation.trap.timeout.total_seconds())}s",
            "on_timeout": operation.trap.on_timeout,
            "max_retries": operation.trap.max_retries,
        }
    if operation.undo:
        written["rollback"] = [{"probe": probe} for probe in operation.rollback]
    if operation.undo_if_failed:
        written["rollback_if_failed"] = True
    return written


_HOUR: Final = timedelta(hours=1)
PLAIN: Final = Operation()
UNDONE: Final = Operation(undo=1)
UNDONE_TWICE: Final = Operation(undo=2)
UNDONE_ANYWAY: Final = Operation(undo=1, undo_if_failed=True)
IGNORED: Final = Operation(on_error="ignore")
TRAPPED: Final = Operation(on_error="trap")
TRAPPED_ONCE: Final = Operation(on_error="trap", undo=1, trap=Trap(_HOUR, "abort", 1))
TRAPPED_SKIPS: Final = Operation(on_error="trap", trap=Trap(_HOUR, "skip", 2))
TRAPPED_RETRIES: Final = Operation(on_error="trap", trap=Trap(_HOUR, "retry", 1))
TRAPPED_GROUP: Final = Operation(
    on_error="trap", trap=Trap(_HOUR, "abort", 0), members=(PLAIN, replace(PLAIN))
)
SIGNED_BY_USER: Final = Operation(approval=Approval(("user:ana", "user:otto", "user:ida")))
SIGNED_BY_GROUP: Final = Operation(approval=Approval(("group:qa",), exclude_creator=True))
SIGNED_BY_TWO: Final = Operation(approval=Approval(("group:qa", "user:ana"), 2, exclude_creator=True))


def _rule(slug: str, *, init: str = "", pre: str = "", run: str = "", post: str = "") -> Rule:
    """Return a rule out of letters, one for each operation."""
    written = {"INIT": init, "PRE": pre, "RUN": run, "POST": post}
    steps = {}
    for step, letters in written.items():
        found = []
        for place, letter in enumerate(letters):
            identifier = f"{step.lower()}{place}"
            members = tuple(
                replace(member, id=f"{identifier}m{number}")
                for number, member in enumerate(_LETTERS[letter].members)
            )
            found.append(replace(_LETTERS[letter], id=identifier, members=members))
        if found:
            steps[step] = tuple(found)
    return Rule(slug, steps)


_LETTERS: Final = {
    "p": PLAIN,
    "u": UNDONE,
    "U": UNDONE_TWICE,
    "f": UNDONE_ANYWAY,
    "i": IGNORED,
    "t": TRAPPED,
    "o": TRAPPED_ONCE,
    "s": TRAPPED_SKIPS,
    "r": TRAPPED_RETRIES,
    "g": TRAPPED_GROUP,
    "a": SIGNED_BY_USER,
    "q": SIGNED_BY_GROUP,
    "2": SIGNED_BY_TWO,
}

_ALL: Final = (
    _rule("plain", init="p", pre="p", run="pp", post="p"),
    _rule("undone", pre="u", run="Uup", post="p"),
    _rule("undone-anyway", pre="p", run="uf", post="p"),
    _rule("signed", pre="pa", run="2p", post="q"),
    _rule("signed-first", pre="2u", run="uap"),
    _rule("trapped", pre="t", run="uso", post="r"),
    _rule("trapped-group", pre="ug", run="gu", post="p"),
    _rule("all", pre="aru", run="uq2go", post="t"),
    _rule("short", run="u", post="a"),
    _rule("ignoring", init="i", pre="iu", run="is", post="i"),
)
RULES: Final = {rule.slug: rule for rule in _ALL}
