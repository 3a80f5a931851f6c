"""What a mail says in its reader's language."""

from __future__ import annotations

import zoneinfo

from django.utils import timezone, translation

from jobs.models import Notice
from jobs.notifications import letters

JOB = {
    "id": 7, "name": "N.PROD-00000007", "environment": "PROD", "project": None, "revisions": [], "status": "error",
    "step": "RUN", "created_by": "ana",
}  # fmt: skip


def test_reasons_and_answers_to_traps_are_translated_as_on_pages() -> None:
    trap = {"error": "The command ended with return code 1.", "deadline": None, "answer": "abort"}
    payload = {"job": JOB, "trap": trap, "reason": "Trapped: The command ended with return code 1."}
    answered = Notice(event="trap_answered", payload=payload, at=timezone.now(), status="error")
    trapped = Notice(event="trapped", payload=payload, at=timezone.now(), status="trapped")
    with translation.override("es"):
        facts = letters._facts(answered, JOB, zoneinfo.ZoneInfo("UTC"))
        ((_, reason),) = letters._why(answered)
        ((_, error),) = letters._why(trapped)
    assert facts[-1] == "Respuesta: Abortar"
    assert error == "El comando terminó con el código de retorno 1."
    assert reason.endswith(error)
    assert "Trapped" not in reason
