"""Signing what a job waits for: approve and reject."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from django.db import IntegrityError, transaction

from jobs import answers, waits
from jobs.actions.base import Asker, JobAction, register
from jobs.audit import Actor
from jobs.exceptions import AlreadySigned, CreatorExcluded, InvalidInput
from jobs.lifecycle import Event, Status
from jobs.models import Approval, ApprovalSignature, Job
from permissions import principals
from permissions.catalog import Right
from permissions.exceptions import RightMissing


class _Sign(JobAction):
    """What approving and rejecting share: who may sign."""

    right = Right.APPROVE_ALL

    def refusal(self, job: Job, asker: Asker, *, now: datetime) -> Exception | None:
        """Return why ``asker`` may not sign."""
        approval = waits.open_approval(job) if job.status == Status.PENDING_APPROVAL else None
        if approval is None:
            return self.not_allowed(job)
        if approval.exclude_creator and asker.user.pk == job.created_by_id:
            return CreatorExcluded(job.name)
        if self.right not in asker.rights and not principals.is_among(asker.user, approval.approvers):
            return RightMissing(self.right, job.environment.code)
        if any(signature.user_id == asker.user.pk for signature in approval.signatures.all()):
            return AlreadySigned(job.name, asker.user.get_username())
        return None

    def sign(self, job: Job, actor: Actor, now: datetime, comment: str, *, approves: bool) -> Approval:
        """Add the signature; the database takes one of each person."""
        approval = waits.open_approval(job)
        assert approval is not None
        try:
            with transaction.atomic():
                ApprovalSignature.objects.create(
                    approval=approval, user=actor.user, approves=approves, at=now, comment=comment
                )
        except IntegrityError as error:
            _already_signed(error, job, actor)
        return approval


def _already_signed(error: IntegrityError, job: Job, actor: Actor) -> NoReturn:
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    if constraint == "approval_signed_once_per_person":
        raise AlreadySigned(job.name, actor.user.get_username()) from error
    raise error


@register
class ApproveJob(_Sign):
    """Approves; with enough signatures the job goes on."""

    key, event = "approve", Event.APPROVE

    def perform(self, job: Job, *, actor: Actor, now: datetime, comment: str = "", **params: Any) -> None:
        """Sign, and let the job go on when that is enough."""
        approval = self.sign(job, actor, now, comment, approves=True)
        if approval.signatures.filter(approves=True).count() >= approval.minimum:
            answers.approve(job, approval, now)


@register
class RejectJob(_Sign):
    """Rejects: one signature is enough, and the job stands still."""

    key, event = "reject", Event.REJECT

    def perform(self, job: Job, *, actor: Actor, now: datetime, comment: str = "", **params: Any) -> None:
        """Sign and stop the job.

        Raises:
            InvalidInput: There is no comment.
        """
        if not comment.strip():
            raise InvalidInput({"comment": ["Say why: a rejection needs a comment."]})
        approval = self.sign(job, actor, now, comment, approves=False)
        answers.reject(job, approval, f"Rejected by {actor.user.get_username()}: {comment}", now)
