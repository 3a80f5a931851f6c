"""Schemathesis on the API in this process: every operation asked with what fits its description and with what does not."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi import checks

from jobs.api.schema.document import document

SECONDS: Final = float(os.environ.get("FUZZ_SECONDS", "5"))
"""For each person; every operation is asked at least once, also when that takes longer. The nightly run takes much more."""
SEED: Final = int(os.environ.get("FUZZ_SEED", "1"))
EXAMPLES: Final = 3 if SECONDS < 30 else 12
"""In one go; the first one of each is always the simplest there is, so a long run takes more at once."""


def no_failure_of_the_server(context: Any, response: Any, case: Any) -> None:
    """Refuse 5xx, but for what says that no worker is there, as none is in these tests."""
    if response.status_code != 503 or not (b'"no_worker"' in response.content or case.path == "/readyz"):
        not_a_server_error(context, response, case)


CHECKS: Final = [
    no_failure_of_the_server,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
"""Not that whatever fits is accepted: a rule that nobody published fits too."""
_REFUSALS: Final = (400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 503)
_CONFIG: Final = {
    "checks": {
        "negative_data_rejection": {"expected-statuses": [str(status) for status in _REFUSALS]},
    }
}
"""A text that is longer than it may be can make a body that is."""
_MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass
class Fuzz:
    """One person asking everything.

    Attributes:
        headers: That say who asks.
        known: What is there, by the name of the field or part of an address; most made up values are replaced by these.
        never: Operations to leave out.
        asked: How many requests were made.
        turns: How often everything was asked; every other time with what does not fit.
        failures: What was wrong, one text for each.
        statuses: How often each operation answered each status.
    """

    headers: Mapping[str, str]
    known: Mapping[str, list[Any]]
    never: frozenset[str] = frozenset()
    asked: int = 0
    turns: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    statuses: dict[tuple[str, int], int] = field(default_factory=dict)

    def run(self) -> None:
        """Ask all operations, again and again until the time is over."""
        end = time.monotonic() + SECONDS
        operations = [each for each in all_operations() if _name(each) not in self.never]
        with _in_one_transaction():
            for turn in itertools.count():
                self.turns = turn
                for place, operation in enumerate(operations):
                    if turn and time.monotonic() > end:
                        return
                    mode = _MODES[(turn + place + SEED) % 2]
                    self._ask(operation, mode, SEED + turn)

    def _ask(self, operation: Any, mode: GenerationMode, number: int) -> None:
        options = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

        @seed(number)
        @options
        @given(case=_strategy(operation.label, mode))
        def ask(case: Any) -> None:
            self._one(case, mode)

        # What takes nothing cannot be asked wrongly.
        with contextlib.suppress(Unsatisfiable):
            ask()

    def _one(self, case: Any, mode: GenerationMode) -> None:
        self._name_what_is_there(case, mode)
        with _put_back() if case.method == "DELETE" else contextlib.nullcontext():
            response = case.call(headers={"Accept-Encoding": "identity", **self.headers})
        self.asked += 1
        key = (case.operation.label, response.status_code)
        self.statuses[key] = self.statuses.get(key, 0) + 1
        try:
            case.validate_response(response, checks=CHECKS, headers=dict(self.headers))
        except (FailureGroup, Failure) as error:
            for each in getattr(error, "exceptions", [error]):
                name = f"{case.operation.label}: {type(each).__name__} {response.status_code}"
                text = f"{each}\n{case.as_curl_command()}\n{response.content[:600]!r}"
                self.failures.setdefault(name, text)

    def _name_what_is_there(self, case: Any, mode: GenerationMode) -> None:
        """Put what exists in the place of what was made up, three times out of four: nothing happens to what is not there.

        What is wrong on purpose stays as it is.
        """
        if self.asked % 4 == 0 or mode is GenerationMode.NEGATIVE:
            return
        for values in (case.path_parameters, case.query, case.body):
            # What is made has a name of its own.
            names = self.known if values is not case.body else self.known.keys() - {"name"}
            for name in names if isinstance(values, dict) else ():
                known, given = self.known[name], values.get(name)
                if known and isinstance(given, str | int | list):
                    place = self.asked % len(known)
                    values[name] = known[place : place + 2] if isinstance(given, list) else known[place]


@functools.cache
def all_operations() -> list[Any]:
    """Return the operations of the description, as Schemathesis knows them."""
    # A copy: a case may carry an example of the description itself, and names are put into cases.
    schema = from_dict(copy.deepcopy(document()), config=schemathesis.Config.from_dict(_CONFIG))
    schema.app = WSGIHandler()
    return [cast("Any", result).ok() for result in schema.get_all_operations()]


@functools.cache
def _strategy(label: str, mode: GenerationMode) -> Any:
    operation = next(each for each in all_operations() if each.label == label)
    return operation.as_strategy(generation_mode=mode)


def _name(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])


@contextmanager
def _put_back() -> Iterator[None]:
    """Take back what happens inside: what is deleted would be there for none of the others."""
    place = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(place)


@contextmanager
def _in_one_transaction() -> Iterator[None]:
    """Leave the connection open between requests, as Django's own test client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for signal in signals:
            signal.connect(close_old_connections)
