"""Reads one operation out of a view behind the door."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from jobs.api import idempotency, pagination
from jobs.api.parsing import Choice
from jobs.api.schema import operations, parameters, problems
from jobs.api.schema.examples import ANSWERS, BODIES
from jobs.api.schema.operation import Operation

Schema = dict[str, Any]

ROOT: Final = "/api/v1/"
JSON: Final = "application/json"
_COUNTED: Final = {
    "RateLimit": "How many more requests may follow, and in how many seconds all of them.",
    "RateLimit-Policy": "How many requests are allowed in how many seconds.",
}
_KEPT: Final = {"ETag": "Of this very answer, for `If-None-Match`."}
SECURITY: Final[Schema] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the user, made under *Account* or by `manage.py create_token USER`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "clarive_session",
        "description": "The session of somebody signed in to the pages.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "With a session: the value of the cookie `clarive_csrf`. Reading needs none.",
    },
}


class AddressSchema(AutoSchema):
    """What the view says of itself, and for the rest its row in the table of operations."""

    @property
    def address(self) -> str:
        """What follows ``/api/v1/``."""
        return str(self.path).removeprefix(ROOT)

    @property
    def operation(self) -> Operation:
        """The row of this method of this address.

        Raises:
            LookupError: There is none.
        """
        key = f"{self.method} {self.address}"
        if key not in operations.OPERATIONS:
            raise LookupError(f"{key} is not in the table of operations.")
        return operations.OPERATIONS[key]

    def get_operation(self, *args: Any, **kwargs: Any) -> Schema | None:
        """Return the operation."""
        found: Schema | None = super().get_operation(*args, **kwargs)
        if found is not None:
            found["responses"] = {**self._answers(), **self._refusals()}
        return found

    def get_operation_id(self) -> str:
        """Return its name in generated clients."""
        return self.operation.id

    def get_summary(self) -> str:
        """Return it in a few words."""
        return self.operation.summary

    def get_description(self) -> str:  # type: ignore[override]
        """Return what it does, in the method's own words unless the table has better ones."""
        if self.operation.text:
            return self.operation.text
        method = getattr(self.view, self.method.lower())
        return _words(method.__doc__)

    def get_tags(self) -> list[str]:
        """Return what it is listed under."""
        return [self.operation.tag or self.address.removeprefix("/api/").split("/")[0]]

    def get_auth(self) -> list[Schema]:
        """Return who may ask: a token alone, or a session, which writes with its CSRF token only."""
        if self._is_open():
            return [{}]
        session: Schema = {"session": []} if self.method == "GET" else {"session": [], "csrf": []}
        return [{"token": []}, session]

    def get_request_serializer(self) -> Any:
        """Return the body that the view reads."""
        bodies = getattr(self.view, "bodies", {})
        usual = getattr(self.view, "body", None) if self.method in {"POST", "PATCH", "PUT"} else None
        body = bodies.get(self.method.lower(), usual)
        # What changes something that is there may leave everything out, unless the view says otherwise.
        is_partial = self.method == "PATCH" and getattr(self.view, "partial", True)
        return body(partial=True) if body is not None and is_partial else body

    def get_response_serializers(self) -> Any:
        """Return nothing: answers come from the table."""
        return None

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Return the name of a shape: ``Job`` of a ``JobAnswer``, ``RerunBody`` of a ``RerunSerializer``."""
        name = type(serializer).__name__
        if name.endswith("Answer"):
            return name.removesuffix("Answer")
        name = name.removesuffix("Serializer")
        return name if name.startswith("New") else f"{name}Body"

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Schema:
        schema: Schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        schema["description"] = _words(type(serializer).__doc__)
        if not type(serializer).__name__.endswith("Answer"):
            schema["additionalProperties"] = False
        return schema

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> Schema:
        meta: Schema = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        is_text = isinstance(field, serializers.CharField) and not isinstance(field, Choice)
        if is_text and direction == "request" and not field.allow_blank:
            meta["minLength"] = 1
        return meta

    def _get_parameters(self) -> list[Schema]:
        view: Any = self.view
        found = [parameters.path_parameter(self.address, name) for name in self._parts()]
        if self.method == "GET":
            names = dict.fromkeys(getattr(view, "query_parameters", ()))
            if hasattr(view, "keyset"):
                names.update(dict.fromkeys(pagination.PARAMETERS))
            found += [parameters.query_parameter(self.address, name) for name in names]
            found += parameters.headers(self.address, lasts=self.operation.lasts)
        if self.method == "POST":
            found.append(parameters.IDEMPOTENCY_KEY)
        return found

    def _get_request_body(self, direction: Any = "request") -> Schema | None:
        serializer = self.get_request_serializer()
        if serializer is None:
            return None
        component = self.resolve_serializer(serializer, direction)
        return {
            "required": self.method != "DELETE",
            "content": {JSON: {"schema": component.ref, "example": BODIES[self.operation.id]}},
        }

    def _parts(self) -> list[str]:
        return [part[1:-1] for part in self.address.split("/") if part.startswith("{")]

    def _is_open(self) -> bool:
        return any(isinstance(permission, AllowAny) for permission in self.view.get_permissions())

    def _is_read_by_everybody(self) -> bool:
        """Whether whoever is signed in may read; such permissions are called so."""
        names = [type(permission).__name__ for permission in self.view.get_permissions()]
        return all(name.startswith(("ReadOr", "IsAuthenticated", "AllowAny")) for name in names)

    def _answers(self) -> Schema:
        """Return the answers of an operation that goes well."""
        operation = self.operation
        found: Schema = {"description": operation.summary + "."}
        kept = self.method == "GET" and not operation.lasts
        if operation.answer is not None:
            found["content"] = {JSON: self._answer(operation)}
        elif operation.media:
            found["content"] = {media: {"schema": schema} for media, schema in operation.media.items()}
        else:
            found["description"] = "Done."
        counted = not (operation.probe or self._is_open())
        headers = {**operation.headers, **(_KEPT if kept else {}), **(_COUNTED if counted else {})}
        if self.method == "POST":
            headers[idempotency.REPLAYED] = (
                "`true` when this key was answered so before, and nothing was done."
            )
        if headers:
            found["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
            }
        also = {str(status): {**found, "description": text} for status, text in operation.also.items()}
        unchanged = {"304": {"description": "It is still what `If-None-Match` says."}} if kept else {}
        return {str(operation.status): found, **also, **unchanged}

    def _answer(self, operation: Operation) -> Schema:
        assert operation.answer is not None
        component = self.resolve_serializer(operation.answer, "response")
        example = ANSWERS[component.name]
        if not operation.page:
            return {"schema": component.ref, "example": example}
        return {
            "schema": self._page(component).ref,
            "example": {"next": None, "previous": None, "results": [example]},
        }

    def _page(self, row: ResolvedComponent) -> ResolvedComponent:
        link = {"type": ["string", "null"], "format": "uri"}
        schema = {
            "type": "object",
            "description": "A page: its rows and the addresses of those beside it.",
            "properties": {"next": link, "previous": link, "results": {"type": "array", "items": row.ref}},
            "required": ["next", "previous", "results"],
        }
        page = ResolvedComponent(f"{row.name}Page", ResolvedComponent.SCHEMA, schema, _Page)
        self.registry.register_on_missing(page)
        return page

    def _refusals(self) -> Schema:
        """Return the refusals that follow from the operation's form, and its own."""
        usual = operations.PROBED if self.operation.probe else operations.EVERYWHERE
        codes = [*usual, *self.operation.codes]
        if not self._is_open():
            codes += operations.SIGNED_IN
        if self._parts():
            codes += operations.ONE_OF_MANY
        if self.method != "GET" or not self._is_read_by_everybody():
            codes += operations.WRITING
        if self.get_request_serializer() is not None or self.method == "DELETE":
            codes += operations.WITH_BODY
        if self.method != "GET":
            codes += operations.CHANGING
        if self.method == "POST":
            codes += operations.KEYED
        return {
            str(status): self._refusal(status, each) for status, each in problems.by_status(codes).items()
        }

    def _refusal(self, status: int, codes: tuple[str, ...]) -> Schema:
        schema = problems.response(status, codes)
        name = problems.component_name(status, codes)
        if name is None:
            return schema
        component = ResolvedComponent(name, ResolvedComponent.RESPONSE, schema, _Page)
        self.registry.register_on_missing(component)
        return dict(component.ref)


def _words(docstring: str | None) -> str:
    """Return a docstring as text: marks of code as Markdown has them."""
    return " ".join((docstring or "").replace("``", "`").split())


class _Page:
    """Stands for components that no class describes."""
