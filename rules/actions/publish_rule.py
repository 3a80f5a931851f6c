"""Publishing a rule: its source becomes the next version."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction

from rules.exceptions import RuleInvalid, VersionChanged
from rules.models import Rule, RuleVersion
from rules.parser import draft
from rules.selectors import check_draft
from rules.tree import RuleTree, count_leaves

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

_LOCK: Final = 0x52554C45
"""Key of the advisory lock under which rules are published, one after the other."""


def publish_rule(
    *,
    source: str,
    author: AbstractBaseUser | AnonymousUser | None,
    comment: str,
    now: datetime,
    seen: int | None = None,
) -> tuple[RuleVersion, bool]:
    """Save ``source`` as the next version of the rule it names, which is made when it is not there.

    Args:
        source: The text of the rule.
        author: Who publishes it, ``None`` for a file.
        comment: Why.
        now: The moment, in UTC.
        seen: Number of the version that the author knows as the newest, ``None`` to publish after whatever there is.

    Returns:
        The version, and whether it is new: the newest source again makes none.

    Raises:
        RuleInvalid: The source has mistakes, calls a rule that is not there, reads a name that nobody saves, or
            rules would call each other in a circle. All of them are in it.
        VersionChanged: Somebody published another version than ``seen`` meanwhile.
    """
    parsed = draft(source)
    with transaction.atomic():
        _hold_lock()
        result = check_draft(parsed)
        if result.tree is None:
            raise RuleInvalid(result.problems)
        tree = result.tree
        rule = _held(tree.name)
        newest = rule.versions.order_by("-number").first()
        if newest is not None and newest.source == source:
            return newest, False
        if seen is not None and newest is not None and newest.number != seen:
            raise VersionChanged(newest.number)
        number = 1 if newest is None else newest.number + 1
        return _save(rule, number, tree, source=source, author=author, comment=comment, now=now), True


def _hold_lock() -> None:
    """Publish one after the other: two rules that begin to call each other at one moment would each look fine alone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _held(slug: str) -> Rule:
    """Return the rule, made when it is not there, locked until the transaction ends."""
    rule, _ = Rule.objects.get_or_create(slug=slug)
    return Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)


def _save(
    rule: Rule,
    number: int,
    tree: RuleTree,
    *,
    source: str,
    author: AbstractBaseUser | AnonymousUser | None,
    comment: str,
    now: datetime,
) -> RuleVersion:
    return RuleVersion.objects.create(
        rule=rule,
        number=number,
        source=source,
        name=tree.name,
        description=tree.description,
        comment=comment,
        operations=count_leaves(tree),
        author_id=None if author is None else author.pk,
        created_at=now,
    )
