"""How good the estimates of remaining work were, in the environments that the reader sees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from jobs import durations
from jobs.eta.accuracy import ENOUGH, RIVALS, Answer, Score, score
from jobs.monitor.gate import reader, signed_in
from permissions import policy
from permissions.models import Environment
from rules.models import Rule

MOST_ANSWERS: Final = 20_000
"""So many of the newest answers are looked at."""
MOST_ROWS: Final = 100
RIVAL_NAMES: Final[tuple[Promise, ...]] = (_("Mean of all jobs"), _("Last job"), _("Operation count"))
"""The rivals, in the order of ``RIVALS``."""


@dataclass(frozen=True, slots=True)
class Place:
    """One rule in one environment, with how good its estimates were."""

    rule: Rule
    environment: Environment
    score: Score


@signed_in
@require_safe
def estimates(request: HttpRequest) -> HttpResponse:
    """Show how often the range was right, and how far its middle was off beside what simple rivals would have said."""
    environments = policy.environments_for(reader(request)).defer("variables").in_bulk()
    found = durations.newest_answers(list(environments), MOST_ANSWERS)
    everything = [answer for _rule, _environment, answer in found]
    context = {
        "section": "deployments",
        "total": score(everything) if everything else None,
        "rivals": _rivals(score(everything)) if everything else [],
        "places": _places(found, environments),
        "enough": ENOUGH,
    }
    return render(request, "monitor/estimates.html", context)


def _rivals(total: Score) -> list[tuple[Promise, float, float]]:
    """Return each rival's name with its error, as part of what was left and in seconds."""
    return [
        (name, total.rivals[key], total.rivals_seconds[key])
        for name, key in zip(RIVAL_NAMES, RIVALS, strict=True)
    ]


def _places(found: Sequence[tuple[int, int, Answer]], environments: dict[int, Environment]) -> list[Place]:
    """Return the places with most answers first."""
    by_place: defaultdict[tuple[int, int], list[Answer]] = defaultdict(list)
    for rule_id, environment_id, answer in found:
        by_place[rule_id, environment_id].append(answer)
    rules = Rule.objects.in_bulk({rule_id for rule_id, _environment in by_place})
    places = [
        Place(rules[rule_id], environments[environment_id], score(answers))
        for (rule_id, environment_id), answers in by_place.items()
        if rule_id in rules
    ]
    places.sort(key=lambda place: (-place.score.answers, place.rule.slug, place.environment.code))
    return places[:MOST_ROWS]
