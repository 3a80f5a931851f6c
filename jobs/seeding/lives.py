"""How made-up jobs went: who, what, where, when, and how they ended. Pure, and the same for the same seed.

Times are whole seconds since 1970, durations whole seconds.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Final

from jobs.lifecycle import Status, Step

ENVIRONMENTS: Final = 20
PROJECTS: Final = 200
RULES: Final = 50
USERS: Final = 40
NATURES: Final = 8

DAY: Final = 86_400
HOUR: Final = 3_600
PRODUCTION: Final = ENVIRONMENTS - 1
"""Index of the environment where jobs need a signature."""

ENDINGS: Final = {
    Status.FINISHED: 93.0,
    Status.ERROR: 3.0,
    Status.CANCELLED: 1.5,
    Status.EXPIRED: 1.0,
    Status.REJECTED: 0.8,
    Status.ABEND: 0.7,
}
"""How a hundred jobs of the past ended."""

LIVE: Final = {
    Status.READY: 40,
    Status.PENDING_APPROVAL: 20,
    Status.RUNNING: 20,
    Status.TRAPPED: 12,
    Status.TRAP_PAUSED: 5,
    Status.ROLLBACK: 3,
}
"""How a hundred jobs are that have not ended."""

STEPS: Final = {
    Status.FINISHED: Step.END,
    Status.ERROR: Step.END,
    Status.CANCELLED: Step.RUN,
    Status.EXPIRED: Step.RUN,
    Status.REJECTED: Step.PRE,
    Status.ABEND: Step.PRE,
    Status.READY: Step.RUN,
    Status.PENDING_APPROVAL: Step.PRE,
    Status.RUNNING: Step.PRE,
    Status.TRAPPED: Step.RUN,
    Status.TRAP_PAUSED: Step.RUN,
    Status.ROLLBACK: Step.RUN,
}
"""Where a job of each status is."""

_BEFORE_RUN: Final = frozenset(
    {Status.CANCELLED, Status.EXPIRED, Status.READY, Status.REJECTED, Status.ABEND}
    | {Status.PENDING_APPROVAL, Status.RUNNING}
)
_LEAST_LIVE: Final = 12
_MOST_LIVE: Final = 500


@dataclass(frozen=True, slots=True)
class Life:
    """One made-up job. References are indexes into what there is of each kind.

    Attributes:
        status: How it is.
        environment: Where.
        project: Of what; ``None`` for one without.
        rule: By which rule.
        user: Who created it.
        natures: What is in its contents.
        urgent: Whether it has only an hour.
        created: When.
        scheduled: From when on RUN may begin.
        max_start: Until when.
        started: When PRE began.
        built: When PRE ended, or will have.
        run_began: When RUN began; 0 when it did not.
        deployed: When RUN ended, or will have.
        finished: When it ended; 0 while it has not.
    """

    status: Status
    environment: int
    project: int | None
    rule: int
    user: int
    natures: tuple[int, ...]
    urgent: bool
    created: int
    scheduled: int
    max_start: int
    started: int
    built: int
    run_began: int
    deployed: int
    finished: int

    @property
    def step(self) -> Step:
        """Where it is."""
        return STEPS[self.status]

    @property
    def needs_approval(self) -> bool:
        """Whether its PRE asked for a signature."""
        return self.environment == PRODUCTION or self.status in {Status.REJECTED, Status.PENDING_APPROVAL}


def zipf(count: int, exponent: float = 1.0) -> list[float]:
    """Return summed weights: the first of ``count`` is met most, the last seldom."""
    return list(accumulate(1 / (rank**exponent) for rank in range(1, count + 1)))


class _Draw:
    """Draws an index by summed weights."""

    def __init__(self, random: Random, summed: Sequence[float]) -> None:
        self._random, self._summed = random.random, summed
        self._total, self._last = summed[-1], len(summed) - 1

    def __call__(self) -> int:
        return min(bisect(self._summed, self._random() * self._total), self._last)


def statuses(random: Random, count: int) -> list[Status]:
    """Return the statuses of ``count`` jobs, oldest first: a few of the newest have not ended, each way at least once."""
    ended = list(ENDINGS)
    found = random.choices(ended, weights=list(ENDINGS.values()), k=count)
    live = min(max(_LEAST_LIVE, count // 2000), _MOST_LIVE, count)
    newest = range(max(0, count - 4 * live), count)
    ways = list(LIVE)
    for number, place in enumerate(random.sample(newest, live)):
        found[place] = (
            ways[number] if number < len(ways) else random.choices(ways, weights=list(LIVE.values()))[0]
        )
    return found


def lives(random: Random, count: int, *, until: int, days: int) -> Iterator[Life]:
    """Yield ``count`` jobs, the oldest first.

    Args:
        random: Decides everything.
        count: How many.
        until: The present.
        days: How long the past is.
    """
    environment = _Draw(random, list(accumulate(_environment_weights())))
    project, rule = _Draw(random, zipf(PROJECTS)), _Draw(random, zipf(RULES))
    user, nature = _Draw(random, zipf(USERS)), _Draw(random, zipf(NATURES, 2.0))
    chance, span = random.random, days * DAY
    for place, status in enumerate(statuses(random, count)):
        created = until - span + int(span * (place + chance()) / count)
        natures = {nature()} if chance() < 0.9 else set()
        if chance() < 0.3:
            natures.add(nature())
        yield _life(
            random,
            status,
            created,
            until,
            environment=environment(),
            project=None if chance() < 0.03 else project(),
            rule=rule(),
            user=user(),
            natures=tuple(sorted(natures)),
            urgent=chance() < 0.05,
        )


def _environment_weights() -> Iterator[float]:
    """Yield how often jobs go to each environment: often to the first ones, to production two times of a hundred."""
    others = [1 / rank for rank in range(1, ENVIRONMENTS)]
    yield from (98 * weight / sum(others) for weight in others)
    yield 2.0


def _life(random: Random, status: Status, created: int, until: int, *, urgent: bool, **what: Any) -> Life:
    chance = random.random
    building, deploying = _seconds(chance, 60), _seconds(chance, 120)
    scheduled = created if chance() < 0.6 else created + int(3 * DAY * chance())
    if status in LIVE:
        # Whoever looks at them finds them as they are for some hours: what waits for a date has one to come.
        scheduled = until + HOUR + int(30 * DAY * chance())
        if status in {Status.TRAPPED, Status.TRAP_PAUSED, Status.ROLLBACK}:
            created = until - HOUR - int(HOUR * chance())
            scheduled = created
    elif scheduled + DAY + 2 * HOUR > until:
        scheduled = created
    max_start = scheduled + (HOUR if urgent else DAY)
    started = created + 1 + int(4 * chance())
    built = started + building
    began = 0 if status in _BEFORE_RUN else max(built, scheduled)
    deployed = began + deploying if began else 0
    return Life(
        status=status,
        urgent=urgent,
        created=created,
        scheduled=scheduled,
        max_start=max_start,
        started=started,
        built=built,
        run_began=began,
        deployed=deployed,
        finished=min(until, _finished(status, built, max_start, deployed)),
        **what,
    )


def _finished(status: Status, built: int, max_start: int, deployed: int) -> int:
    if status in LIVE:
        return 0
    if status is Status.EXPIRED:
        return max(max_start, built) + 1
    return (deployed or built) + 2


def _seconds(chance: Callable[[], float], middle: int) -> int:
    """Return a duration around ``middle``, sometimes ten times as long."""
    drawn = chance()
    return 1 + int(middle * (0.3 + drawn) * (10 if drawn > 0.97 else 1))
