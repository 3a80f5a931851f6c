"""Mail about a notice: whether a reader may still have it, in their language, short enough for 02:40."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.translation import gettext, pgettext

from jobs.choices import StatusChoice
from jobs.models import Delivery, Notice
from jobs.notifications.events import PING
from jobs.notifications.fanout import APPROVER, CREATOR
from jobs.wording import ACTION_LABELS, translated
from permissions import policy
from permissions.catalog import Right
from permissions.models import Environment, User

LONGEST_SUBJECT: Final = 200
LONGEST_TEXT: Final = 4000


def refusal(delivery: Delivery) -> str:
    """Return why a mail must not be sent any more, empty when it may.

    A person reads only of jobs whose environment they may see at this moment. Who was meant as a member of a group must still
    be one.
    """
    user = delivery.user
    if user is None:
        return ""
    if not user.is_active:
        return "The user is not active."
    if delivery.why.startswith("group:"):
        name = delivery.why.removeprefix("group:")
        if not user.groups.filter(name=name).exists():
            return f"The user is no longer in the group {name}."
    if delivery.notice.event == PING:
        return ""
    environment = Environment.objects.filter(code=delivery.notice.environment).first()
    if environment is None or not policy.can(user, Right.VIEW_MONITOR, environment):
        return "The user may not see the job."
    return ""


def letter(delivery: Delivery) -> EmailMessage:
    """Return the mail, in the reader's language and time."""
    user = delivery.user
    language = (user.language if user else "") or settings.LANGUAGE_CODE
    zone = zoneinfo.ZoneInfo((user.time_zone if user else "") or settings.TIME_ZONE)
    with translation.override(language):
        notice = delivery.notice
        subject = " ".join(_subject(notice).split())[:LONGEST_SUBJECT]
        text = "\n".join(_lines(delivery, zone))
    return EmailMessage(
        subject,
        text,
        to=[_now(user, delivery.address)],
        headers={
            "Clarive-Delivery": str(delivery.pk),
            "Auto-Submitted": "auto-generated",
            **_thread(notice),
        },
    )


def _now(user: User | None, address: str) -> str:
    """Return where a person reads their mail now."""
    return (user.email if user else "") or address


def _thread(notice: Notice) -> dict[str, str]:
    """Return headers by which mail programs show all mail about a job together."""
    if notice.job_id is None:
        return {}
    return {"References": f"<job-{notice.job_id}@clarive-monitor>"}


def _subject(notice: Notice) -> str:
    job = notice.payload.get("job")
    if not job:
        return gettext("Clarive Monitor: a test")
    return f"{job['name']}: {headline(notice)}"


def headline(notice: Notice) -> str:
    """Return in a few words of the present language what happened."""
    words = {
        "job_created": gettext("created"),
        "step_started": gettext("%(step)s began"),
        "step_ended": gettext("%(step)s ended"),
        "approval_requested": gettext("waits for approval"),
        "approved": gettext("approved"),
        "rejected": gettext("rejected"),
        "trapped": gettext("trapped in %(step)s, somebody has to decide"),
        "trap_answered": gettext("the trap was answered"),
        "cancelled": gettext("cancelled"),
        # As lists call it; the word alone is also said of tokens, by another one in Spanish.
        "expired": str(StatusChoice.EXPIRED.label).lower(),
        "abend": gettext("its worker is gone (abend)"),
        "ended": _ending(notice),
    }
    found = words.get(notice.event, notice.event)
    return found % {"step": _step(notice)} if "%(step)s" in found else found


def _ending(notice: Notice) -> str:
    if notice.status == StatusChoice.FINISHED:
        return pgettext("a job", "finished well")
    return pgettext("a job", "ended in error")


def _step(notice: Notice) -> str:
    step, job = notice.payload.get("step"), notice.payload.get("job")
    return str(step["name"] if step else job["step"] if job else "")


def _lines(delivery: Delivery, zone: zoneinfo.ZoneInfo) -> list[str]:
    notice = delivery.notice
    job: dict[str, Any] | None = notice.payload.get("job")
    if not job:
        return [gettext("This is a test of a subscription. Nothing happened."), "", *_footer(delivery)]
    lines = [_headline_sentence(notice), "", *_facts(notice, job, zone)]
    for title, text in _why(notice):
        lines += ["", f"{title}:", text.strip()[:LONGEST_TEXT]]
    lines += ["", f"{settings.CLARIVE_URL.rstrip('/')}/jobs/{notice.job_id}/", "", *_footer(delivery)]
    return lines


def _headline_sentence(notice: Notice) -> str:
    said = f"{notice.job_name}: {headline(notice)}."
    if notice.actor and notice.event != "job_created":
        said += " " + gettext("By %(user)s.") % {"user": notice.actor}
    return said


def _facts(notice: Notice, job: dict[str, Any], zone: zoneinfo.ZoneInfo) -> list[str]:
    revisions = ", ".join(f"{each['ref']} ({each['sha'][:12]})" for each in job["revisions"])
    status = dict(StatusChoice.choices).get(job["status"], job["status"])
    facts = [
        (gettext("Environment"), job["environment"]),
        (gettext("Project"), job["project"] or ""),
        (gettext("Revisions"), revisions),
        (gettext("Status"), f"{job['step']} / {status}"),
        (gettext("Created by"), job["created_by"]),
        (gettext("When"), _moment(notice.at, zone)),
    ]
    trap = notice.payload.get("trap")
    if notice.event == "trapped" and trap and trap["deadline"]:
        facts.append((gettext("Answer until"), _moment(datetime.fromisoformat(trap["deadline"]), zone)))
    if notice.event == "trap_answered" and trap and trap["answer"]:
        facts.append((gettext("Answer"), str(ACTION_LABELS.get(trap["answer"], trap["answer"]))))
    return [f"{name}: {value}" for name, value in facts if value]


def _moment(at: datetime, zone: zoneinfo.ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} ({zone.key})"


def _why(notice: Notice) -> list[tuple[str, str]]:
    payload = notice.payload
    found = []
    reason = (
        payload["trap"]["error"] if notice.event == "trapped" and payload.get("trap") else payload["reason"]
    )
    if reason and notice.event not in {"job_created", "step_started"}:
        found.append((gettext("Reason"), translated(str(reason))))
    if payload.get("comment"):
        found.append((gettext("Comment"), str(payload["comment"])))
    approval = payload.get("approval")
    if notice.event == "approval_requested" and approval:
        found.append((gettext("May approve"), ", ".join(approval["approvers"])))
    return found


def _footer(delivery: Delivery) -> list[str]:
    if delivery.why == CREATOR:
        said = gettext("You get this because you created the job. Your account page can switch it off.")
    elif delivery.why == APPROVER:
        said = gettext("You get this because you may approve. Your account page can switch it off.")
    elif delivery.subscription is not None:
        said = gettext("You get this by the subscription %(name)s.") % {"name": delivery.subscription.name}
    else:
        return []
    return ["-- ", said]
