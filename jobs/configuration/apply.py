"""The use-case behind ``manage.py apply``: documents become configuration in one transaction, or nothing."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import OperationalError, connection, transaction

from jobs.acting import COMMAND, Author, acting_as
from jobs.audit import together
from jobs.configuration.documents import Source, Value, compose
from jobs.configuration.kinds.base import Kind, Run
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.kinds.grants import Grants
from jobs.configuration.kinds.groups import Groups
from jobs.configuration.kinds.natures import Natures
from jobs.configuration.kinds.projects import Projects
from jobs.configuration.kinds.retention import Retention
from jobs.configuration.kinds.rules import Rules
from jobs.configuration.kinds.schedules import Schedules
from jobs.configuration.kinds.secrets import Secrets
from jobs.configuration.kinds.semaphores import Semaphores
from jobs.configuration.kinds.subscriptions import Subscriptions
from jobs.configuration.kinds.users import Users
from jobs.configuration.problems import Place, did_you_mean
from permissions import locks

KINDS: Final[tuple[Kind[Any], ...]] = (
    Environments(), Groups(), Users(), Natures(), Rules(), Projects(), Grants(), Schedules(), Semaphores(), Secrets(),
    Subscriptions(), Retention(),
)  # fmt: skip
"""In the order of saving, so that what is referred to is there already; pruning goes the other way."""


logger = logging.getLogger(__name__)

MOST_TRIES: Final = 5
_TAKEN_BACK: Final = frozenset({"40P01", "40001"})
"""Codes of a deadlock, and of a transaction that came too late: the database took all of it back, and it may be tried anew."""


class _Undone(Exception):
    """Rolls a dry run back."""


@dataclass(slots=True)
class _Part:
    """All items of one kind.

    Attributes:
        place: Where the kind is named first.
        specs: What the items say, by name.
        places: Where each is written.
    """

    place: Place
    specs: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


def apply_documents(
    sources: Sequence[Source],
    *,
    now: datetime,
    prune: bool = False,
    dry_run: bool = False,
    author: Author = COMMAND,
    notes: list[str] | None = None,
) -> list[str]:
    """Make the configuration say what the documents say.

    Args:
        sources: The documents; together they are one.
        now: The moment of what is written.
        prune: Also remove what the kinds present in the documents do not name.
        dry_run: Do all of it, then take it back.
        author: Who applies them; each thing that is changed gets a record in the audit.
        notes: Takes what is worth knowing and was not changed, a sentence each.

    Returns:
        What was changed, a sentence each; nothing when all was so already.

    Raises:
        ConfigurationInvalid: There are mistakes, all of which it holds, or others changed the same again and again;
            nothing was changed.
    """
    run = Run(
        now,
        folders={source.label: source.folder for source in sources},
        files={source.label: source.files for source in sources if source.files is not None},
    )
    roots = [compose(source, run.problems) for source in sources]
    # What cannot be read may hold what the rest refers to: nobody is sent after mistakes that are none.
    run.problems.raise_if_any()
    parts = _read(roots, run)
    with acting_as(author):
        _write_or_again(parts, run, prune=prune, dry_run=dry_run)
    if notes is not None:
        notes += run.notes
    return run.lines


def _write_or_again(parts: dict[str, _Part], run: Run, *, prune: bool, dry_run: bool) -> None:
    """Do what ``_write`` does, anew when the database took it back for the sake of somebody who waited for it.

    Rows are locked so that who refers to them, as a new job does, need not wait. What is left is rare: ``prune`` deletes what
    others begin to refer to.
    """
    known = len(run.problems)
    for turn in range(1, MOST_TRIES + 1):
        try:
            _write(parts, run, prune=prune, dry_run=dry_run)
        except OperationalError as error:
            if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", "") not in _TAKEN_BACK:
                raise
            logger.warning("Try %s of %s was taken back: %s", turn, MOST_TRIES, error)
        else:
            return
        run.problems.forget_from(known)
        run.lines.clear()
        run.notes.clear()
        time.sleep(random.uniform(0.05, 0.2) * turn)
    run.problems.add(
        next(iter(parts.values())).place, "Others change the same at this moment.", "Apply again."
    )
    run.problems.raise_if_any()


def _write(parts: dict[str, _Part], run: Run, *, prune: bool, dry_run: bool) -> None:
    """Make the database say what the documents say, with one record for each thing that this changes."""
    # Something without a usable name would look like something to remove.
    may_prune = prune and not run.problems
    try:
        with transaction.atomic(), together():
            locks.hold()
            _save(parts, run)
            if may_prune:
                _prune(parts, run)
            run.problems.raise_if_any()
            for kind in KINDS:
                if kind.key in parts:
                    kind.remark(list(parts[kind.key].specs.values()), run)
            if dry_run:
                raise _Undone
    except _Undone:
        pass


def _read(roots: Sequence[Value | None], run: Run) -> dict[str, _Part]:
    """Return what the documents say by top key."""
    parts: dict[str, _Part] = {}
    by_key = {kind.key: kind for kind in KINDS}
    for root in roots:
        if root is None:
            continue
        if not isinstance(root.data, dict):
            run.problems.add(root.place, f"A document is a mapping with the keys {', '.join(by_key)}.")
            continue
        for key, value in root.data.items():
            place = root.place_of(key)
            if key not in by_key:
                run.problems.add(place, f"There is no top key {key}.", did_you_mean(key, by_key))
            elif not isinstance(value.data, list):
                run.problems.add(place, f"{key} must be a list.")
            else:
                _read_items(by_key[key], value.data, parts.setdefault(key, _Part(place)), run)
    return parts


def _read_items(kind: Kind[Any], values: list[Value], part: _Part, run: Run) -> None:
    """Add the items of a list to those of the same kind that came before."""
    for value in values:
        found = kind.read(value, run)
        if found is None:
            continue
        name, spec = found
        if name in part.specs:
            first = part.places[name]
            run.problems.add(
                value.place,
                f"{kind.noun} {name} is written twice, first in {first.file} on line {first.line}.",
            )
            continue
        part.specs[name], part.places[name] = spec, value.place
    run.declared.setdefault(kind.key, set()).update(part.specs)


def _save(parts: dict[str, _Part], run: Run) -> None:
    for kind in KINDS:
        if kind.key in parts:
            kind.save_all(list(parts[kind.key].specs.values()), run)


def _prune(parts: dict[str, _Part], run: Run) -> None:
    for kind in reversed(KINDS):
        if kind.key in parts:
            kind.prune(list(parts[kind.key].specs.values()), parts[kind.key].place, run)
