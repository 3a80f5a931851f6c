"""The registry of operations: what a palette key means, which arguments it takes, and who executes it.

The engine never imports the palette. Operations register themselves here by key, ours at start-up and third parties' through the
entry point group ``clarive_monitor.operations`` (each entry point names an ``OperationType`` or a function that returns several).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from rules.engine.call import Call
    from rules.engine.frames import Frame
    from rules.engine.interpreter import Walker

ENTRY_POINT_GROUP: Final = "clarive_monitor.operations"

Schema = Mapping[str, Any]


class OperationAlreadyRegistered(Exception):
    """Two operations ask for the same palette key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The operation {key!r} is registered already.")
        self.key = key


@dataclass(frozen=True, slots=True)
class Block:
    """Where an operation keeps child operations.

    Attributes:
        segment: Name in paths, ``foreach``.
        source: ``argument``: the value of the palette key is the list; ``member``: the list is the member ``name`` of the value;
            ``sibling``: the list stands under the key ``name`` beside the palette key;
            ``linked``: the value of the palette key names another rule, whose operations linking puts here.
        name: Member or sibling key; unused for ``argument`` and ``linked``.
        required: Whether the rule must fill it.
        one_of: Blocks with the same name here stand for each other: the rule must fill at least one of them.
        binds: Names that operations inside the block may read besides the others.
        waits: Whether operations inside may make the job wait for a person.
        most: How many operations the block may hold, ``None`` without limit.
    """

    segment: str
    source: Literal["argument", "member", "sibling", "linked"]
    name: str = ""
    required: bool = False
    one_of: str = ""
    binds: tuple[str, ...] = ()
    waits: bool = True
    most: int | None = None


@dataclass(frozen=True, slots=True)
class OperationType:
    """One palette key.

    Exactly one of ``execute`` (a leaf does work and returns plain data) and ``walk`` (a composite walks its blocks) is given.

    Attributes:
        key: Palette key, also the first key by which the parser knows the operation.
        schema: JSON Schema (2020-12) of the value under the key, child operations taken out. ``"x-kind"`` marks strings:
            ``expression`` (evaluated by the operation), ``literal`` (never rendered), ``duration`` (``90s``,
            ``15m``), ``name`` (a name
            that operations in its blocks may read; never rendered); any other string is a template.
            ``"x-hint"`` helps whoever got it wrong.
        help: One paragraph for the editor.
        example: The operation as a rule may write it, for the editor; without the ``-`` before it.
        blocks: Child blocks.
        may_wait: It can make the job wait for a person or a slot, so CHECK and INIT refuse it.
        not_in: Steps whose rules may not use it.
        pure: It touches nothing outside the job's own record, so its beginning need not be on disk before it acts.
        sets_variables: Its answer is a mapping that becomes run variables.
        keeps_arguments: What it is given is stored as it is, so its texts may not read secrets.
    """

    key: str
    schema: Schema
    help: str
    execute: Callable[[Call], Any] | None = None
    walk: Callable[[Walker, Frame], None] | None = None
    blocks: tuple[Block, ...] = ()
    may_wait: bool = False
    not_in: frozenset[str] = frozenset()
    pure: bool = False
    sets_variables: bool = False
    keeps_arguments: bool = False
    example: str = ""

    def __post_init__(self) -> None:
        """Refuse a type that is neither leaf nor composite."""
        if (self.execute is None) == (self.walk is None):
            raise TypeError(f"The operation {self.key!r} needs exactly one of execute and walk.")

    def masked(self, answer: Any, mask: Callable[[Any], Any]) -> Any:
        """Return an answer as it may be stored; names of variables are the rule's and stay.

        Args:
            answer: Plain data.
            mask: Hides secrets in plain data.
        """
        if self.sets_variables and isinstance(answer, Mapping):
            return {name: mask(value) for name, value in answer.items()}
        return mask(answer)


@dataclass(slots=True)
class Registry:
    """Operation types by key."""

    _types: dict[str, OperationType] = field(default_factory=dict)

    def register(self, operation: OperationType) -> OperationType:
        """Add ``operation`` and return it.

        Raises:
            OperationAlreadyRegistered: The key is taken.
        """
        if operation.key in self._types:
            raise OperationAlreadyRegistered(operation.key)
        self._types[operation.key] = operation
        return operation

    def load_entry_points(self) -> None:
        """Register what installed distributions offer under ``ENTRY_POINT_GROUP``."""
        for entry in entry_points(group=ENTRY_POINT_GROUP):
            offered = entry.load()
            found = (offered,) if isinstance(offered, OperationType) else tuple(offered())
            for operation in found:
                self.register(operation)

    def get(self, key: str) -> OperationType | None:
        """Return the type of ``key``, or ``None``."""
        return self._types.get(key)

    def __getitem__(self, key: str) -> OperationType:
        """Return the type of ``key``; a rule that parsed never asks for an unknown one."""
        return self._types[key]

    def __iter__(self) -> Iterator[OperationType]:
        """Iterate over the types in the order of registration."""
        return iter(self._types.values())

    @property
    def types(self) -> Mapping[str, OperationType]:
        """A read-only view by key."""
        return MappingProxyType(self._types)


registry: Final = Registry()
"""The registry of this process, filled by ``rules.apps``."""
