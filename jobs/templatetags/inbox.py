"""How much waits for the reader, for the bar on top of every page."""

from __future__ import annotations

from django import template

from jobs import inbox
from permissions.policy import AnyUser

register = template.Library()


@register.simple_tag
def waiting_for(user: AnyUser) -> str:
    """Return the number as it is shown: empty for nothing, ``99+`` for a hundred and more."""
    number = inbox.count(user) if user.is_authenticated else 0
    if not number:
        return ""
    return f"{inbox.MOST_COUNTED - 1}+" if number >= inbox.MOST_COUNTED else str(number)
