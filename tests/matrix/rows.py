"""A row of the matrix: what one door asks for, where the contract says so, and how the door is tried for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.matrix.access import Access

Key = tuple[str, str, str]
"""Name of the address, method, action."""


@dataclass(frozen=True, slots=True)
class Here:
    """Stands in a body for the thing itself: the code or the key of the environment, what the job is like.

    Attributes:
        name: Of what it stands for.
        text: What is around it.
    """

    name: str
    text: str = "{}"


CODE: Final = Here("code")
ENVIRONMENT: Final = Here("environment")
ATTEMPT: Final = Here("attempt")
STATUS: Final = Here("status")
JOB: Final = Here("job")
NUMBERS: Final = Here("ids")
CHOSEN: Final = Here("seen")
"""A job in a list with how it was seen."""
WORKER: Final = "worker@host"
"""The name of a worker."""

SEEN: Final = {"seen_attempt": ATTEMPT, "seen_status": STATUS}
"""What the pages say of the job as it was seen."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the contract says of one door.

    Attributes:
        access: Whom it lets in.
        section: Of the contract.
        success: Statuses of the answer to those; for real, so what the door does is done (and taken back).
        absent: The status for what does not exist; what somebody may not see is answered the same.
        refused: The status of a refusal.
        done: The action that the audit must have then, and only then; for pages that say it in words alone.
        job: Which job is behind it: one at which the action is possible.
        data: What is sent.
        query: After the address.
        uses: Other values for parameters of the address, such as a thing that nothing refers to, to delete it.
    """

    access: Access
    section: str
    success: tuple[int, ...] = (200,)
    absent: int = 404
    refused: int = 403
    done: str = ""
    job: str = "finished"
    data: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""
    uses: Mapping[str, str] = field(default_factory=dict)
