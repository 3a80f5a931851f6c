"""The one browser of a test run, and what its pages may do."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import provision

# Without these it tries to reach hosts that no test is about.
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Start the browser that was found; none is a failure, never a skip."""
    browser = provision.find()
    return {
        **browser_type_launch_args,
        "executable_path": str(browser.program),
        "args": [*browser_type_launch_args.get("args", []), *QUIET],
        "env": {**os.environ, **browser.environment},
    }


@pytest.fixture(autouse=True, scope="session")
def allow_database_beside_the_browser() -> Iterator[None]:
    """Playwright runs an event loop in the test's thread, which Django takes for an asynchronous view."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
