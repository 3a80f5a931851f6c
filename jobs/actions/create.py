"""Creating a job: the asker's side. The web process validates and waits; CHECK and INIT run on a worker."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, connection
from django.utils import timezone

from jobs import dispatch
from jobs.actions.lookup import make_plan
from jobs.audit import Actor
from jobs.exceptions import AskerGone, CheckFailed, InvalidInput, JobError, NoWorker, RevisionInActiveJob
from jobs.models import CreationRequest, Job
from jobs.wishes import Plan, Wish, wake_channel
from permissions.catalog import Right
from permissions.exceptions import RightMissing

State = CreationRequest.State

_OVER: Final = frozenset({State.DONE, State.REFUSED, State.ABANDONED})
_STATE: Final = "SELECT state, job_id, refusal::text FROM jobs_creationrequest WHERE id = %s"
_HINT_SECONDS: Final = 1.0
_GRACE: Final = timedelta(seconds=2)
"""How much longer than the deadline to wait for a job that exists: its INIT is being ended."""


def ask(request: CreationRequest) -> Job:
    """Return the job of a request that is not saved yet, once a worker has made it and INIT is over.

    Raises:
        RevisionInActiveJob: One of the revisions is under way there.
        InvalidInput: Something that the wish names was deleted meanwhile, or a revision is not to be found.
        CheckFailed: CHECK refused.
        NoWorker: No worker answered in time; there is no job, and will be none.
        AskerGone: The asker was deleted or made inactive meanwhile.
        RightMissing: The asker lost the right meanwhile.
    """
    _ask(request)
    return _answer(request)


def create_job_once(wish: Wish, *, actor: Actor, now: datetime, key: uuid.UUID) -> Job:
    """Create a job unless one was created for ``key`` before, and return that one.

    A request that nobody took up in time can never become a job, so asking again makes a new one.

    Args:
        wish: What is wanted.
        actor: Who wants it.
        now: The present.
        key: The same for the same wish.

    Raises:
        JobError: As ``ask`` and ``request_for``; a refusal stays what it was.
        RightMissing: The actor sees the environment but may not create jobs there.
    """
    for turn in count():
        request_id = uuid.uuid5(key, str(turn))
        request = CreationRequest.objects.filter(pk=request_id).first()
        is_new = request is None
        if request is None:
            request = request_for(wish, actor, now if turn == 0 else timezone.now(), request_id)
        try:
            _ask(request)
        except IntegrityError:
            # A runner that was taken away asks for the same at the same time.
            request = CreationRequest.objects.get(pk=request_id)
            _ask(request)
        if is_new or request.state != State.ABANDONED:
            return _answer(request)
    raise AssertionError("Counting has no end.")


def request_for(wish: Wish, actor: Actor, now: datetime, request_id: uuid.UUID) -> CreationRequest:
    """Return a request for what the wish says, not saved.

    Raises:
        InvalidInput: Something in the wish is unknown or makes no sense; also an environment the actor may not see.
        RightMissing: The actor sees the environment but may not create jobs there.
    """
    return request_of(make_plan(wish, actor, now), actor, now, request_id)


def request_of(plan: Plan, actor: Actor, now: datetime, request_id: uuid.UUID) -> CreationRequest:
    """Return a request for what is planned, not saved."""
    return CreationRequest(
        id=request_id,
        wish=plan.to_data(),
        actor=actor.user,
        source=actor.source,
        address=actor.address,
        limits=actor.user.limits.to_data() if actor.user.limits else None,
        created_at=now,
        deadline=now + timedelta(seconds=settings.CLARIVE_CREATE_TIMEOUT_SECONDS),
    )


def _ask(request: CreationRequest) -> None:
    """Save the request unless it is, and wait until it is over.

    Raises:
        IntegrityError: It was saved by somebody else meanwhile.
    """
    with _woken(str(request.pk)):
        if request._state.adding:
            request.save(force_insert=True)
            seconds = float(settings.CLARIVE_CREATE_TIMEOUT_SECONDS)
        else:
            seconds = (request.deadline - timezone.now()) / timedelta(seconds=1)
        _wait(request, seconds)


@contextmanager
def _woken(request_id: str) -> Iterator[None]:
    """Listen for the end of one request."""
    channel = wake_channel(request_id)
    with connection.cursor() as cursor:
        cursor.execute(f'LISTEN "{channel}"')
        try:
            yield
        finally:
            cursor.execute(f'UNLISTEN "{channel}"')


def _wait(request: CreationRequest, seconds: float) -> None:
    """Wait until the request is over, hinting again each second in case the broker lost the hint; give it up at its deadline."""
    begun = time.monotonic()
    while request.state not in _OVER:
        if request.state == State.ASKED:
            dispatch.send_create_hint(str(request.pk))
        left = seconds - (time.monotonic() - begun)
        if request.state == State.CREATED:
            left += _GRACE.total_seconds()
        if left <= 0:
            if request.state == State.CREATED or _abandon(request):
                return
        else:
            _listen(min(left, _HINT_SECONDS))
        _look(request)


def _look(request: CreationRequest) -> None:
    """Read how far the request is; the rest of it does not change.

    Raises:
        AskerGone: It was deleted with its asker.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [request.pk])
        row = cursor.fetchone()
    if row is None:
        raise AskerGone
    request.state, request.job_id, refusal = row
    request.refusal = json.loads(refusal)


def _listen(seconds: float) -> None:
    assert connection.connection is not None
    for _ in connection.connection.notifies(timeout=seconds, stop_after=1):
        return


def _abandon(request: CreationRequest) -> bool:
    """Give the request up unless it has moved on; afterwards no worker can make a job of it."""
    waiting = CreationRequest.objects.filter(pk=request.pk, state__in=(State.ASKED, State.CHECKING))
    if waiting.update(state=State.ABANDONED) == 0:
        return False
    request.state = State.ABANDONED
    return True


def _answer(request: CreationRequest) -> Job:
    if request.state == State.ABANDONED:
        raise NoWorker(settings.CLARIVE_CREATE_TIMEOUT_SECONDS)
    if request.state == State.REFUSED:
        raise _refusal(request.refusal)
    if request.job_id is None:
        raise InvalidInput({"": ["The job was deleted at once."]})
    return Job.objects.select_related("environment", "project", "rule", "rule_version", "created_by").get(
        pk=request.job_id
    )


def _refusal(data: Mapping[str, Any]) -> JobError | RightMissing:
    code = data["code"]
    if code == AskerGone.code:
        return AskerGone()
    if code == RightMissing.code:
        return RightMissing(Right(data["right"]), data["environment"])
    if code == RevisionInActiveJob.code:
        return RevisionInActiveJob(data["sha"], data["job_id"], data["job_name"])
    if code == CheckFailed.code:
        return CheckFailed(data["message"], data["operation"], data.get("log", ()))
    return InvalidInput(data["errors"])
