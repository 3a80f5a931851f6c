"""What the kinds share: the run they are part of, and the writing of rows."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, TypeVar

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from jobs.actions import references
from jobs.configuration.documents import Value
from jobs.configuration.items import Item
from jobs.configuration.problems import Place, Problems
from jobs.models import ProjectEnvironment, RetentionPolicy
from permissions import policy
from permissions.models import Environment
from rules.models import Rule

CLEAR: Final = object()
"""The value of a field that is written to hold nothing."""

Spec = TypeVar("Spec")
Row = TypeVar("Row", bound=Model)


@dataclass(slots=True)
class Run:
    """One run of apply.

    Attributes:
        now: The moment of everything that is written.
        problems: What is wrong so far.
        lines: What was done so far, a sentence each.
        notes: What is worth knowing and was not changed.
        declared: Names that the documents mention, by top key, also those of items that do not fit: a
            reference to one of these is not a mistake of its own.
        folders: What the files named in a document are relative to, by the document's label.
        files: The files that came with a document, as text by name, by its label. Of such a document nothing is read from
            this machine.
    """

    now: datetime
    problems: Problems = field(default_factory=Problems)
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    declared: dict[str, set[str]] = field(default_factory=dict)
    folders: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def created(self, noun: str, name: str) -> None:
        """Note that something is new."""
        self.lines.append(f"created {noun} {name}")

    def changed(self, noun: str, name: str, fields: Sequence[str]) -> None:
        """Note that something is not as it was."""
        self.lines.append(f"changed {noun} {name}: {', '.join(fields)}")

    def removed(self, noun: str, name: str) -> None:
        """Note that something is gone."""
        self.lines.append(f"removed {noun} {name}")

    def is_declared(self, key: str, name: str) -> bool:
        """Return whether the documents themselves mention ``name`` under the top key."""
        return name in self.declared.get(key, set())


class Kind(ABC, Generic[Spec]):
    """One top key of documents.

    Attributes:
        key: The top key, ``environments``.
        noun: One of them, ``environment``.
        keys: The fields of an item.
    """

    key: ClassVar[str]
    noun: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]

    def read(self, value: Value, run: Run) -> tuple[str, Spec] | None:
        """Return an item's name and what it says; ``None`` when it has no usable name, which is noted."""
        return self.parse(Item(value, self.noun, self.keys, run.problems), run)

    @abstractmethod
    def parse(self, item: Item, run: Run) -> tuple[str, Spec] | None:
        """Return what ``read`` does, from the item's fields."""

    @abstractmethod
    def save(self, spec: Spec, run: Run) -> None:
        """Make the database say what ``spec`` says, noting what that changed and what is wrong."""

    def save_all(self, specs: Sequence[Spec], run: Run) -> None:
        """Save all items of the documents in their order."""
        for spec in specs:
            self.save(spec, run)

    @abstractmethod
    def prune(self, specs: Sequence[Spec], place: Place, run: Run) -> None:
        """Remove what the documents do not name.

        Args:
            specs: All items of this kind.
            place: Where the kind begins, for what cannot be removed.
            run: Takes the notes.
        """

    def remark(self, specs: Sequence[Spec], run: Run) -> None:
        """Note what is worth knowing once all kinds are saved and pruned; nothing unless a kind says otherwise."""

    @abstractmethod
    def export(self) -> list[dict[str, Any]]:
        """Return all items as plain data with the keys that ``parse`` reads, always in the same order."""


def put(
    run: Run, item: Item, found: Row | None, new: Row, name: str, values: Mapping[str, tuple[str, Any]]
) -> Row | None:
    """Create or change one row.

    Args:
        run: Takes the notes.
        item: Where mistakes are pointed at.
        found: The present row, or ``None``.
        new: The row to begin with when there is none.
        name: Of the row, in the report.
        values: Field of the document and value by column; ``None`` stands for a field that was not written, ``CLEAR`` for
            one that is to hold nothing.

    Returns:
        The row; ``None`` when it does not fit, which is noted.
    """
    row = new if found is None else found
    written = {
        column: None if value is CLEAR else value
        for column, (_, value) in values.items()
        if value is not None
    }
    different = [
        column for column, value in written.items() if found is None or not same(getattr(row, column), value)
    ]
    if found is not None and not different:
        return row
    for column in different:
        setattr(row, column, written[column])
    if not _is_valid(item, row, {column: key for column, (key, _) in values.items()}):
        return None
    if not _is_saved(run, item, row, name):
        return None
    if found is None:
        run.created(item.noun, name)
    else:
        run.changed(item.noun, name, [values[column][0] for column in different])
    return row


def _is_saved(run: Run, item: Item, row: Model, name: str) -> bool:
    """Save the row; return whether it could be, which is noted when not."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        run.problems.add(
            item.place, f"{item.noun} {name} was changed by somebody else meanwhile.", "Apply again."
        )
        return False
    return True


def same(present: Any, wanted: Any) -> bool:
    """Return whether two values are the same; in JSON ``1``, ``1.0`` and ``true`` are not."""
    if isinstance(wanted, dict | list):
        return json.dumps(present, sort_keys=True) == json.dumps(wanted, sort_keys=True)
    return bool(present == wanted)


def in_order(data: Any) -> Any:
    """Return JSON with the keys of every object in order, so that the same data is always the same text."""
    if isinstance(data, dict):
        return {key: in_order(data[key]) for key in sorted(data)}
    return [in_order(each) for each in data] if isinstance(data, list) else data


def remove(run: Run, row: Model, noun: str, name: str, place: Place) -> None:
    """Delete a row; what still refers to it makes that a mistake that names some of it.

    What is only about an environment or a rule goes with it, and is named.
    """
    along = _what_goes_along(row)
    try:
        references.delete(row, name)
    except references.Referenced as error:
        found = error.references
        verb = "refers" if len(found.named) == 1 and not found.others else "refer"
        run.problems.add(
            place,
            f"{noun} {name} is not in the documents and cannot be removed: {found.words()} {verb} to it.",
        )
    else:
        run.removed(noun, name)
        for each in along:
            run.removed(*each)


def _what_goes_along(row: Model) -> list[tuple[str, str]]:
    """Return noun and name of what is deleted together with a row."""
    found: list[tuple[str, str]] = []
    if isinstance(row, Environment):
        holders = {
            f"{'group' if isinstance(each, Group) else 'user'}:{each}" for each, _ in policy.grants_on(row)
        }
        found += [("grant", f"{holder} on {row.code}") for holder in sorted(holders)]
        projects = ProjectEnvironment.objects.filter(environment=row).order_by("project__code")
        codes = projects.values_list("project__code", flat=True)
        found += [("variables", f"of {code} in {row.code}") for code in codes]
    if isinstance(row, Environment | Rule):
        column = "environment" if isinstance(row, Environment) else "rule"
        policies = RetentionPolicy.objects.filter(**{column: row}).select_related("environment", "rule")
        found += [("retention policy", name) for name in sorted(map(str, policies))]
    return found


def _is_valid(item: Item, row: Model, keys: Mapping[str, str]) -> bool:
    """Note what a row's own checks refuse, at the field that is wrong."""
    unchecked = {column.name for column in row._meta.fields} - set(keys)
    try:
        row.full_clean(exclude=unchecked)
    except ValidationError as error:
        for column, messages in error.message_dict.items():
            key = keys.get(column, "")
            item.note(key, f"{key or item.noun}: {' '.join(messages)}")
        return False
    return True
