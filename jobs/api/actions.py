"""What people and programs do to a job: one view for every action, and the body that each takes."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import selectors
from jobs.actions.base import MOST_COMMENT, Seen, every_action
from jobs.api.parsing import Choice, Flag, Moment, StrictSerializer, Text
from jobs.api.serializers import ActionSerializer
from jobs.api.views import actor_of, detail, user_of
from jobs.lifecycle import RERUN_STEPS, Outcome
from jobs.log.codec import Level
from jobs.models import Job

TRAP_ANSWERS: Final = ("retry", "skip", "abort", "pause", "resume")


def _comment() -> Text:
    return Text(required=False, default="", allow_blank=True, trim_whitespace=False, max_length=MOST_COMMENT)


class CommentedSerializer(ActionSerializer):
    """An action with a reason."""

    comment = _comment()


class RerunSerializer(CommentedSerializer):
    """The body of ``rerun/``."""

    step = Choice(RERUN_STEPS)
    run_now = Flag(required=False, default=False)
    outcome = Choice(list(Outcome), required=False, allow_null=True, default=None)
    from_operation = Text(required=False, allow_null=True, default=None, max_length=500)


class RescheduleSerializer(CommentedSerializer):
    """The body of ``reschedule/``."""

    scheduled_at = Moment()
    max_start_at = Moment(required=False, allow_null=True, default=None)


class RollbackSerializer(CommentedSerializer):
    """The body of ``rollback/``."""

    force = Flag(required=False, default=False)


class TrapSerializer(CommentedSerializer):
    """The body of ``trap/``."""

    action = Choice(TRAP_ANSWERS)


class CommentSerializer(ActionSerializer):
    """The body of ``comment/``."""

    text = Text(max_length=MOST_COMMENT, trim_whitespace=False)
    level = Choice([level.code for level in Level], required=False, default=Level.COMMENT.code)


def perform(request: Request, job_id: int, key: str, values: dict[str, Any]) -> Job:
    """Let the asker do something to a job, and return the job.

    Args:
        request: Who asks, and from where.
        job_id: Number of the job.
        key: Of the action.
        values: The valid body.

    Raises:
        JobNotFound: There is no such job for the asker.
    """
    seen = values.pop("seen", None)
    return every_action()[key].execute(
        job_id, actor=actor_of(request), now=timezone.now(), seen=Seen(**seen) if seen else None, **values
    )


class ActionView(APIView):
    """``jobs/{id}/<action>/``: does it and answers with the job as it is then."""

    key: ClassVar[str] = ""
    body: ClassVar[type[StrictSerializer]] = CommentedSerializer

    def post(self, request: Request, job_id: int) -> Response:
        """Do it."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = dict(body.validated_data)
        perform(request, job_id, values.pop("action", self.key), values)
        user = user_of(request)
        return Response(detail(selectors.visible_job(user, job_id), user))

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker may still see the job that an earlier answer is about."""
        selectors.require_visible(user_of(request), answer["id"])


def action_view(key: str, body: type[StrictSerializer] = CommentedSerializer) -> type[ActionView]:
    """Return the view of one action."""
    members = {"key": key, "body": body, "__doc__": ActionView.__doc__, "__module__": __name__}
    return type(f"{key.title().replace('_', '')}View", (ActionView,), members)


ADDRESSES: Final[dict[str, type[ActionView]]] = {
    "rerun": action_view("rerun", RerunSerializer),
    "reschedule": action_view("reschedule", RescheduleSerializer),
    "run_now": action_view("run_now", ActionSerializer),
    "cancel": action_view("cancel"),
    "rollback": action_view("rollback", RollbackSerializer),
    "approve": action_view("approve"),
    "reject": action_view("reject"),
    "trap": action_view("trap", TrapSerializer),
    "comment": action_view("comment", CommentSerializer),
    "hold": action_view("hold"),
    "release": action_view("release"),
}
"""Views by the last part of their address."""
