"""Reading rules: the newest version, the tree of a version, and the versions of the rules it calls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from django.db.models import QuerySet

from clarive_monitor.prepared import Lookup
from rules.exceptions import RuleInvalid, RuleNotFound
from rules.models import Rule, RuleVersion
from rules.parser import Draft, ParseResult, called_rules, draft, link, parse
from rules.tree import EXECUTED_STEPS, RuleNode, RuleTree, walk

_newest: Final = Lookup(
    RuleVersion, "rule", by="rule.slug = %s::text ORDER BY rules_ruleversion.number DESC LIMIT 1"
)


def newest_version(slug: str) -> RuleVersion:
    """Return the current version of a rule.

    Raises:
        RuleNotFound: There is no such rule.
    """
    found = _newest.first(slug)
    if found is None:
        raise RuleNotFound(slug)
    return found


@lru_cache(maxsize=512)
def load_tree(version_id: int) -> RuleTree:
    """Return the parsed rule of a version, without the rules it calls. Versions never change, so it is kept.

    Raises:
        RuleInvalid: This version of the product does not accept it any more.
    """
    return parse(RuleVersion.objects.values_list("source", flat=True).get(pk=version_id))


def pins(version_id: int) -> dict[str, int]:
    """Return the current version numbers of all rules that a version calls, directly or not, by slug.

    Raises:
        RuleNotFound: One of them is not there any more.
    """
    found: dict[str, int] = {}
    pending = sorted(called_rules(load_tree(version_id)))
    while pending:
        slug = pending.pop()
        if slug not in found:
            newest = newest_version(slug)
            found[slug] = newest.number
            pending += sorted(called_rules(load_tree(newest.pk)))
    return found


def linked_tree(version_id: int, pinned: Mapping[str, int]) -> RuleTree:
    """Return the rule of a version with the rules it calls, in the versions that ``pinned`` says.

    Args:
        version_id: Primary key of the version.
        pinned: Version numbers by slug, as ``pins`` returned them.

    Raises:
        RuleInvalid: A called rule is not there, or the whole is too large.
    """
    return _linked(version_id, tuple(sorted(pinned.items())))


@lru_cache(maxsize=128)
def _linked(version_id: int, pinned: tuple[tuple[str, int], ...]) -> RuleTree:
    numbers = dict(pinned)

    def resolve(slug: str) -> RuleTree | None:
        number = numbers.get(slug)
        if number is None:
            return None
        found = (
            RuleVersion.objects.filter(rule__slug=slug, number=number).values_list("pk", flat=True).first()
        )
        return None if found is None else load_tree(found)

    return link(load_tree(version_id), resolve)


def check_source(source: str, *, alone: bool = False) -> ParseResult:
    """Return what is wrong with a source, the rules it calls included, as publishing it now would say.

    Args:
        source: Of a rule.
        alone: As if there were no other rules, for those who may not know of any.
    """
    parsed = draft(source)
    return parsed.among(lambda slug: None, ()) if alone else check_draft(parsed)


def check_draft(parsed: Draft) -> ParseResult:
    """Return what is wrong with a rule that is not saved yet, among the newest versions of all others.

    Besides the mistakes of the rule alone these are calls of unknown rules, circles, size, and names that neither
    the rule nor any that it calls saves.
    """
    if not parsed.calls:
        return parsed.among(_newest_tree, ())
    return parsed.among(_newest_tree, Rule.objects.values_list("slug", flat=True))


def callers(slug: str) -> list[int]:
    """Return the keys of the rules whose current version calls the rule ``slug``.

    A version that is not accepted any more and holds the word counts as one that does.
    """
    found = []
    for version in _newest_with(slug):
        try:
            is_caller = slug in called_rules(load_tree(version.pk))
        except RuleInvalid:
            is_caller = True
        if is_caller:
            found.append(version.rule_id)
    return found


def asking(approver: str) -> list[int]:
    """Return the keys of the rules whose current version waits for the signature of ``approver``, ``group:qa``."""
    found = []
    for version in _newest_with(approver.partition(":")[2]):
        try:
            tree = load_tree(version.pk)
        except RuleInvalid:
            continue
        nodes = [node for step in EXECUTED_STEPS for _, node in walk(tree.operations(step), step)]
        if any(approver in _approvers(node) for node in nodes):
            found.append(version.rule_id)
    return found


def approvers() -> set[str]:
    """Return all whose signature the current version of some rule waits for, ``group:qa``; none of rules that cannot be read."""
    found: set[str] = set()
    for version in _newest_with("approvers"):
        try:
            tree = load_tree(version.pk)
        except RuleInvalid:
            continue
        for step in EXECUTED_STEPS:
            for _, node in walk(tree.operations(step), step):
                found.update(_approvers(node))
    return found


def _approvers(node: RuleNode) -> list[str]:
    """Return whose signatures an operation waits for, as the engine reads them."""
    if node.key != "approval" or not isinstance(node.arguments, Mapping):
        return []
    return [":".join(map(str.strip, str(name).split(":", 1))) for name in node.arguments.get("approvers", [])]


def _newest_with(word: str) -> QuerySet[RuleVersion]:
    """Return the current versions whose source holds a word."""
    newest = RuleVersion.objects.order_by("rule_id", "-number").distinct("rule_id").values("pk")
    return RuleVersion.objects.filter(pk__in=newest, source__contains=word).only("pk", "rule_id")


def linked_draft(parsed: Draft) -> tuple[ParseResult, dict[str, int]]:
    """Return a rule that is not saved yet with the rules it calls put in, and the versions they are in.

    Its tree is ``None`` when there are mistakes.
    """
    result = check_draft(parsed)
    if result.tree is None:
        return result, {}
    numbers: dict[str, int] = {}

    def resolve(slug: str) -> RuleTree | None:
        newest = newest_version(slug)
        numbers[slug] = newest.number
        return load_tree(newest.pk)

    return ParseResult(link(result.tree, resolve), (), result.operations), numbers


def _newest_tree(slug: str) -> RuleTree | None:
    try:
        return load_tree(newest_version(slug).pk)
    except RuleNotFound:
        return None
