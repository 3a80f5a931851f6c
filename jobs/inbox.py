"""What waits for one person: the approvals that they may sign and the traps that they may answer.

The same as going through all jobs and looking whether ``actions`` holds ``approve`` or an answer to a trap, found from the other
side: from what is open, so that it costs the same beside a million jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When

from jobs import selectors
from jobs.answers import retries_left
from jobs.lifecycle import Status, Step
from jobs.models import Approval, ApprovalSignature, Job, Trap
from permissions import policy, principals
from permissions.catalog import Right
from permissions.models import User
from permissions.rights import Rights

MOST_COUNTED: Final = 100
"""A count stops here and reads ``99+``: it is asked for by every page."""

KINDS: Final = ("approval", "trap")
_TRAPPED: Final = (Status.TRAPPED.value, Status.TRAP_PAUSED.value)
_EXPIRING: Final = (Step.PRE.value, Step.RUN.value)


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that waits for somebody.

    Attributes:
        kind: ``approval`` or ``trap``.
        job: Which waits.
        wait: The approval, with its signatures, or the trap.
        until: When the wait ends by itself, ``None`` when it does not, or its clock stands.
        may: What may be answered: keys of actions.
    """

    kind: str
    job: Job
    wait: Approval | Trap
    until: datetime | None
    may: tuple[str, ...]


def waiting(user: User, most: int, kinds: Sequence[str] = KINDS) -> list[Decision]:
    """Return what waits for ``user``, what ends soonest first; a constant number of queries.

    Args:
        user: Who decides.
        most: At most so many are returned.
        kinds: ``approval``, ``trap`` or both.
    """
    rights = policy.rights_of(user)
    found: list[tuple[str, Any]] = []
    if "approval" in kinds:
        signed = _approvals(user, rights).prefetch_related("signatures__user")
        found += [("approval", wait) for wait in _soonest(signed.annotate(until=_expiry()), most)]
    if "trap" in kinds:
        traps = _traps(rights).defer("stash").annotate(until=F("deadline"))
        found += [("trap", wait) for wait in _soonest(traps, most)]
    found.sort(key=lambda pair: (pair[1].until is None, pair[1].until or pair[1].began_at, pair[1].pk))
    jobs = selectors.jobs_as_listed(wait.job_id for _kind, wait in found[:most])
    return [
        Decision(kind, jobs[wait.job_id], wait, wait.until, _may(kind, wait))
        for kind, wait in found[:most]
        # It may have been deleted between the two questions.
        if wait.job_id in jobs
    ]


def count(user: User, rights: Rights | None = None) -> int:
    """Return how much waits for ``user``, counted as far as ``MOST_COUNTED``. Three small queries.

    Args:
        user: Who decides.
        rights: Of ``user``, where they are read already: one query less.
    """
    rights = policy.rights_of(user) if rights is None else rights
    approvals = _approvals(user, rights).order_by().values("pk")[:MOST_COUNTED]
    traps = _traps(rights).order_by().values("pk")[:MOST_COUNTED]
    return min(approvals.union(traps, all=True).count(), MOST_COUNTED)


def shown(number: int) -> str:
    """Return a count as pages show it: empty for nothing, ``99+`` for a hundred and more."""
    return f"{MOST_COUNTED - 1}+" if number >= MOST_COUNTED else str(number or "")


def _approvals(user: User, rights: Rights) -> QuerySet[Approval]:
    """Return the open approvals that ``user`` may sign: see ``ApproveJob.refusal``."""
    sees = policy.environment_filter(rights, Right.VIEW_MONITOR, "job__environment_id")
    signs = policy.environment_filter(rights, Right.APPROVE_ALL, "job__environment_id")
    if signs and (names := principals.names_of(user)):
        signs |= Q(approvers__has_any_keys=names)
    signed = ApprovalSignature.objects.filter(approval=OuterRef("pk"), user=user)
    found = Approval.objects.filter(
        sees, signs, ~Exists(signed), closed_at__isnull=True, job__status=Status.PENDING_APPROVAL
    )
    return found.exclude(exclude_creator=True, job__created_by=user)


def _traps(rights: Rights) -> QuerySet[Trap]:
    """Return the open traps that whoever holds ``rights`` may answer."""
    allowed = policy.environment_filter(rights, Right.RESTART, "job__environment_id")
    return Trap.objects.filter(allowed, closed_at__isnull=True, job__status__in=_TRAPPED).annotate(
        status=F("job__status")
    )


def _expiry() -> Case:
    """Return when the job of an approval expires: while its RUN has not begun."""
    expires = When(job__run_began_at__isnull=True, job__step__in=_EXPIRING, then=F("job__max_start_at"))
    return Case(expires, default=None)


def _soonest(waits: QuerySet[Any], most: int) -> QuerySet[Any]:
    return waits.order_by(F("until").asc(nulls_last=True), "began_at", "id")[:most]


def _may(kind: str, wait: Any) -> tuple[str, ...]:
    """Return what may be answered to one of those that were found."""
    if kind == "approval":
        return ("approve", "reject")
    clock = "pause" if wait.status == Status.TRAPPED else "resume"
    return (*(("retry",) if retries_left(wait) else ()), "skip", "abort", clock)
