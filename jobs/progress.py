"""How far a job is, in percent. Pure.

Source: product document, "Progreso de un pase"; contract, section 7.
"""

from __future__ import annotations

from typing import Final

MOST_BEFORE_END: Final = 99


def percent(done: int, expected: int, *, reached: int, finished: bool, ended: bool) -> int:
    """Return the whole part of ``done`` / ``expected`` in percent.

    Args:
        done: Leaf operations completed or skipped in this attempt.
        expected: How many the history of the rule promises.
        reached: What was shown before in this attempt; the figure never falls below it.
        finished: The job finished: 100.
        ended: The job ended otherwise: it keeps what it reached.
    """
    if finished:
        return 100
    if ended or expected <= 0:
        return reached
    return max(reached, min(MOST_BEFORE_END, done * 100 // expected))
