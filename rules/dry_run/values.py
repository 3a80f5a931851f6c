"""What is known before a job runs and what is not: data with holes, and evaluating over it. Pure.

A hole is an ``Unknown`` that says what it waits for. The engine's own evaluation reads data through mappings; one that
holds a hole raises ``NotKnownYet`` when the hole is read, and only then. So ``environment == "PROD" and outcome == "ok"``
is known to be false in QA although nobody knows the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rules.engine import arguments
from rules.engine.registry import Schema
from rules.engine.templates import TemplateError, compile_template, render_arguments
from rules.marking import gettext_noop

OF_A_RESULT: Final = gettext_noop("It depends on the result of %(path)s.")
OF_A_VARIABLE: Final = gettext_noop("It depends on the variable %(name)s, which %(path)s may change.")
OF_A_NAME: Final = gettext_noop("It depends on the result %(name)s, which %(path)s may change.")
OF_THE_RUN: Final = gettext_noop("It depends on %(name)s, which is known only at run time.")
OF_A_SECRET: Final = gettext_noop("It depends on the secret %(name)s.")
OF_ITEMS: Final = gettext_noop("It depends on the items of %(path)s, which are known only at run time.")
OF_A_FAILURE: Final = gettext_noop("It depends on what fails in %(path)s.")


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence: the message id of its translation, with places, and what fills them."""

    template: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template % self.params


@dataclass(frozen=True, slots=True)
class Unknown:
    """The place of a value that nobody knows yet."""

    reason: Reason


class NotKnownYet(Exception):
    """A hole was read. No kind of error that the engine's evaluation catches."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Partial(Mapping[str, Any]):
    """A mapping with holes. It is no ``dict``, so that nothing copies it without reading it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Keep ``data``, in which each value is known or ``Unknown``."""
        self._data = data

    def __getitem__(self, key: str) -> Any:
        """Return a value.

        Raises:
            KeyError: There is none.
            NotKnownYet: There is a hole.
        """
        found = self._data[key]
        if isinstance(found, Unknown):
            raise NotKnownYet(found.reason)
        return found

    def __contains__(self, key: object) -> bool:
        """Return whether there is a value, known or not."""
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._data)

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self._data)


@dataclass(slots=True)
class Stash:
    """Run variables and saved results, with holes."""

    variables: dict[str, Any]
    results: dict[str, Any]

    def copy(self) -> Stash:
        """Return another one with the same content."""
        return Stash(dict(self.variables), dict(self.results))

    def take(self, other: Stash) -> None:
        """Become ``other``."""
        self.variables, self.results = other.variables, other.results

    def add_changes(self, before: Stash, after: Stash) -> None:
        """Take over what became different between ``before`` and ``after``."""
        self.variables |= _changes(before.variables, after.variables)
        self.results |= _changes(before.results, after.results)

    def doubt(self, before: Stash, after: Stash, path: str) -> None:
        """Forget the values of what became different between ``before`` and ``after``, if it happens, at ``path``."""
        for name in _changes(before.variables, after.variables):
            self.variables[name] = Unknown(Reason(OF_A_VARIABLE, {"name": name, "path": path}))
        for name in _changes(before.results, after.results):
            self.results[name] = Unknown(Reason(OF_A_NAME, {"name": name, "path": path}))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in before or before[name] is not value}


@dataclass(frozen=True, slots=True)
class Names:
    """The names an operation sees, as ``rules.engine.context.Scope`` has them, with holes."""

    fixed: Mapping[str, Any]
    stash: Stash
    local: Mapping[str, Any] = field(default_factory=dict)

    def with_local(self, **names: Any) -> Names:
        """Return the names inside a loop or a catch."""
        return replace(self, local={**self.local, **names})

    def with_stash(self, stash: Stash) -> Names:
        """Return the same names with other variables and results."""
        return replace(self, stash=stash)

    def _all(self) -> dict[str, Any]:
        return {
            **self.stash.results,
            **self.local,
            **self.fixed,
            "variables": Partial(self.stash.variables),
        }

    def condition(self, written: str | bool) -> bool:
        """Return whether a condition holds.

        Raises:
            NotKnownYet: It reads a hole.
            ArgumentError: It cannot be worked out.
        """
        return arguments.condition(written, Partial(self._all()))

    def evaluate(self, written: str) -> Any:
        """Return what an expression gives.

        Raises:
            NotKnownYet: It reads a hole.
            ArgumentError: It cannot be worked out.
        """
        return arguments.evaluate(written, Partial(self._all()))

    def rendered(self, schema: Schema, value: Any) -> Any:
        """Return an argument with its templates rendered as ``schema`` says.

        Raises:
            NotKnownYet: One of them reads a hole.
            ArgumentError: One of them cannot be rendered.
        """
        names = self._all()
        # Templates get all names at once, so holes among the roots are looked for here.
        for root in _roots(value):
            if isinstance(found := names.get(root), Unknown):
                raise NotKnownYet(found.reason)
        known = {name: one for name, one in names.items() if not isinstance(one, Unknown)}
        try:
            return render_arguments(schema, value, known)
        except TemplateError as error:
            raise arguments.ArgumentError(str(error)) from error


def _roots(value: Any) -> Iterator[str]:
    """Yield the names that the templates in plain data read; depth is bounded where rules are parsed."""
    if isinstance(value, str):
        try:
            yield from sorted(compile_template(value).names)
        except TemplateError:
            return  # Rendering says so.
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _roots(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _roots(item)
