"""The operation that sends a mail."""

from __future__ import annotations

import re
from typing import Any, Final

from rules.engine.call import Call
from rules.engine.outcomes import OperationFailed
from rules.engine.registry import OperationType, registry
from rules.palette import examples, schemas

_LONGEST_SUBJECT: Final = 500
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def _notify(call: Call) -> dict[str, Any]:
    to, subject, text = (call.arguments[name] for name in ("to", "subject", "text"))
    subject = subject.strip()
    if not subject or len(subject) > _LONGEST_SUBJECT:
        raise OperationFailed(f"The subject must have between 1 and {_LONGEST_SUBJECT} characters.")
    if _CONTROL.search(subject):
        raise OperationFailed("The subject holds a line break or another control character.")
    mailed = call.host.send_mail([to] if isinstance(to, str) else to, subject, text)
    for sentence in mailed.left_out:
        call.log(sentence, "warning")
    if not mailed.addresses:
        raise OperationFailed("There is nobody to send the mail to.")
    call.log(f"Sent a mail to {', '.join(mailed.addresses)}.")
    return {"to": list(mailed.addresses)}


registry.register(
    OperationType(
        "notify", schemas.NOTIFY_SCHEMA, schemas.NOTIFY_HELP, execute=_notify, example=examples.NOTIFY
    )
)
