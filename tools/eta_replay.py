"""How good the estimates of remaining work are: jobs that never were are run and estimated, always with the same luck.

    python -m tools.eta_replay [--jobs 5000] [--seed 7]

Rules with groups, branches, parallels, loops and conditions run in three environments that are not equally fast.
Operations take log-normal times; a job is large or small as a whole; operations grow slower or faster over the months, and
some change at once; one operation of a hundred takes many times as long as it should. Each job is asked several times on
its way how long it still takes, which only looks at the jobs that had finished before. Nothing here is used by the product.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import fmean, median
from typing import Final, NamedTuple

from jobs.eta.accuracy import Answer, score, table
from jobs.eta.forecast import Estimator, Sample, Seen, taken
from jobs.eta.shape import STEPS, Shape, Unit, shape_of
from rules.tree import Options, Position, RuleNode, RuleTree

ENVIRONMENTS: Final = {"dev": 0.6, "qa": 1.0, "prod": 1.7}
RULES: Final = 8
ASKED: Final = 3
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HERE: Final = Position(1, 1)
_KEPT: Final = 20


def _leaf(random: Random, number: int) -> RuleNode:
    skipped = "a" if random.random() < 0.15 else None
    return RuleNode(random.choice(("run", "ship")), number, _HERE, options=Options(when=skipped))


def _node(random: Random, number: int, depth: int) -> RuleNode:
    kind = random.choices(
        ("leaf", "parallel", "if", "foreach", "group"),
        (6, 2 if depth < 2 else 0, 1, 1, 1 if depth < 2 else 0),
    )[0]
    if kind == "leaf" or depth >= 2:
        return _leaf(random, number)
    held = tuple(_node(random, number * 10 + index + 1, depth + 1) for index in range(random.randint(2, 3)))
    if kind == "if":
        return RuleNode("if", number, _HERE, {"then": held[:1], "else": held[1:]})
    return RuleNode(kind, number, _HERE, {kind: held})


def random_tree(random: Random) -> RuleTree:
    """Return a rule nobody wrote."""
    sizes = {
        "INIT": 1,
        "PRE": random.randint(1, 4),
        "RUN": random.randint(3, 7),
        "POST": random.randint(1, 2),
    }
    steps = {
        step: tuple(_node(random, index + 1, 0) for index in range(size)) for step, size in sizes.items()
    }
    return RuleTree("made up", "", {}, steps)


class Stretch(NamedTuple):
    """When something of a job ran, in seconds from its beginning, and which block it chose."""

    begins: float
    ends: float
    branch: str | None = None


@dataclass
class Luck:
    """How fast the units of one rule in one environment are as time goes by."""

    random: Random
    factor: float
    usual: dict[str, float] = field(default_factory=dict)
    trend: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)

    def seconds(self, unit: Unit, size: float) -> float:
        """Return how long a unit takes this time."""
        random = self.random
        usual = self.usual.setdefault(unit.path, self.factor * random.lognormvariate(3.0, 1.2))
        trend = self.trend.setdefault(unit.path, random.gauss(0.0, 0.003))
        self.usual[unit.path] *= math.exp(trend)
        if random.random() < 0.001:
            self.usual[unit.path] *= random.choice((0.5, 2.0))
        outlier = random.uniform(4, 12) if random.random() < 0.01 else 1.0
        return usual * size * outlier * random.lognormvariate(0.0, 0.3)


@dataclass
class Run:
    """One job on its way through a rule."""

    luck: Luck
    size: float
    ran: dict[str, Stretch] = field(default_factory=dict)
    steps: dict[str, Stretch] = field(default_factory=dict)

    def walk(self, shapes: dict[str, tuple[Shape, ...]]) -> float:
        """Run all steps and return how long that took."""
        clock = 0.0
        for step in STEPS:
            begins = clock
            for shape in shapes[step]:
                clock = self._run(shape, clock)
            self.steps[step] = Stretch(begins, clock)
        return clock

    def _run(self, shape: Shape, begins: float) -> float:
        luck, chosen = self.luck, None
        if isinstance(shape, Unit):
            ends = begins + luck.seconds(shape, self.size)
        elif shape.is_parallel:
            ends = max(self._run(part, begins) for parts in shape.blocks.values() for part in parts)
        else:
            if "then" in shape.blocks:
                often = luck.chance.setdefault(shape.path, luck.random.random())
                chosen = "then" if luck.random.random() < often else "else"
            ends = begins
            for block, parts in shape.blocks.items():
                for part in parts if chosen in {None, block} else ():
                    ends = self._run(part, ends)
        self.ran[shape.path] = Stretch(begins, ends, chosen)
        return ends

    def seen(self, at: float) -> dict[str, Seen]:
        """Return what is recorded ``at`` seconds from the beginning."""
        return {
            path: Seen(
                each.ends <= at,
                _EPOCH + timedelta(seconds=each.begins),
                branch=each.branch,
                seconds=each.ends - each.begins if each.ends <= at else None,
            )
            for path, each in self.ran.items()
            if each.begins <= at
        }

    def step(self, at: float) -> str:
        """Return the step at hand."""
        return next((step for step, each in self.steps.items() if at < each.ends), STEPS[-1])


@dataclass
class History:
    """What has finished of one rule in one environment."""

    samples: list[Sample] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)


def replay(jobs: int, seed: int) -> Iterator[Answer]:
    """Yield what was said of the jobs, one after the other."""
    random = Random(seed)
    rules = [shape_of(random_tree(random)) for _ in range(RULES)]
    lucks = {
        (rule, name): Luck(random, factor) for rule in range(RULES) for name, factor in ENVIRONMENTS.items()
    }
    past = {key: History() for key in lucks}
    for _ in range(jobs):
        key = random.choice(list(lucks))
        run = Run(lucks[key], random.lognormvariate(0.0, 0.25))
        total = run.walk(rules[key[0]])
        history = past[key]
        estimator = Estimator(rules[key[0]], tuple(history.samples[: -_KEPT - 1 : -1]))
        for _ in range(ASKED):
            yield from _asked(estimator, run, total, random.uniform(0.0, total * 0.99), history)
        history.samples.append(Sample.from_data(taken(rules[key[0]], run.seen(total).get)))
        history.totals.append(total)


def _asked(estimator: Estimator, run: Run, total: float, at: float, history: History) -> Iterator[Answer]:
    # As in the product: the worker forecasts whenever an operation begins or ends, and whoever reads knows how long ago.
    last = max(moment for each in run.ran.values() for moment in each[:2] if moment <= at)
    seen = run.seen(last)
    found = estimator.forecast(run.step(last), seen.get, _EPOCH + timedelta(seconds=last))
    if found is None:
        return
    eta = found.range(_EPOCH + timedelta(seconds=at), is_running=True)
    yield Answer(eta.p50, eta.p90, total - at, _rivals(estimator, seen, at, history))


def _rivals(
    estimator: Estimator, seen: dict[str, Seen], at: float, history: History
) -> tuple[float, float, float]:
    done = sum(record.has_ended for record in seen.values())
    usual = median(len(sample.labels) for sample in estimator.samples)
    share = min(0.99, done / usual)
    mean = fmean(history.totals)
    by_count = at / share * (1 - share) if share else mean
    return max(0.0, mean - at), max(0.0, history.totals[-1] - at), by_count


def main() -> int:
    """Print the table; the exit code says whether the estimates are as good as they should be."""
    parser = argparse.ArgumentParser(description="Replay made-up jobs against their estimates.")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    found = score(list(replay(asked.jobs, asked.seed)))
    sys.stdout.write(table(found) + "\n")
    fine = 0.85 <= found.covered <= 0.95 and found.error < min(found.rivals.values())
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
