"""What somebody wants a new job to be: as asked (``Wish``), and as validated and stored for the worker (``Plan``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Wish:
    """A new job as asked for.

    Attributes:
        rule: Slug.
        environment: Code.
        project: Code, ``None`` for maintenance rules.
        type: ``promote``, ``static`` or ``demote``.
        revisions: Tags, branches or commits.
        shas: For each of them the whole commit that is meant, whatever it names by now, or empty; or nothing at all.
        rule_version: Number of an older version of the rule; ``None`` for the newest.
        scheduled_at: When RUN may begin, aware; ``None`` for now.
        max_start_at: Past it, RUN expires; ``None`` for ``scheduled_at`` + the environment's expiry.
        urgent: Shorter expiry, and first in the queue.
        comment: Why.
        variables: The strongest layer of variables.
    """

    rule: str
    environment: str
    project: str | None = None
    type: str = "promote"
    revisions: tuple[str, ...] = ()
    scheduled_at: datetime | None = None
    max_start_at: datetime | None = None
    urgent: bool = False
    comment: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    shas: tuple[str, ...] = ()
    rule_version: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish with everything named in it found, as plain data for the worker."""

    rule_id: int
    rule_version_id: int
    environment_id: int
    project_id: int | None
    repository: str
    type: str
    revisions: tuple[str, ...]
    scheduled_at: datetime
    max_start_at: datetime
    urgent: bool
    comment: str
    variables: Mapping[str, Any]
    layers: Mapping[str, Mapping[str, Any]]
    shas: tuple[str, ...] = ()
    environment: str = ""
    """Its code, for what is said of it when it is gone."""

    def to_data(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self) | {
            "scheduled_at": self.scheduled_at.isoformat(),
            "max_start_at": self.max_start_at.isoformat(),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the plan that ``to_data`` made."""
        dates = {name: datetime.fromisoformat(data[name]) for name in ("scheduled_at", "max_start_at")}
        return cls(
            **{**data, **dates, "revisions": tuple(data["revisions"]), "shas": tuple(data.get("shas", ()))}
        )


def wake_channel(request_id: str) -> str:
    """Return the PostgreSQL channel on which the asker of a request waits."""
    return f"clarive_request_{request_id.replace('-', '')}"
