"""A connection to the database that breaks at a commit, before or after the server has made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connections


def break_commit(
    monkeypatch: pytest.MonkeyPatch, *, made: bool, now: Callable[[], bool] | None = None
) -> None:
    """Break this thread's connection at one commit, the next one unless told.

    Args:
        monkeypatch: The test's; all that it changed is undone at that commit.
        made: Whether the server makes the commit that its client never hears of.
        now: Asked at each commit within its transaction whether it is that one.
    """
    wrapper: Any = connections["default"]
    commit: Callable[[], None] = wrapper._commit

    def broken() -> None:
        if now is not None and not now():
            commit()
            return
        monkeypatch.undo()
        if made:
            commit()
        wrapper.connection.close()
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(wrapper, "_commit", broken)
