"""What the bar on top of every page tells its reader: how much waits for them, and whether they may create jobs."""

from __future__ import annotations

from dataclasses import dataclass

from django import template

from jobs import inbox, selectors
from permissions import policy
from permissions.models import User

register = template.Library()


@dataclass(frozen=True, slots=True)
class Bar:
    """What is on the bar.

    Attributes:
        waiting: How much waits, as it is shown: empty for nothing, ``99+`` for a hundred and more.
        may_create: Whether there is an environment in which the reader may create a job.
    """

    waiting: str
    may_create: bool


@register.simple_tag
def bar_of(user: User) -> Bar:
    """Return what the bar says to a signed-in reader. Their rights are read once for both."""
    rights = policy.rights_of(user)
    return Bar(inbox.shown(inbox.count(user, rights)), selectors.may_create(rights))
