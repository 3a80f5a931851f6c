"""Every door of the product: each address of the URL configuration with each of its methods, each action one by one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver

from jobs.actions.base import every_action
from jobs.api.actions import TRAP_ANSWERS
from jobs.monitor.bulk import KEYS as ACTIONS_OF_THE_LIST

WRITING: Final = ("POST", "PUT", "PATCH", "DELETE")
_KNOWN: Final = ("GET", *WRITING)
_ONLY_READ: Final = frozenset(
    {
        "AdminSite.app_index", "AdminSite.autocomplete_view", "AdminSite.catch_all_view", "AdminSite.i18n_javascript",
        "AdminSite.index", "AdminSite.password_change_done", "shortcut",
    }
)  # fmt: skip
"""Django's own views that change nothing, whatever the method is called."""

ACTIONS_IN_BULK: Final = ("rerun", "cancel", "delete", "approve", "comment")
"""One for each right; what is done to each job is what is done at the doors of the single actions."""


@dataclass(frozen=True, order=True, slots=True)
class Door:
    """One way in.

    Attributes:
        name: Of the address, ``api:job``; the route where an address has no name.
        method: Of HTTP.
        action: Key of the action, for addresses that lead to several.
        route: The address with its parameters.
    """

    name: str
    method: str
    action: str
    route: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.method, self.action) if part)


def doors() -> list[Door]:
    """Return all doors in the order of the URL configuration; an address that an earlier one hides is none."""
    found: dict[str, tuple[str, Callable[..., Any]]] = {}
    for name, route, view in _addresses(get_resolver(), "", ""):
        found.setdefault(route, (name, view))
    return [
        Door(name, method, action, route)
        for route, (name, view) in found.items()
        for method in methods_of(view)
        for action in _actions(name, method, view)
    ]


def _addresses(
    resolver: URLResolver, prefix: str, namespace: str
) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield (f"{namespace}{pattern.name}" if pattern.name else route), route, pattern.callback
        else:
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _addresses(pattern, route, inner)


def methods_of(view: Callable[..., Any]) -> tuple[str, ...]:
    """Return the methods that a view takes, without HEAD and OPTIONS, which say nothing that GET does not.

    A function that names none, as those of Django's admin, takes GET and POST.
    """
    rest: Any = getattr(view, "cls", None)
    if rest is not None:
        return tuple(method for method in _KNOWN if hasattr(rest, method.lower())) or ("GET",)
    generic: Any = getattr(view, "view_class", None)
    if generic is not None:
        if generic.__name__ == "RedirectView":
            return ("GET",)
        allowed = [name.upper() for name in generic.http_method_names if hasattr(generic, name)]
        return tuple(method for method in ("GET", "POST") if method in allowed)
    named = _named_methods(view)
    return tuple(method for method in _KNOWN if method in named)


def _named_methods(view: Callable[..., Any]) -> tuple[str, ...]:
    """Return what ``require_http_methods`` was told, somewhere among the decorators of a view."""
    layer: Any = view
    while layer is not None:
        layer = getattr(layer, "__func__", layer)
        known = _closure(layer)
        # A decorator of a method is kept until the method is called.
        inner = known.get("decorators", ())
        for each in (known, *map(_closure, inner if isinstance(inner, list | tuple) else (inner,))):
            if "request_method_list" in each:
                return tuple(each["request_method_list"])
        name = getattr(layer, "__qualname__", "")
        if name in _ONLY_READ or name.endswith(".history_view"):
            return ("GET",)
        layer = getattr(layer, "__wrapped__", None)
    return ("GET", "POST")


def _closure(layer: Any) -> Mapping[str, Any]:
    return inspect.getclosurevars(layer).nonlocals if inspect.isfunction(layer) else {}


def _actions(name: str, method: str, view: Callable[..., Any]) -> tuple[str, ...]:
    """Return the actions behind an address, one empty key where there are none."""
    key = str(getattr(getattr(view, "cls", None), "key", ""))
    if name == "monitor:action":
        return tuple(every_action())
    if name == "api:jobs-bulk" or (name, method) == ("monitor:bulk", "POST"):
        return ACTIONS_IN_BULK
    if (name, method) == ("admin:jobs_job_changelist", "POST"):
        return ACTIONS_OF_THE_LIST
    if key == "trap":
        return TRAP_ANSWERS
    if (name, method) == ("api:job", "DELETE"):
        return ("delete",)
    return (key,) if key in every_action() else ("",)
