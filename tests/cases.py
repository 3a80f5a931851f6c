"""Many cases in one test, where each would otherwise make the same people and things anew to ask one question."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction


def in_one_test(
    names: str | tuple[str, ...], cases: Iterable[Any], ids: object = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test with each case, as ``pytest.mark.parametrize`` does, but with the fixtures made once.

    What a case does to the database is taken back before the next one. All cases are tried, and those that fail are
    named together.

    Args:
        names: Parameters of the test that the cases fill.
        cases: A value each, or as many as there are names.
        ids: As ``parametrize`` takes them; a case is named by its values here.
    """
    known = list(cases)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            wrong = [error for case in known if (error := _failure(test, fixtures, names, case)) is not None]
            if wrong:
                raise ExceptionGroup(f"{len(wrong)} of {len(known)} cases", wrong)

        signature = inspect.signature(test)
        filled = {names} if isinstance(names, str) else set(names)
        left = [each for each in signature.parameters.values() if each.name not in filled]
        # What pytest looks at to know which fixtures are wanted.
        vars(run)["__signature__"] = signature.replace(parameters=left)
        return run

    return decorate


def _failure(
    test: Callable[..., None], fixtures: dict[str, Any], names: str | tuple[str, ...], case: Any
) -> Exception | None:
    values = {names: case} if isinstance(names, str) else dict(zip(names, case, strict=True))
    try:
        with transaction.atomic():
            test(**fixtures, **values)
            transaction.set_rollback(True)
    except Exception as error:
        error.add_note(f"in the case {repr(values)[:200]}")
        return error
    return None
