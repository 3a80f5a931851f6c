"""Writing audit records: who asks for something, through which door.

What is decided about a job is recorded by its action, here. What is changed in the configuration comes through forms,
the API and commands, and is noted by ``settings_audit`` while somebody acts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from jobs import audit_words
from jobs.acting import Author, acting, acting_as
from jobs.models import AuditRecord, Job
from permissions.models import User

__all__ = ["Actor", "Author", "Note", "acting", "acting_as", "record", "record_setting", "together"]

CREATE: Final = "create"
CHANGE: Final = "change"
DELETE: Final = "delete"
GRANT: Final = "grant"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program that acts.

    Attributes:
        user: Who.
        source: The door: a value of ``AuditRecord.Source``.
        address: Where from, an IP address or empty.
    """

    user: User
    source: str
    address: str = ""


def record(
    actor: Actor, action: str, job: Job, *, now: datetime, from_status: str = "", comment: str = ""
) -> AuditRecord:
    """Append the record of what ``actor`` decided about ``job``, which is as it is after the decision."""
    return _append(action, job, now, from_status, comment, _who(actor))


def unsaved(actor: Actor, action: str, job: Job, *, now: datetime, comment: str = "") -> AuditRecord:
    """Return such a record of a job that had no status before, to be written together with others."""
    return _of(action, job, now, "", comment, _who(actor))


def _who(actor: Actor) -> dict[str, str]:
    return {"user": actor.user.get_username(), "source": actor.source, "address": actor.address}


def record_of_daemon(action: str, job: Job, *, now: datetime, from_status: str, comment: str) -> AuditRecord:
    """Append the record of what the daemon decided about ``job``, which is as it is after the decision."""
    who = {"source": AuditRecord.Source.DAEMON.value}
    return _append(action, job, now, from_status, comment, who)


def unsaved_of_daemon(action: str, job: Job, *, now: datetime, comment: str) -> AuditRecord:
    """Return such a record of a job that keeps its status, to be written together with others."""
    return _of(action, job, now, job.status, comment, {"source": AuditRecord.Source.DAEMON.value})


def _append(
    action: str, job: Job, now: datetime, from_status: str, comment: str, who: Mapping[str, str]
) -> AuditRecord:
    record = _of(action, job, now, from_status, comment, who)
    record.save(force_insert=True)
    return record


def _of(
    action: str, job: Job, now: datetime, from_status: str, comment: str, who: Mapping[str, str]
) -> AuditRecord:
    return AuditRecord(
        at=now,
        action=action,
        job_id=job.pk,
        job_name=job.name,
        environment=job.environment.code,
        from_status=from_status,
        to_status=job.status,
        step=job.step,
        attempt=job.attempt,
        comment=comment,
        **who,
    )


def record_setting(
    author: Author, action: str, *, now: datetime, environment: str = "", comment: str = ""
) -> AuditRecord:
    """Append the record of what ``author`` changed that belongs to no job.

    Args:
        author: Who.
        action: What was done, ``set_secret``.
        now: When.
        environment: Code of the environment whose monitor one needs to see the record; empty for none.
        comment: What it was done to.
    """
    return AuditRecord.objects.create(
        at=now,
        user=author.name,
        action=action,
        environment=environment,
        comment=comment,
        source=author.source,
        address=author.address,
    )


@dataclass(slots=True)
class Note:
    """A change of the configuration, to become a record.

    Attributes:
        verb: ``create``, ``change``, ``delete``, or ``grant``, which is an action of its own.
        kind: Of what was changed: ``user``, ``environment``.
        key: What tells it from others of its kind.
        name: What the record calls it.
        environment: Code of the environment that it is about; empty for none.
        values: What was and what is, by the name of each field.
        remarks: Whatever else there is to say.
    """

    verb: str
    kind: str
    key: Any
    name: str
    environment: str = ""
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What notes of one decision have in common: a thing is made and filled in at once, but not deleted."""
        verb = CHANGE if self.verb == CREATE else self.verb
        return verb, self.kind, self.key, self.environment

    def take(self, later: Note) -> None:
        """Add what was noted about the same thing afterwards."""
        self.name = later.name
        for name, (before, after) in later.values.items():
            first, _ = self.values.get(name, (before, after))
            self.values[name] = first, after
        self.remarks += [remark for remark in later.remarks if remark not in self.remarks]

    def comment(self) -> str:
        """Return the words of the record; a change that changes nothing has none."""
        is_new = self.verb == CREATE
        said = [
            audit_words.of(name, before, after, is_new=is_new)
            for name, (before, after) in self.values.items()
            if not audit_words.same(before, after)
        ]
        said += self.remarks
        if self.verb in {CHANGE, GRANT} and not said:
            return ""
        return f"{self.name}: {'; '.join(said)}" if said else self.name


_Notes = dict[tuple[Any, ...], Note]
_together: ContextVar[_Notes | None] = ContextVar("together", default=None)


def is_together() -> bool:
    """Return whether changes are gathered before they are recorded."""
    return _together.get() is not None


@contextmanager
def together() -> Iterator[None]:
    """Make one record for each thing of what is noted about it within the block, which is one decision.

    The block stands in a transaction: the records are written at its end. After an error there are none, of a block
    inside another one those that the other one has noted itself.
    """
    outer = _together.get()
    if outer is not None:
        kept = copy.deepcopy(outer)
        try:
            yield
        except BaseException:
            outer.clear()
            outer.update(kept)
            raise
        return
    notes: _Notes = {}
    token = _together.set(notes)
    try:
        yield
    finally:
        _together.reset(token)
    for note in notes.values():
        _write(note)


def note(found: Note) -> None:
    """Record a change, now or at the end of ``together``, when somebody acts."""
    if acting.get() is None:
        return
    notes = _together.get()
    if notes is None:
        _write(found)
    elif found.identity in notes:
        notes[found.identity].take(found)
    else:
        notes[found.identity] = found


def _write(found: Note) -> None:
    author, comment = acting.get(), found.comment()
    if author is None or not comment:
        return
    action = GRANT if found.verb == GRANT else f"{found.verb}_{found.kind}"
    record_setting(author, action, now=timezone.now(), environment=found.environment, comment=comment)
