"""``rules {source}`` or ``{file}``, a path relative to the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

from django.db import transaction

from jobs.configuration.documents import Source, compose
from jobs.configuration.items import Item
from jobs.configuration.kinds.base import Kind, Run, remove
from jobs.configuration.problems import Place, Problems
from rules.actions.publish_rule import publish_rule
from rules.exceptions import RuleInvalid, RuleProblem
from rules.models import Rule, RuleVersion
from rules.parser import draft

_LARGEST_FILE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule of a document.

    Attributes:
        place: Where the item is written.
        name: The ``name`` in its source.
        source: The rule itself.
        first: Where its first line is.
        calls: Names of the rules that it calls.
    """

    place: Place
    name: str
    source: str
    first: Place
    calls: frozenset[str]


class Rules(Kind[RuleSpec]):
    """What jobs execute."""

    key, noun = "rules", "rule"
    keys = ("source", "file")

    def parse(self, item: Item, run: Run) -> tuple[str, RuleSpec] | None:
        """Read one rule; what is wrong inside it is found when it is saved."""
        if item.has("source") == item.has("file"):
            run.problems.add(item.place, "rule needs either source or file.")
            return None
        found = _from_file(item, run) if item.has("file") else _from_source(item)
        if found is None:
            return None
        source, first = found
        name, calls = outline(source)
        if not name:
            # Nothing to call it by, so it is published last, where the parser says what is wrong.
            name = f"at {first.file}:{first.line}"
        return name, RuleSpec(item.place, name, source, first, calls)

    def save_all(self, specs: Sequence[RuleSpec], run: Run) -> None:
        """Publish the rules, those that are called before those that call them."""
        refused: set[str] = set()
        for spec in _called_first(specs):
            problems = _publish(spec, run)
            if problems:
                refused.add(spec.name)
            for problem in problems:
                self._note(spec, problem, refused, run)

    def save(self, spec: RuleSpec, run: Run) -> None:
        """Publish one rule."""
        self.save_all([spec], run)

    def export(self) -> list[dict[str, Any]]:
        """Return the current sources of all rules by name."""
        newest = RuleVersion.objects.order_by("rule_id", "-number").distinct("rule_id").select_related("rule")
        return [{"source": row.source} for row in sorted(newest, key=lambda row: row.rule.slug)]

    def _note(self, spec: RuleSpec, problem: RuleProblem, refused: set[str], run: Run) -> None:
        """Note a mistake in a rule at its line of the document or file."""
        place = Place(spec.first.file, spec.first.line + problem.line - 1)
        called = str(problem.params.get("name", ""))
        names_come_from = {name.strip() for name in str(problem.params.get("called", "")).split(",")}
        if problem.code == "unknown_name" and names_come_from & refused:
            return  # it may be a name that the refused rule would save, and that one's mistakes are told
        if problem.code != "unknown_rule" or not run.is_declared(self.key, called):
            run.problems.add(place, problem.message, problem.hint)
        elif called not in refused:
            # It is called before it is there although every called rule comes first: it calls back.
            run.problems.add(
                place, f"The rules {spec.name} and {called} call each other.", "Take one of these calls out."
            )

    def prune(self, specs: Sequence[RuleSpec], place: Place, run: Run) -> None:
        """Remove rules that no document names; one that a remaining rule calls stays, which is a mistake."""
        callers: dict[str, list[str]] = {}
        for spec in specs:
            for called in spec.calls:
                callers.setdefault(called, []).append(spec.name)
        for row in _callers_first(Rule.objects.exclude(slug__in=[spec.name for spec in specs])):
            if row.slug in callers:
                by = ", ".join(sorted(callers[row.slug]))
                run.problems.add(
                    place,
                    f"rule {row.slug} is not in the documents and cannot be removed: it is called by {by}.",
                )
            else:
                remove(run, row, self.noun, row.slug, place)


def _publish(spec: RuleSpec, run: Run) -> tuple[RuleProblem, ...]:
    """Publish a rule, which makes a version only when the source is another one; return what is wrong with it."""
    try:
        with transaction.atomic():
            version, is_new = publish_rule(source=spec.source, author=None, comment="", now=run.now)
    except RuleInvalid as error:
        return error.problems
    if is_new:
        run.lines.append(f"rule {version.name} version {version.number}")
    return ()


def outline(source: str) -> tuple[str, frozenset[str]]:
    """Return the name of a rule and the names of those it calls, as far as they can be read."""
    root = compose(Source("", source, Path()), Problems())
    if root is None or not isinstance(root.data, dict):
        return "", frozenset()
    name = root.data.get("name")
    # Not every key "rule" calls one: create_job only names the rule of another job, and variables may be called so.
    return (name.data if name is not None and isinstance(name.data, str) else ""), draft(source).calls


def named_files(source: Source) -> list[str]:
    """Return the names of the files that a document takes rules from; none when it cannot be read."""
    root = compose(source, Problems())
    written = root.data.get(Rules.key) if root is not None and isinstance(root.data, dict) else None
    items = written.data if written is not None and isinstance(written.data, list) else []
    named = [item.data.get("file") for item in items if isinstance(item.data, dict)]
    return list(dict.fromkeys(each.data for each in named if each is not None and isinstance(each.data, str)))


def _called_first(specs: Sequence[RuleSpec]) -> list[RuleSpec]:
    """Return the rules so that each stands after those it calls; in a circle the order is as written."""
    by_name: Mapping[str, RuleSpec] = {spec.name: spec for spec in specs}
    graph = {spec.name: sorted(spec.calls & by_name.keys() - {spec.name}) for spec in specs}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError:
        return list(specs)


def _callers_first(rows: Iterable[Rule]) -> list[Rule]:
    """Return rules so that each stands before those it calls, whose removal it would be in the way of."""
    by_name = {row.slug: row for row in rows}
    newest = RuleVersion.objects.filter(rule__in=by_name.values()).order_by("rule_id", "-number")
    calls = {
        version.name: outline(version.source)[1] & by_name.keys() for version in newest.distinct("rule_id")
    }
    graph = {name: sorted(calls.get(name, frozenset()) - {name}) for name in sorted(by_name)}
    try:
        return [by_name[name] for name in reversed(list(TopologicalSorter(graph).static_order()))]
    except CycleError:  # none can be published, but a database can be written in other ways
        return list(by_name.values())


def _from_source(item: Item) -> tuple[str, Place] | None:
    source = item.text("source")
    return None if source is None else (source, Place(item.place.file, item.text_line("source")))


def _from_file(item: Item, run: Run) -> tuple[str, Place] | None:
    name = item.text("file")
    if name is None:
        return None
    label = name if item.place.file.startswith("<") else str(Path(item.place.file).parent / name)
    if (sent := run.files.get(item.place.file)) is not None:
        if name in sent:
            return sent[name], Place(label)
        item.note("file", f"The file {label} did not come with the document.")
        return None
    path = run.folders[item.place.file] / name
    try:
        if path.stat().st_size > _LARGEST_FILE:
            item.note("file", f"The file {label} is too long for a rule.")
            return None
        return path.read_text(encoding="utf-8"), Place(label)
    except OSError as error:
        item.note("file", f"The file {label} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        item.note("file", f"The file {label} is not UTF-8 text.")
    return None
