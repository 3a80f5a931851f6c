"""What the search box may be completed with: names of fields, then the values that the reader may know of. Always a few."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs import selectors
from jobs.monitor import listing, query_text
from jobs.monitor.gate import reader, signed_in
from jobs.monitor.names import creators
from jobs.monitor.wrong_values import language
from permissions import policy
from permissions.policy import AnyUser

MOST: Final = 12
_FIELD: Final = re.compile(r"(?:^|(?<=\s))-?(\w*)\Z")
_VALUE: Final = re.compile(r'(?:^|(?<=\s))-?(\w+)(>=|<=|:|=|>|<)(?:[^\s,]*,)*"?([^\s,"]*)\Z')


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to go on.

    Attributes:
        text: What stands in the box instead of what was typed of it.
        label: What it is, for people.
    """

    text: str
    label: str = ""


@signed_in
@require_safe
def complete(request: HttpRequest) -> JsonResponse:
    """Answer with what may follow ``text``, the box up to the cursor: ``{"from": 7, "items": [{"text", "label"}]}``.

    ``from`` is where the piece begins that an item stands for. A text that nothing follows has no items.
    """
    text = request.GET.get("text", "")[: query_text.LONGEST].replace("\x00", "")
    begin, found = suggestions(reader(request), text)
    return JsonResponse({"from": begin, "items": [asdict(each) for each in found]})


def suggestions(user: AnyUser, text: str) -> tuple[int, list[Suggestion]]:
    """Return where the last piece of ``text`` begins, and what it may become, at most ``MOST``. Three queries at most."""
    if value := _VALUE.search(text):
        word, _sign, typed = value.groups()
        return value.start(3), list(_values(user, query_text.field_of(word), typed))[:MOST]
    if (field := _FIELD.search(text)) and field[1]:
        return field.start(1), list(_fields(field[1]))[:MOST]
    return len(text), []


def _fields(typed: str) -> Iterable[Suggestion]:
    for name in query_text.FIELDS:
        yield from _field(name, typed, listing.label_of(name), ":")
    for name in query_text.DATES:
        yield from _field(name, typed, listing.label_of(f"{name}_after"), ">")


def _field(name: str, typed: str, label: str, sign: str) -> Iterable[Suggestion]:
    word = query_text.field_word(name, language())
    known = (*query_text.words_of(name), label)
    if any(query_text.folded(each).startswith(query_text.folded(typed)) for each in known):
        yield Suggestion(f"{word}{sign}", label)


def _values(user: AnyUser, name: str, typed: str) -> Iterable[Suggestion]:
    begin = query_text.folded(typed)
    if name in query_text.VALUES:
        found = []
        for value, words in query_text.VALUES[name].items():
            label = listing.value_label(name, value)
            if any(query_text.folded(word).startswith(begin) for word in (*words, label)):
                found.append(Suggestion(query_text.value_word(name, value, language()), label))
        # The other language's words after those of the reader.
        yield from sorted(found, key=lambda each: not query_text.folded(each.text).startswith(begin))
    elif name in query_text.DATES:
        yield from (day for day in _days() if day.text.startswith(typed))
    elif name == "created_by":
        yield from (Suggestion(each) for each in creators(user) if query_text.folded(each).startswith(begin))
    elif name in _CODES:
        things, column, label = _CODES[name](user)
        matching = things.filter(**{f"{column}__icontains": typed}).order_by(column)
        rows = list(matching.values_list(column, label)[: 4 * MOST])
        rows.sort(key=lambda row: (not row[0].lower().startswith(typed.lower()), row[0]))
        for code, shown in rows:
            yield Suggestion(query_text.value_word(name, code, language()), shown if shown != code else "")


def _days() -> Iterable[Suggestion]:
    today = timezone.localdate()
    for days, label in ((0, _("Today")), (1, _("Yesterday")), (7, _("A week ago")), (30, _("30 days ago"))):
        yield Suggestion((today - timedelta(days=days)).isoformat(), label)


_CODES: Final[dict[str, Callable[[AnyUser], tuple[QuerySet[Any], str, str]]]] = {
    "environment": lambda user: (policy.environments_for(user), "code", "name"),
    "project": lambda user: (selectors.visible_projects(user), "code", "name"),
    "nature": lambda user: (selectors.visible_natures(user), "code", "name"),
    "rule": lambda user: (selectors.visible_rules(user), "slug", "slug"),
}
