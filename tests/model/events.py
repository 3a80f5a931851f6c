"""What may happen to a job, as the machine draws it: people, workers, the daemon and the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from hypothesis import strategies as st

from tests.model.decisions import ACTIONS
from tests.model.execution import World
from tests.model.model import Life
from tests.model.people import EVERYBODY

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong while a runner works, by the places of the probes that it may come to."""

    failing: tuple[int, ...] = ()
    dies_at: int | None = None
    drains_at: int | None = None

    def world(self, life: Life) -> World:
        """Return the world of a runner that has the job now."""
        probes = life.ahead()
        if not probes:
            return World()

        def named(place: int | None) -> str | None:
            return None if place is None else probes[place % len(probes)]

        failing = frozenset(probes[place % len(probes)] for place in self.failing)
        return World(failing, named(self.dies_at), named(self.drains_at))


@dataclass(frozen=True)
class Words:
    """What a person may say with an action; each action takes what it knows."""

    step: str
    run_now: bool
    outcome: str | None
    delay: int
    window: int | None
    comment: str
    force: bool
    seen: str

    def params(self, action: str, now: datetime) -> dict[str, Any]:
        """Return the parameters of an action."""
        match action:
            case "rerun":
                run_now = self.run_now and self.step != "POST"
                outcome = self.outcome if self.step != "PRE" else None
                return {"step": self.step, "run_now": run_now, "outcome": outcome, "comment": self.comment}
            case "reschedule":
                begins = now + self.delay * MINUTE
                latest = None if self.window is None else begins + self.window * MINUTE
                return {"scheduled_at": begins, "max_start_at": latest, "comment": self.comment}
            case "run_now" | "delete":
                return {}
            case "comment":
                return {"text": self.comment}
            case "rollback":
                return {"force": self.force, "comment": self.comment}
            case _:
                return {"comment": self.comment}


@dataclass(frozen=True)
class Dice:
    """All that is thrown for one step, whatever becomes of it: the shape of what is drawn never depends on the job.

    Otherwise a sequence that Hypothesis makes by changing a part of another one would lose its meaning from there on.
    """

    event: int
    choice: int
    action: str
    name: str
    words: Words
    mishaps: Mishaps
    only_a_step: bool
    minutes: int

    def happening(self, *, is_busy: bool) -> Happening:
        """Return what happens: mostly work while there is some, mostly people's decisions while there is none."""
        bag = _BUSY if is_busy else _IDLE
        return bag[self.event % len(bag)]


class Happening(Enum):
    """What may happen to a job, in one step of the machine."""

    WORK = "a worker takes the job when it may, and runs it: one step of it, or as far as it goes"
    TAKE = "a worker takes the job when it may, and does nothing yet"
    DIE = "the worker that has the job dies between two operations"
    WAKE = "a worker that lost the job goes on all the same"
    TICK = "the daemon looks"
    ADVANCE = "time passes"
    LATER_JOB_ENDS = "a job that was made later for the same project and environment ends"
    ASK_ALLOWED = "somebody asks for something that somebody may do now"
    ASK_ANYTHING = "anybody asks for anything"


def _bag(**weights: int) -> list[Happening]:
    return [Happening[name] for name, weight in weights.items() for _ in range(weight)]


_BUSY: Final = _bag(WORK=10, ASK_ALLOWED=4, ASK_ANYTHING=3, TICK=2, TAKE=1, DIE=2, WAKE=1, ADVANCE=2)
_IDLE: Final = _bag(ASK_ALLOWED=13, ASK_ANYTHING=3, TICK=3, TAKE=1, WAKE=1, ADVANCE=4, LATER_JOB_ENDS=1)

_failing: Final[list[tuple[int, ...]]] = [(), (), (), (0,), (0,), (1,), (1,), (2,), (3,), (0, 2)]
_seldom = st.sampled_from([None] * 12 + [0, 1, 2, 3])
_mishaps = st.builds(Mishaps, st.sampled_from(_failing), _seldom, _seldom)
# INIT is no step to rerun at, an empty comment rejects nothing, and a negative window ends before it begins.
_words = st.builds(
    Words,
    step=st.sampled_from(["PRE", "PRE", "RUN", "RUN", "RUN", "POST", "POST", "INIT"]),
    run_now=st.sampled_from([False, False, True]),
    outcome=st.sampled_from([None, None, None, "finished", "error"]),
    delay=st.sampled_from([-1500, -10, 10, 60, 1500]),
    window=st.sampled_from([None, None, 0, 60, 1600, -10]),
    comment=st.sampled_from(["Because", "Because", "Because", ""]),
    force=st.sampled_from([False, False, True]),
    seen=st.sampled_from(["nothing", "right"] * 5 + ["status", "attempt"]),
)
dice: Final = st.builds(
    Dice,
    event=st.integers(0, 119),
    choice=st.integers(0, 119),
    action=st.sampled_from(ACTIONS),
    name=st.sampled_from(sorted(EVERYBODY)),
    words=_words,
    mishaps=_mishaps,
    only_a_step=st.booleans(),
    minutes=st.sampled_from([10, 30, 60, 120, 1500]),
)
