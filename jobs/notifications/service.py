"""The postman: takes what is due and sends it, several receivers at the same time, until nothing is left.

The database is asked and told in this thread alone; the threads beside it only talk to receivers.
"""

from __future__ import annotations

import logging
import smtplib
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.core.mail import EmailMessage

from jobs import dispatch
from jobs.models import Delivery
from jobs.notifications import due, fanout, keys, letters, webhooks
from jobs.notifications.events import PING
from jobs.notifications.webhooks import Answer, Request
from jobs.secrets.sealing import CannotOpen

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 8
LONGEST_ROUND_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A delivery that is being sent, since when."""

    delivery: Delivery
    begun: datetime


def serve(stopping: Callable[[], bool] = lambda: False) -> int:
    """Send what is due until nothing is left, the round is long enough or the worker is told to stop.

    Args:
        stopping: Whether it is; what is under way is finished.

    Returns:
        How many deliveries were tried.
    """
    end = time.monotonic() + LONGEST_ROUND_SECONDS
    under_way: dict[Future[Answer], _UnderWay] = {}
    tried = 0
    with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="postman") as pool:
        while True:
            goes_on = time.monotonic() < end and not stopping()
            if goes_on:
                while fanout.fan_out(_now()) == fanout.MOST_AT_ONCE:
                    pass
                _begin(pool, under_way)
            if not under_way:
                break
            done, _ = wait(under_way, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                _settle(under_way.pop(future), future)
                tried += 1
    if due.are_due(_now()) and not stopping():
        dispatch.send_notices_hint()
    return tried


def _begin(pool: ThreadPoolExecutor, under_way: dict[Future[Answer], _UnderWay]) -> None:
    while len(under_way) < MOST_AT_ONCE and (delivery := due.take()) is not None:
        send = _prepared(delivery)
        if send is not None:
            under_way[pool.submit(send)] = _UnderWay(delivery, _now())


def _prepared(delivery: Delivery) -> Callable[[], Answer] | None:
    """Return what sends a delivery; ``None`` when it must not be sent, or cannot be, which is noted."""
    now = _now()
    subscription, notice = delivery.subscription, delivery.notice
    if subscription is not None and not subscription.enabled and notice.event != PING:
        due.drop(delivery, "The subscription is switched off.", now)
        return None
    if delivery.channel == Delivery.Channel.MAIL:
        if reason := letters.refusal(delivery):
            due.drop(delivery, reason, now)
            return None
        letter = letters.letter(delivery)
        return lambda: _post(letter)
    if subscription is None or not subscription.webhook_url:
        due.drop(delivery, "The subscription has no webhook any more.", now)
        return None
    try:
        secrets = tuple(keys.current(subscription, now))
    except CannotOpen:
        return lambda: Answer("The secret cannot be decrypted with the present keys: change it.")
    request = Request(
        subscription.webhook_url, notice.event, delivery.pk, webhooks.body_of(notice.body), secrets
    )
    return lambda: webhooks.send(request)


def _post(letter: EmailMessage) -> Answer:
    try:
        letter.send()
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as error:
        # It answered, so others may have their mail.
        return Answer(f"The mail server refused: {error}"[: webhooks.KEPT_CHARACTERS], status=_code(error))
    except OSError as error:  # what smtplib raises is one, too
        return Answer(f"The mail could not be sent: {error}"[: webhooks.KEPT_CHARACTERS])
    return Answer("")


def _code(error: smtplib.SMTPException) -> int:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next((int(code) for code, _ in error.recipients.values()), 550)
    return int(getattr(error, "smtp_code", 550))


def _settle(sent: _UnderWay, future: Future[Answer]) -> None:
    try:
        answer = future.result()
    except Exception:  # a defect: the receiver waits for its next turn, and the log says more
        logger.exception("The delivery %s met a defect.", sent.delivery.pk)
        answer = Answer("Internal error; the worker's log says more.")
    if not due.settle(sent.delivery, answer, sent.begun, _now()):
        logger.warning("The delivery %s took so long that another worker has it.", sent.delivery.pk)


def _now() -> datetime:
    return datetime.now(UTC)
