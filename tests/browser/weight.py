"""Measures what pages weigh and how soon something is seen of them.

``python -m tests.browser.weight --password …`` signs in to a product that runs (``make run``) and opens the monitor, page and log
of its newest job, and the pages beside them: with an empty cache and again with a full one. It prints the bytes that came over
the wire, with headers, the requests that they took, the elements of the page, how long the server took for its first byte, and
the first contentful paint. These are medians; the last column is how many times the paint of the plain text of ``/healthz``,
taken just before, it is, which says more about the page and less about the machine.
"""

import argparse
import os
import statistics
import sys
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.browser import provision

TIMES: Final = 5
PAINT: Final = """
() => new Promise(done => {
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (paint) done(paint.startTime); else setTimeout(look, 20);
  };
  look();
})"""
WAIT: Final = "performance.getEntriesByType('navigation')[0].responseStart"
ELEMENTS: Final = "document.querySelectorAll('*').length"
PLAIN: Final = "/healthz"
BESIDE: Final = {
    "new job": "/jobs/new/",
    "inbox": "/inbox/",
    "places": "/deployments/",
    "estimates": "/deployments/estimates/",
    "account": "/account/",
}
"""The pages beside those of a job, by name."""


class Weight(NamedTuple):
    """What opening a page took: bytes, requests, elements, and milliseconds to the first byte and to the paint."""

    size: int
    requests: int
    elements: int
    wait: float
    paint: float


class Scales:
    """One tab and what it hears of the network."""

    def __init__(self, page: Page) -> None:
        """Begin to listen."""
        self.page = page
        self._sizes: list[int] = []
        self.network: CDPSession = page.context.new_cdp_session(page)
        self.network.send("Network.enable")
        self.network.on("Network.loadingFinished", self._add)

    def _add(self, event: dict[str, Any]) -> None:
        if event["encodedDataLength"]:  # none comes out of the cache
            self._sizes.append(int(event["encodedDataLength"]))

    def weigh(self, address: str, *, cached: bool) -> Weight:
        """Return what it takes to open ``address``; the median of some times."""
        found = []
        for _ in range(TIMES):
            if not cached:
                self.network.send("Network.clearBrowserCache")
            self._sizes.clear()
            self.page.goto(address)
            paint, wait, elements = (self.page.evaluate(each) for each in (PAINT, WAIT, ELEMENTS))
            found.append(Weight(sum(self._sizes), len(self._sizes), elements, wait, paint))
        return Weight(*(statistics.median_low(sorted(values)) for values in zip(*found, strict=True)))


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def run(browser: Browser, address: str, user: str, password: str) -> None:
    """Print a table."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/login/")
    page.fill("[name=username]", user)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{address}/")
    job = page.locator("a.job-name").first.get_attribute("href")
    scales = Scales(page)
    say(
        f"{'page':10} {'cache':6} {'kB':>6} {'requests':>8} {'elements':>8} {'wait':>7} {'paint':>7} {'ratio':>6}"
    )
    for name, path in (("monitor", "/"), ("job", job), ("log", f"{job}log/"), *BESIDE.items()):
        least = scales.weigh(address + PLAIN, cached=True).paint
        for cached in (False, True):
            one = scales.weigh(f"{address}{path}", cached=cached)
            say(
                f"{name:10} {'full' if cached else 'empty':6} {one.size / 1000:6.1f} {one.requests:8} {one.elements:8} "
                f"{one.wait:4.0f} ms {one.paint:4.0f} ms {one.paint / least:6.1f}"
            )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.weight", description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="where the product answers")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True, help="as it was printed")
    given = parser.parse_args()
    browser = provision.find()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(browser.program), env={**os.environ, **browser.environment}
        )
        run(started, given.address, given.user, given.password)
        started.close()


if __name__ == "__main__":
    main()
