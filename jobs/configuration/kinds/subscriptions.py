"""``subscriptions {name, enabled, events, environments, projects, statuses, users, groups, addresses, webhook}``.

In each list of conditions an empty one stands for all. ``webhook`` is an address; an empty text takes it away. Its secret is
never in documents: one is made, and a note says how to see another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from jobs.actions import subscriptions
from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run, put, remove
from jobs.configuration.kinds.environments import Environments
from jobs.configuration.kinds.groups import Groups
from jobs.configuration.kinds.projects import Projects
from jobs.configuration.kinds.users import Users
from jobs.configuration.problems import Place, did_you_mean
from jobs.models import Subscription
from jobs.notifications import keys

_KINDS: Final = {
    "environments": Environments.key,
    "projects": Projects.key,
    "users": Users.key,
    "groups": Groups.key,
}


@dataclass(frozen=True, slots=True)
class SubscriptionSpec:
    """What a document says of a subscription; ``None`` for what it leaves out."""

    item: Item
    name: str
    values: dict[str, Any]


class Subscriptions(Kind[SubscriptionSpec]):
    """Who is told what."""

    key, noun = "subscriptions", "subscription"
    keys = ("name", "enabled", *subscriptions.LISTS, "webhook")

    def parse(self, item: Item, run: Run) -> tuple[str, SubscriptionSpec] | None:
        """Read one subscription."""
        name = item.identity("name")
        values: dict[str, Any] = {"enabled": item.boolean("enabled"), "webhook_url": item.text("webhook")}
        for each in subscriptions.LISTS:
            written = item.texts(each)
            values[each] = None if written is None else sorted(written)
        return (name, SubscriptionSpec(item, name, values)) if name else None

    def save(self, spec: SubscriptionSpec, run: Run) -> None:
        """Create or change the subscription; the host of a webhook is looked up when it is connected to."""
        found = Subscription.objects.select_for_update(no_key=True).filter(name=spec.name).first()
        if found is None and spec.name != spec.name.strip():
            spec.item.note("name", "name: Write it without blanks at its ends.")
            return
        written = {name: value for name, value in spec.values.items() if value is not None}
        declared: dict[str, Collection[str]] = {
            name: run.declared.get(key, set()) for name, key in _KINDS.items()
        }
        if not _words_fit(spec.item, written):
            return
        wrong = subscriptions.mistakes(written, resolve=False, declared=declared)
        for field, texts in wrong.items():
            key = field.partition(".")[0]
            for text in texts:
                spec.item.note(key, f"{key}: {text}")
        if wrong:
            return
        row = found or Subscription(name=spec.name)
        trial = Subscription(**{**_columns(row), **written})
        if subscriptions.tells_nobody(trial):
            spec.item.note("webhook", "subscription needs users, groups, addresses or a webhook.")
            return
        self._put(spec, found, row, run)

    def _put(self, spec: SubscriptionSpec, found: Subscription | None, row: Subscription, run: Run) -> None:
        url = spec.values["webhook_url"]
        if url == "":
            row.secret = row.secret_set_at = row.old_secret = row.old_secret_until = None
        makes = bool(url) and row.secret is None
        if makes:
            row.secret, row.secret_set_at = keys.seal(keys.make(), spec.name), run.now
        values = {
            column: ("webhook" if column == "webhook_url" else column, value)
            for column, value in {"name": spec.name, **spec.values}.items()
        }
        if put(run, spec.item, found, row, spec.name, values) is not None and makes:
            run.notes.append(
                f"subscription {spec.name} has a new secret that nobody has seen: change it in the administration"
            )

    def prune(self, specs: Sequence[SubscriptionSpec], place: Place, run: Run) -> None:
        """Remove the other subscriptions."""
        for row in Subscription.objects.exclude(name__in=[spec.name for spec in specs]):
            with transaction.atomic():
                remove(run, row, self.noun, row.name, place)

    def export(self) -> list[dict[str, Any]]:
        """Return all subscriptions by name, without secrets."""
        rows = sorted(Subscription.objects.all(), key=lambda row: row.name)
        return [
            {
                "name": row.name,
                "enabled": row.enabled,
                **{each: getattr(row, each) for each in subscriptions.LISTS},
                "webhook": row.webhook_url,
            }
            for row in rows
        ]


def _words_fit(item: Item, written: dict[str, Any]) -> bool:
    """Note events and statuses that there are none of, where they are written; return whether all are known."""
    before = len(item.problems)
    for field, noun in (("events", "event"), ("statuses", "status")):
        if field not in written:
            continue
        known = subscriptions.FIXED[field]
        for place, word in zip(item.places(field), item.texts(field) or (), strict=True):
            if word not in known:
                item.problems.add(place, f"There is no {noun} {word}.", did_you_mean(word, known))
    return len(item.problems) == before


def _columns(row: Subscription) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("name", "webhook_url", *subscriptions.LISTS)}
